"""Outlines as they came to valid polygons in longitude and latitude, or the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from surco.encoder.parcel_import.features import Features, Objects
from surco.encoder.parcels import measure

__all__ = ["LARGEST_M2", "Cleaned", "clean"]

Move = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], tuple[object, object]]
LARGEST_M2 = 53_000e6
"""What `encode` takes at most of one parcel; every comuna of Chile is smaller."""
_MAX_VERTICES = 2_000_000
_REPAIRS = 4
_POLYGONS = (3, 6)
_COLLECTION = 7
_SPOT = re.compile(r"\[.*?\]")


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """N features after cleaning.

    Attributes:
        geometry: (N,) valid polygons or multipolygons, OGC:CRS84; None where dropped.
        dropped, repaired: (N,) text, the reason and what was wrong; None where not.
        area, perimeter: (N,) m² and m on the ellipsoid, 0 where dropped.
        area_before: (N,) m² enclosed by the outline before it was repaired, NaN where it was not.
        flattened: how many had heights, which are left out.
    """

    geometry: Objects
    dropped: Objects
    repaired: Objects
    area: npt.NDArray[np.float64]
    perimeter: npt.NDArray[np.float64]
    area_before: npt.NDArray[np.float64]
    flattened: int


@np.errstate(all="ignore")  # GEOS leaves marks on odd outlines; what comes of them is checked
def clean(features: Features, move: Move) -> Cleaned:
    """Clean outlines; each feature is kept, repaired, or dropped with one reason.

    Args:
        features: in any CRS.
        move: from that CRS to degrees, x (longitude) first, as pyproj's `Transformer.transform`.
    """
    dropped, repaired = features.fault.copy(), features.repair.copy()
    shapes = shapely.force_2d(features.geometry)
    flattened = int(shapely.has_z(features.geometry).sum())
    _drop_unusable(shapes, dropped)
    shapes = _polygons_of_collections(shapes, dropped, repaired)
    left = np.flatnonzero(_kept(dropped))
    shapes[left] = shapely.transform(shapes[left], move, interleaved=False)
    _drop_off_globe(shapes, dropped)
    moved = _unwrap(shapes, dropped)
    before = _repair(shapes, dropped, repaired)
    _cut(shapes, moved, repaired)
    area, perimeter = _measured(shapes, dropped)
    shapes[~_kept(dropped)] = None
    return Cleaned(shapes, dropped, repaired, area, perimeter, before, flattened)


def _kept(dropped: Objects) -> npt.NDArray[np.bool_]:
    return np.array([reason is None for reason in dropped], bool)


def _put(dropped: Objects, where: npt.NDArray[np.bool_], reason: str) -> None:
    """A reason where there is none yet."""
    dropped[where & _kept(dropped)] = reason


def _drop_unusable(shapes: Objects, dropped: Objects) -> None:
    _put(dropped, shapely.is_missing(shapes), "no outline")
    _put(dropped, shapely.is_empty(shapes), "empty outline")
    kinds = shapely.get_type_id(shapes)
    for kind in np.unique(kinds[(kinds >= 0) & ~np.isin(kinds, (*_POLYGONS, _COLLECTION))]):
        _put(dropped, kinds == kind, f"{_name(kind)}, not a polygon")
    _put(
        dropped, shapely.get_num_coordinates(shapes) > _MAX_VERTICES, f"more than {_MAX_VERTICES:,} vertices"
    )
    points, row = shapely.get_coordinates(shapes, return_index=True)
    odd = np.zeros(len(shapes), bool)
    odd[row[~np.isfinite(points).all(axis=1)]] = True
    _put(dropped, odd, "coordinates that are no numbers")


def _name(kind: int) -> str:
    return ("Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString")[kind]


def _polygons_of_collections(shapes: Objects, dropped: Objects, repaired: Objects) -> Objects:
    """Collections become the polygons in them."""
    for row in np.flatnonzero((shapely.get_type_id(shapes) == _COLLECTION) & _kept(dropped)):
        parts = [part for part in _leaves(shapes[row]) if shapely.get_type_id(part) == _POLYGONS[0]]
        if parts:
            shapes[row] = shapely.MultiPolygon(parts) if len(parts) > 1 else parts[0]
            repaired[row] = _also(repaired[row], "a collection, of which the polygons were taken")
        else:
            dropped[row] = "GeometryCollection without a polygon"
    return shapes


def _leaves(shape: shapely.Geometry) -> list[shapely.Geometry]:
    """Parts that have no parts, however deep they lie."""
    found: list[shapely.Geometry] = []
    open_ = [shape]
    while open_:
        for part in shapely.get_parts(open_.pop()):
            (found if shapely.get_type_id(part) < 4 else open_).append(part)
    return found


def _drop_off_globe(shapes: Objects, dropped: Objects) -> None:
    bounds = shapely.bounds(shapes)
    with np.errstate(invalid="ignore"):
        inside = (np.abs(bounds[:, ::2]) <= 540).all(axis=1) & (np.abs(bounds[:, 1::2]) <= 90).all(axis=1)
    _put(dropped, ~inside, "not on the globe in this CRS")


def _repair(shapes: Objects, dropped: Objects, repaired: Objects) -> npt.NDArray[np.float64]:
    """Make what is not valid so, in place; (N,) m² enclosed before, NaN where nothing was done.

    The method "structure" of GEOS keeps what lies inside any outer ring and in no hole.
    """
    before = np.full(len(shapes), np.nan)
    for row in np.flatnonzero(_kept(dropped) & ~shapely.is_valid(shapes)):
        fault = _SPOT.sub("", shapely.is_valid_reason(shapes[row])).strip()
        repaired[row] = _also(repaired[row], fault.lower())
        before[row] = measure(shapes[row : row + 1])[0][0]
        # A crossing that GEOS makes lies beside both lines by a rounding, and may cross again.
        for _ in range(_REPAIRS):
            shapes[row] = shapely.make_valid(shapes[row], method="structure", keep_collapsed=False)
            if shapely.is_valid(shapes[row]):
                break
        else:
            dropped[row] = "an outline that cannot be repaired"
    return before


def _unwrap(shapes: Objects, dropped: Objects) -> npt.NDArray[np.intp]:
    """Move what crosses the antimeridian to longitudes of -180 to 540 without a jump, in place; the rows moved."""
    west, _, east, _ = shapely.bounds(shapes).T
    with np.errstate(invalid="ignore"):
        beyond = (west < -180) | (east > 180)
        wide = east - west > 180
    rows = np.flatnonzero((beyond | wide) & _kept(dropped))
    for row in rows:
        limit = np.inf if west[row] < -180 else (-np.inf if beyond[row] else 0.0)
        shapes[row] = shapely.transform(
            shapes[row],
            lambda xy, limit=limit: np.column_stack([xy[:, 0] + 360 * (xy[:, 0] < limit), xy[:, 1]]),
        )
    return rows


def _cut(shapes: Objects, rows: npt.NDArray[np.intp], repaired: Objects) -> None:
    """Cut at the antimeridian, in place, so that longitudes are -180 to 180 again."""
    for row in rows:
        east = shapely.intersection(shapes[row], shapely.box(180, -90, 540, 90))
        moved = shapely.transform(east, lambda xy: xy - [360, 0])
        near = shapely.intersection(shapes[row], shapely.box(-180, -90, 180, 90))
        shapes[row] = shapely.union(near, moved)
        repaired[row] = _also(repaired[row], "beyond the antimeridian, cut or moved there")


def _measured(shapes: Objects, dropped: Objects) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    area, perimeter = np.zeros(len(shapes)), np.zeros(len(shapes))
    polygonal = np.isin(shapely.get_type_id(shapes), _POLYGONS) & ~shapely.is_empty(shapes)
    _put(dropped, ~polygonal, "nothing left with an area")
    left = np.flatnonzero(_kept(dropped))
    area[left], perimeter[left] = measure(shapes[left])
    _put(dropped, area.astype(np.float32) <= 0, "nothing left with an area")
    _put(dropped, area > LARGEST_M2, f"larger than {LARGEST_M2 / 1e6:,.0f} km²")
    return area, perimeter


def _also(earlier: str | None, more: str) -> str:
    return more if earlier is None else f"{earlier}; {more}"
