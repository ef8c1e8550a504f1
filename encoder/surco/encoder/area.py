"""The area to encode: a bounding box or a GeoJSON file, in degrees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.errors import ShapelyError

from surco.encoder.errors import EncoderError

__all__ = ["AreaError", "crs_name", "project", "reaches_degrees", "read_area"]


class AreaError(EncoderError):
    """An area that cannot be read, is empty, or is not in degrees."""


def read_area(area: str | Path | Sequence[float] | shapely.Geometry) -> shapely.Geometry:
    """Read the area to encode.

    Args:
        area: west, south, east, north in degrees (four numbers, or one text with commas), a GeoJSON file, or
            a polygon in degrees, OGC:CRS84.

    Returns:
        A polygon or multipolygon, valid and not empty.

    Raises:
        AreaError: not a box or a file of polygons, or outside the range of longitudes and latitudes.
    """
    if isinstance(area, shapely.Geometry):
        return _checked(area, "the area")
    numbers = _numbers(str(area).split(",") if isinstance(area, (str, Path)) else area)
    if numbers is None and isinstance(area, (str, Path)):
        return _checked(_read_file(Path(area)), str(area))
    if numbers is None or len(numbers) != 4 or not (numbers[0] < numbers[2] and numbers[1] < numbers[3]):
        raise AreaError(
            f"Expected an area as west,south,east,north in degrees; got {area!r}. "
            "Write for example -71.6,-35.5,-71.5,-35.4."
        )
    return _checked(shapely.box(*numbers), str(area))


def project(geometry: shapely.Geometry, source: str, target: str) -> shapely.Geometry:
    """Transform a geometry from one CRS to another, x (or longitude) first; long edges are cut first."""
    if source == target:
        return geometry
    west, south, east, north = geometry.bounds
    step = max(east - west, north - south) / 32
    dense = shapely.segmentize(geometry, step) if step > 0 else geometry
    transformer = Transformer.from_crs(source, target, always_xy=True)
    return shapely.transform(dense, transformer.transform, interleaved=False)


def crs_name(crs: object) -> str:
    """What a CRS calls itself, for messages: the name of PROJJSON, else the start of its text."""
    named = crs.get("name") if isinstance(crs, dict) else None
    return str(named or crs)[:100]


def reaches_degrees(crs: object) -> bool:
    """Whether places in a CRS can be told in longitude and latitude: it is projected or geographic, and of the Earth.

    Args:
        crs: as pyproj takes it: an authority's code, WKT, or PROJJSON.
    """
    try:
        source = CRS.from_user_input(crs)
        Transformer.from_crs(source, "OGC:CRS84", always_xy=True)
    except (CRSError, ProjError):
        return False
    return source.is_projected or source.is_geographic


def _numbers(parts: Iterable[object]) -> list[float] | None:
    try:
        return [float(str(part)) for part in parts]
    except ValueError:
        return None


def _read_file(path: Path) -> shapely.Geometry:
    try:
        document = json.loads(path.read_text("utf-8"))
        features = document.get("features", [document])
        shapes = [shapely.geometry.shape(feature.get("geometry") or feature) for feature in features]
    except OSError as error:
        raise AreaError(
            f"Expected west,south,east,north or a GeoJSON file; got {str(path)!r} ({error.strerror}). "
            "Check the path or the numbers."
        ) from error
    except (ValueError, AttributeError, KeyError, TypeError, ShapelyError) as error:
        raise AreaError(
            f"Expected GeoJSON polygons in {path}; got something else ({error}). Export the area as GeoJSON."
        ) from error
    return shapely.union_all(shapely.make_valid(shapes))


def _checked(geometry: shapely.Geometry, name: str) -> shapely.Geometry:
    valid = shapely.make_valid(geometry)
    polygons = [part for part in shapely.get_parts(valid) if part.geom_type in ("Polygon", "MultiPolygon")]
    if not polygons or valid.area == 0:
        raise AreaError(f"Expected polygons in {name}; got {valid.geom_type}. Draw the area as a polygon.")
    west, south, east, north = valid.bounds
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise AreaError(
            f"Expected longitudes and latitudes in {name}; got bounds {west:g},{south:g},{east:g},{north:g}. "
            "Give the area in degrees, longitude first."
        )
    return shapely.union_all(polygons)
