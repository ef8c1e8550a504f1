"""Zips from strangers: the data set in one, taken out under names of our own, never more bytes than allowed."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final
from zlib import error as ZlibError

from surco.api.refusals import InvalidError, TooLargeError

__all__ = ["unzip"]

_ENTRIES: Final = 200
_RATIO: Final = 200
"""Real archives of shapefiles shrink to a twentieth at best; a bomb to a thousandth."""
_SMALL: Final = 8 << 20
_SETS: Final = (".shp", ".gpkg", ".geojson", ".json", ".parquet", ".geoparquet", ".csv")
_BESIDE: Final = (".dbf", ".shx", ".prj", ".cpg")
_NESTED: Final = (".zip", ".kmz", ".gz", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz")
_CHUNK: Final = 1 << 20
# What shp-write, with which TEE makes its zips, calls the shapefiles of one set of labels.
_BY_GEOMETRY: Final = frozenset({"point", "polygon", "multipolygon"})


def unzip(path: Path, folder: Path, layer: str | None, most: int, name: str) -> list[Path]:
    """Take the data set of a zip out; several files where they are one set of labels by kind of shape.

    Files get names of our own, so no name of the archive is ever a path here; bytes are counted as they come, whatever
    the archive says of itself.

    Args:
        path: the archive.
        folder: an empty one.
        layer: name, without suffix, of the data set meant.
        most: bytes that may come out.
        name: of the archive, for people.

    Raises:
        InvalidError: no archive, none or several data sets, encrypted, damaged, odd names, links, a zip in the zip.
        TooLargeError: a bomb.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _require_small(entries, most, name)
            _require_plain(entries, name)
            sets = _chosen([entry for entry in entries if not entry.is_dir()], layer, name)
            left = most
            for number, chosen in enumerate(sets):
                for entry in _with_sidecars(chosen, entries):
                    target = folder / f"labels{number}{_suffix(entry)}"
                    left -= _copy(archive, entry, target, left, name)
            return [folder / f"labels{number}{_suffix(chosen)}" for number, chosen in enumerate(sets)]
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, ZlibError, OSError) as error:
        raise InvalidError(
            f"Expected a zip that opens without a password in {name}, got {str(error)[:160]!r}. Make it again."
        ) from error


def _require_small(entries: Sequence[zipfile.ZipInfo], most: int, name: str) -> None:
    whole, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if len(entries) > _ENTRIES or whole > most or (whole > _SMALL and whole > _RATIO * max(packed, 1)):
        raise TooLargeError(
            f"Expected a zip of at most {_ENTRIES} files, {most >> 20:,} MB and {_RATIO} times its size in {name}, got "
            f"{len(entries):,} files of {whole:,} bytes from {packed:,}. Send the data set alone."
        )


def _require_plain(entries: Sequence[zipfile.ZipInfo], name: str) -> None:
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in entry.filename or "\x00" in entry.filename:
            raise InvalidError(
                f"Expected plain names in {name}, got {entry.filename[:80]!r}. Make the zip without paths out of it."
            )
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InvalidError(
                f"Expected files in {name}, got the link {entry.filename[:80]!r}. Zip the file itself."
            )
        if _suffix(entry) in _NESTED:
            raise InvalidError(
                f"Expected no archive in {name}, got {entry.filename[:80]!r}. Unpack it and send that."
            )


def _chosen(entries: Sequence[zipfile.ZipInfo], layer: str | None, name: str) -> list[zipfile.ZipInfo]:
    found = [entry for entry in entries if _suffix(entry) in _SETS and not _hidden(entry)]
    named = [entry for entry in found if layer is not None and _stem(entry) == layer]
    if len(found) == 1:
        return found
    if len(named) == 1:
        return named
    if layer is None and 1 < len(found) == len({_stem(entry).casefold() for entry in found} & _BY_GEOMETRY):
        return found
    listed = ", ".join(repr(_stem(entry)[:60]) for entry in found[:10]) or "none"
    raise InvalidError(
        f"Expected one data set ({', '.join(_SETS)}) in {name}, got {listed}. Name the one meant with ?layer=."
    )


def _with_sidecars(chosen: zipfile.ZipInfo, entries: Sequence[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The file, and of a shapefile what lies beside it under the same name."""
    if _suffix(chosen) != ".shp":
        return [chosen]
    stem = chosen.filename[:-4].casefold()
    beside = [
        entry for entry in entries if entry.filename[:-4].casefold() == stem and _suffix(entry) in _BESIDE
    ]
    return [chosen, *beside]


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, most: int, name: str) -> int:
    written = 0
    with archive.open(entry) as source, target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > entry.file_size:
                raise zipfile.BadZipFile(f"{entry.filename[:80]} is longer than it says")
            if written > most:
                raise TooLargeError(
                    f"Expected less in {name}, got more bytes than may come out. Send less at once."
                )
            file.write(chunk)
    return written


def _stem(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename).stem


def _suffix(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename).suffix.lower()


def _hidden(entry: zipfile.ZipInfo) -> bool:
    """What macOS adds to archives is no data."""
    parts = PurePosixPath(entry.filename).parts
    return "__MACOSX" in parts or parts[-1].startswith(".")
