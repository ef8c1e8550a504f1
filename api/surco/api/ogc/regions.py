"""The query parameter `bbox`: four or six numbers in some reference system → a region in longitude and latitude."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from surco.api.ogc.cql2_values import box_of
from surco.api.ogc.reference_systems import CRS84, to_lonlat
from surco.api.ogc.zones import touching
from surco.api.refusals import InvalidError

__all__ = ["Box", "Region", "boxes_of", "region_of"]

Box = tuple[float, float, float, float]
Bounds = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of the earth that features are to meet.

    Attributes:
        shape: shapely geometry in longitude and latitude, prepared.
        boxes: west, south, east and north of each of its parts.
        straight: whether these boxes are the region itself, so that numbers tell all.
    """

    shape: Any
    boxes: tuple[Box, ...]
    straight: bool

    def touches(self, bounds: Bounds) -> npt.NDArray[np.bool_]:
        """Which of (M, 4) bounds touch a part's box; what does not, does not meet the region."""
        return touching(bounds, self.boxes)

    def holds(self, bounds: Bounds) -> npt.NDArray[np.bool_]:
        """Which of (M, 4) bounds lie wholly inside."""
        if not self.straight:
            return np.asarray(shapely.contains_properly(self.shape, shapely.box(*bounds.T)))
        inside = np.zeros(len(bounds), np.bool_)
        for west, south, east, north in self.boxes:
            low, high = bounds[:, :2] > (west, south), bounds[:, 2:] < (east, north)
            inside |= low.all(axis=1) & high.all(axis=1)
        return inside

    def contains(self, places: Bounds) -> npt.NDArray[np.bool_]:
        """Which of (M, 2) places lie inside."""
        if self.straight:
            return self.holds(np.hstack([places, places]))
        return np.asarray(shapely.contains_xy(self.shape, *places.T))


def region_of(bbox: str, crs: str = CRS84) -> Region:
    """The region of a box.

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
    boxes = tuple(boxes_of(region))
    return Region(region, boxes, straight=crs == CRS84 or _is_geographic(crs))


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
    if _is_geographic(crs):
        # Latitude comes first, and only longitudes may go over the antimeridian.
        return box_of(second_low, first_low, second_high, first_high)
    if first_low > first_high:
        raise InvalidError(
            f"Expected a bbox whose first side is below its third, got {first_low} and {first_high}."
        )
    reproject = to_lonlat(crs)
    box = box_of(*numbers)
    return box if reproject is None else reproject(box)


def _is_geographic(crs: str) -> bool:
    return crs.endswith(("/4326", "/5360"))
