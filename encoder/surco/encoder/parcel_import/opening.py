"""A file of parcels of any kind, opened; and the way from its CRS to degrees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import shapely
from pyproj import CRS, Geod, Transformer

from surco.encoder.area import crs_name, reaches_degrees
from surco.encoder.parcel_import.archives import unpack
from surco.encoder.parcel_import.cleaning import Move
from surco.encoder.parcel_import.features import Objects, Source
from surco.encoder.parcel_import.file_kinds import Kind, kind_of
from surco.encoder.parcel_import.gdal_source import gdal_source
from surco.encoder.parcel_import.parquet_source import parquet_source
from surco.encoder.parcel_import.request import ParcelRequest
from surco.encoder.parcels import ParcelError

__all__ = ["Reference", "open_source", "reference_of"]

_LON_LAT = "OGC:CRS84"
_SUFFIX: Final[dict[Kind, str]] = {
    "GeoPackage": ".gpkg",
    "shapefile": ".shp",
    "GeoJSON": ".geojson",
    "GML": ".gml",
}
_FAR_M = 5.0
_BESIDE = (".dbf", ".shx", ".prj", ".cpg")


@dataclass(frozen=True, slots=True)
class Reference:
    """The CRS of the outlines.

    Attributes:
        name: for people, with its code.
        said_by: "the file" or "--crs".
        crs: itself.
        transformer: to degrees, longitude first.
        home: west, south, east, north in degrees of the area that it is made for; None where not known.
    """

    name: str
    said_by: str
    crs: CRS
    transformer: Transformer
    home: tuple[float, float, float, float] | None

    @property
    def move(self) -> Move:
        """To degrees, x (longitude) first."""
        return self.transformer.transform

    def datum_shift(self, x: float, y: float) -> tuple[float, float] | None:
        """How far a place is moved by the change of datum, and to how many metres that is known (-1: nobody says).

        None below 5 m, and where the CRS counts from another meridian than Greenwich, so that degrees differ anyway.
        """
        plain = self.crs.sub_crs_list[0] if self.crs.is_compound else self.crs
        base = plain.geodetic_crs
        if base is None or base.prime_meridian is None or base.prime_meridian.longitude:
            return None
        before = Transformer.from_crs(self.crs, base, always_xy=True).transform(x, y)
        after = self.transformer.transform(x, y)
        shift = float(Geod(ellps="WGS84").inv(*before[:2], *after[:2])[2])
        return None if shift < _FAR_M else (shift, float(self.transformer.get_last_used_operation().accuracy))

    def away(self, shapes: Objects) -> int:
        """How many shapes in degrees lie wholly outside `home`."""
        if self.home is None or self.home[0] > self.home[2]:
            return 0
        west, south, east, north = shapely.bounds(shapes).T
        home = self.home
        return int(((east < home[0]) | (west > home[2]) | (north < home[1]) | (south > home[3])).sum())


@contextmanager
def open_source(request: ParcelRequest, scratch: Path) -> Iterator[Source]:
    """Open a file; of a zip the one data set in it, unpacked into an empty folder.

    Raises:
        ParcelError: not there, of no known kind, or refused by its reader.
    """
    path, inside, layer = request.path, "", request.layer
    kind = kind_of(path)
    scratch.mkdir()
    if kind == "zip":
        path, inside = unpack(request.path, scratch, request.layer)
        kind = kind_of(path)
        layer = (
            None if Path(inside).stem == request.layer or kind in ("shapefile", "GeoJSON") else request.layer
        )
    if kind == "zip":
        raise ParcelError(f"Expected parcels in {request.path}; got a zip in a zip. Unpack the outer one.")
    named = f"{request.path} ({inside})" if inside else str(request.path)
    if kind != "GeoParquet":
        path = _alone(path, kind, scratch / "alone")
    opened = (
        parquet_source(path) if kind == "GeoParquet" else gdal_source(path, kind, layer, request.encoding)
    )
    with _named(path, named), opened as source:
        yield source


def _alone(path: Path, kind: Kind, folder: Path) -> Path:
    """A link to the file in a folder of ours, under a plain name, with what belongs to a shapefile.

    GDAL writes files beside what it reads, obeys some that lie there, and stumbles over quotes in names.
    """
    folder.mkdir()
    target = folder / f"parcels{_SUFFIX[kind]}"
    target.symlink_to(path.absolute())
    if kind == "shapefile":
        for beside in path.parent.iterdir():
            if beside.stem.casefold() == path.stem.casefold() and beside.suffix.lower() in _BESIDE:
                link = target.with_suffix(beside.suffix.lower())
                link.unlink(missing_ok=True)
                link.symlink_to(beside.absolute())
    return target


@contextmanager
def _named(path: Path, said: str) -> Iterator[None]:
    """Messages that name a file of ours name the one that people know."""
    try:
        yield
    except ParcelError as error:
        raise ParcelError(str(error).replace(str(path), said)) from error


def reference_of(source: Source, request: ParcelRequest) -> Reference:
    """The CRS to read outlines in: what was asked for, else what the file says.

    Raises:
        ParcelError: neither says, or it is none that degrees can be told from.
    """
    crs, said_by = (source.crs, "the file") if request.crs is None else (request.crs, "--crs")
    if crs is None or (said_by == "the file" and crs_name_of(crs).startswith("Undefined")):
        raise ParcelError(
            f"Expected {request.path} to say its coordinate reference system (a shapefile does so in a .prj beside "
            "it); got none. Ask whoever made it and say it with --crs, such as --crs EPSG:32719 (UTM 19 south)."
        )
    if not reaches_degrees(crs):
        raise ParcelError(
            f"Expected a known CRS of the Earth for {request.path}, from {said_by}; got {crs_name(crs)!r}. "
            "Say the right one with --crs, such as --crs EPSG:32719."
        )
    known = CRS.from_user_input(crs)
    code = known.to_authority(min_confidence=90)
    transformer = Transformer.from_crs(known, _LON_LAT, always_xy=True)
    home = known.area_of_use.bounds if known.area_of_use else None
    return Reference(
        f"{known.name}{f' ({code[0]}:{code[1]})' if code else ''}", said_by, known, transformer, home
    )


def crs_name_of(crs: object) -> str:
    """The name in WKT, PROJJSON or of a code; "" where there is none."""
    if not reaches_degrees(crs):
        text = crs_name(crs)
        return "Undefined" if "Undefined" in text[:60] else ""
    return str(CRS.from_user_input(crs).name)
