"""The query parameter `bbox`: four or six numbers in some reference system → a region in longitude and latitude."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely

from surco.api.ogc.cql2_values import box_of
from surco.api.ogc.reference_systems import CRS84, to_lonlat
from surco.api.refusals import InvalidError

__all__ = ["boxes_of", "region_of"]

Box = tuple[float, float, float, float]


def region_of(bbox: str, crs: str = CRS84) -> Any:
    """A prepared shapely region of a box.

    Args:
        bbox: `west,south,east,north` in the order of the system's axes; six numbers have heights, which are passed
            over. In longitude and latitude a west that is greater than the east goes over the antimeridian.
        crs: URI of the system that the numbers are in.

    Raises:
        InvalidError: other text, a box that is none, or beyond the globe.
    """
    numbers = _numbers(bbox)
    region = box_of(*numbers) if crs == CRS84 else _turned(numbers, crs)
    places = shapely.get_coordinates(region)
    if not (np.isfinite(places).all() and (np.abs(places) <= (180.0, 90.0)).all()):
        raise InvalidError(
            f"Expected a bbox of longitude -180 to 180 and latitude -90 to 90, got {bbox[:200]!r}. "
            "Name its reference system in bbox-crs, and mind the order of its axes."
        )
    shapely.prepare(region)
    return region


def boxes_of(region: Any) -> Iterator[Box]:
    """West, south, east and north of each part of a region."""
    for part in shapely.get_parts(region):
        yield part.bounds


def _numbers(bbox: str) -> list[float]:
    try:
        found = [float(text) for text in bbox.split(",")]
    except ValueError:
        found = []
    if len(found) not in (4, 6) or not all(map(math.isfinite, found)):
        raise InvalidError(
            f"Expected bbox=west,south,east,north in numbers, got {bbox[:200]!r}. Write -71.7,-35.5,-71.5,-35.4."
        )
    half = len(found) // 2
    return [*found[:2], *found[half : half + 2]]


def _turned(numbers: list[float], crs: str) -> Any:
    first_low, second_low, first_high, second_high = numbers
    geographic = crs.endswith(("/4326", "/5360"))
    if geographic:
        # Latitude comes first, and only longitudes may go over the antimeridian.
        return box_of(second_low, first_low, second_high, first_high)
    if first_low > first_high:
        raise InvalidError(
            f"Expected a bbox whose first side is below its third, got {first_low} and {first_high}."
        )
    reproject = to_lonlat(crs)
    box = box_of(*numbers)
    return box if reproject is None else reproject(box)
