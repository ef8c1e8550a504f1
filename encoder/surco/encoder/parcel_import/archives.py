"""Zip archives from strangers: one data set taken out under names of our own, never more bytes than allowed."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from zlib import error as ZlibError

from surco.encoder.parcels import ParcelError

__all__ = ["unpack"]

_ENTRIES = 10_000
_MAX_BYTES = 64 << 30
_MAX_RATIO = 200
"""Real archives of shapefiles shrink to a twentieth at best; a bomb to a thousandth."""
_SMALL = 64 << 20
_SETS = (".shp", ".gpkg", ".geojson", ".json", ".parquet", ".geoparquet", ".gml")
_BESIDE = (".dbf", ".shx", ".prj", ".cpg")
_CHUNK = 1 << 20


def unpack(path: Path, folder: Path, layer: str | None) -> tuple[Path, str]:
    """Take the one data set of a zip out.

    Files get names of our own in `folder`, so that no name of the archive is ever a path here; bytes are counted as
    they come, whatever the archive says of itself.

    Args:
        path: the archive.
        folder: an empty one, on a disk with room.
        layer: name (without suffix) of the data set where there are several.

    Returns:
        The file to open and its name in the archive.

    Raises:
        ParcelError: no archive, none or several data sets, encrypted, damaged, or far larger than it looks.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_size(path, entries)
            chosen = _choose(path, entries, layer)
            for entry in _with_sidecars(chosen, entries):
                _copy(archive, entry, folder / f"parcels{PurePosixPath(entry.filename).suffix.lower()}")
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, ZlibError) as error:
        raise ParcelError(
            f"Expected a zip that can be opened without a password in {path}; got {str(error)[:200]!r}. "
            "Unpack it, or make it again."
        ) from error
    return folder / f"parcels{_suffix(chosen)}", chosen.filename


def _check_size(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    whole, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if len(entries) > _ENTRIES or whole > _MAX_BYTES or (whole > _SMALL and whole > _MAX_RATIO * packed):
        raise ParcelError(
            f"Expected a zip of parcels in {path}, at most {_ENTRIES:,} files, {_MAX_BYTES >> 30} GiB and "
            f"{_MAX_RATIO} times its size; got {len(entries):,} files and {whole:,} bytes from {packed:,}. "
            "Unpack it yourself if you trust it, and import the file inside."
        )


def _choose(path: Path, entries: Sequence[zipfile.ZipInfo], layer: str | None) -> zipfile.ZipInfo:
    found = [entry for entry in entries if _suffix(entry) in _SETS and not _hidden(entry)]
    named = [entry for entry in found if layer is None or PurePosixPath(entry.filename).stem == layer]
    if len(named) == 0 and len(found) == 1:
        return found[0]
    if len(named) != 1:
        names = ", ".join(PurePosixPath(entry.filename).name for entry in (named or found)[:10]) or "none"
        raise ParcelError(
            f"Expected one file of parcels ({', '.join(_SETS)}) in {path}; got {len(named or found)}: {names}. "
            "Name the one meant with --layer, without its suffix, or unpack it."
        )
    return named[0]


def _with_sidecars(chosen: zipfile.ZipInfo, entries: Sequence[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The file, and of a shapefile what lies beside it under the same name; of two alike the last counts."""
    if _suffix(chosen) != ".shp":
        return [chosen]
    stem = chosen.filename[:-4].casefold()
    beside = [entry for entry in entries if entry.filename[:-4].casefold() == stem]
    return [chosen, *(entry for entry in beside if _suffix(entry) in _BESIDE)]


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    if entry.file_size > shutil.disk_usage(target.parent).free * 0.9:
        raise ParcelError(
            f"Expected room for {entry.file_size:,} bytes of {entry.filename!r} in {target.parent}; got less. "
            "Write the output to a larger disk."
        )
    written = 0
    with archive.open(entry) as source, target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > entry.file_size:
                raise zipfile.BadZipFile(f"{entry.filename} is longer than it says")
            file.write(chunk)


def _suffix(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename).suffix.lower()


def _hidden(entry: zipfile.ZipInfo) -> bool:
    """What macOS adds to archives is no data."""
    parts = PurePosixPath(entry.filename).parts
    return "__MACOSX" in parts or parts[-1].startswith("._")
