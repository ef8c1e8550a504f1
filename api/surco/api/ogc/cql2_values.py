"""Values of CQL2 that are more than numbers and text: geometries, days and moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import shapely

from surco.api.refusals import InvalidError

__all__ = ["MAX_VERTICES", "Reproject", "box_of", "geometry_of", "moment_of"]

MAX_VERTICES = 10_000
"""Of one geometry in a filter."""

Reproject = Callable[[Any], Any]
"""A shapely geometry in the filter's reference system → longitude and latitude."""


def geometry_of(node: Mapping[str, Any], reproject: Reproject | None = None) -> Any:
    """A shapely geometry, in longitude and latitude, of GeoJSON or of a `bbox`.

    Raises:
        InvalidError: no geometry, one that is invalid or has too many vertices, places off the globe.
    """
    shape = _bbox_of(node["bbox"]) if "bbox" in node else _shape_of(node)
    if shapely.get_num_coordinates(shape) > MAX_VERTICES:
        raise InvalidError(
            f"Expected a geometry of at most {MAX_VERTICES:,} vertices in the filter, got "
            f"{shapely.get_num_coordinates(shape):,}. Simplify it."
        )
    if shape.is_empty or not shape.is_valid:
        raise InvalidError(
            f"Expected a valid geometry in the filter, got one that is not: {shapely.is_valid_reason(shape)}. Mend it."
        )
    turned = shapely.force_2d(shape if reproject is None else reproject(shape))
    places = shapely.get_coordinates(turned)
    if not (np.isfinite(places).all() and (np.abs(places) <= (180.0, 90.0)).all()):
        raise InvalidError(
            "Expected a geometry of longitude -180 to 180 and latitude -90 to 90 in the filter, got one beyond. "
            "Name its reference system in filter-crs, and mind the order of its axes."
        )
    return turned


def box_of(west: float, south: float, east: float, north: float) -> Any:
    """The rectangle as a polygon, or as two where it goes over the antimeridian (west greater than east).

    Raises:
        InvalidError: sides that are not finite, or south above north.
    """
    if not all(map(math.isfinite, (west, south, east, north))) or south > north:
        raise InvalidError(
            f"Expected a box of finite numbers west,south,east,north with south below north, got "
            f"{west},{south},{east},{north}. Mind the order of the axes."
        )
    if west <= east:
        return shapely.box(west, south, east, north)
    return shapely.multipolygons(
        [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
    )


def moment_of(text: Any, *, last: bool = False) -> str:
    """A day or a moment as DuckDB's TIMESTAMP in UTC; `..` (or nothing) is infinitely early, or late if it is `last`.

    Raises:
        InvalidError: anything else.
    """
    if text in ("..", ""):
        return "infinity" if last else "-infinity"
    try:
        if len(text) == 10:
            return f"{date.fromisoformat(text)} 00:00:00"
        moment = datetime.fromisoformat(text)
        if "T" not in text.upper() or moment.tzinfo is None:
            raise ValueError("a moment needs its time zone, as in 2024-05-01T00:00:00Z")
        return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidError(
            f"Expected a day as 2024-05-01, a moment as 2024-05-01T00:00:00Z or '..', got {text!r}. "
            f"Correct it ({error})."
        ) from error


def _bbox_of(values: Any) -> Any:
    numbers = values if isinstance(values, Sequence) and not isinstance(values, str) else []
    if len(numbers) not in (4, 6) or not all(type(v) in (int, float) for v in numbers):
        raise InvalidError(
            f"Expected a bbox of four (or six) numbers in the filter, got {values!r}. Correct it."
        )
    half = len(numbers) // 2
    return box_of(numbers[0], numbers[1], numbers[half], numbers[half + 1])


def _shape_of(node: Mapping[str, Any]) -> Any:
    try:
        return shapely.geometry.shape(dict(node))
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        shapely.errors.ShapelyError,
    ) as error:
        raise InvalidError(
            f"Expected a GeoJSON geometry in the filter, got {str(node)[:200]} ({error}). Correct it."
        ) from error
