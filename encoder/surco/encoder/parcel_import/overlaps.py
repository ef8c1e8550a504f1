"""Pairs of parcels that share ground, found place by place so that memory holds the outlines of one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from surco.encoder.parcel_import.features import Objects

__all__ = ["Overlap", "OverlapSearch"]

_CELL = 0.02
"""Degrees: some 400 ha in Chile."""
_SPREAD = 2_000
_CROWD = 20_000
_BLOCK = 500
_MOST = 2_000_000
_LEAST_SHARE, _LEAST_M2 = 0.01, 100.0

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Parcels `first` and `second` (row numbers, the first is the lower) share `area` m²."""

    first: int
    second: int
    area: float


class OverlapSearch:
    """Finds overlaps of more than 1 % of the smaller parcel, or of more than 100 m² (a pixel).

    Args:
        bounds: (N, 4) west, south, east, north in degrees.
        area: (N,) m².
        shapes_of: gives the outlines of some rows.

    Attributes:
        untested: rows that were left out: spread over more than 2,000 places of 0.02°, or in one with over 20,000
            others, or after two million pairs were found.
    """

    def __init__(self, bounds: Floats, area: Floats, shapes_of: Callable[[Integers], Objects]) -> None:
        self._area, self._shapes_of = area, shapes_of
        self._low = np.floor(bounds[:, :2] / _CELL).astype(np.int64)
        self._size = np.floor(bounds[:, 2:] / _CELL).astype(np.int64) - self._low + 1
        self.untested: set[int] = set(np.flatnonzero(self._size.prod(axis=1) > _SPREAD).tolist())

    def __iter__(self) -> Iterator[Overlap]:
        """Each pair once."""
        row, place = self._places()
        new = np.r_[len(place) > 0, (place[1:] != place[:-1]).any(axis=1)]
        starts = np.flatnonzero(new).tolist()
        found = 0
        for start, end in pairwise([*starts, len(place)]):
            members = row[start:end]
            if len(members) > _CROWD or found > _MOST:
                self.untested.update(members.tolist())
            elif len(members) > 1:
                for overlap in self._within(members, place[start]):
                    found += 1
                    yield overlap

    def _places(self) -> tuple[Integers, Integers]:
        """Rows and the places that their bounds touch, (M,) and (M, 2), sorted by place, then row."""
        tested = np.flatnonzero(self._size.prod(axis=1) <= _SPREAD)
        many = self._size[tested].prod(axis=1)
        row = np.repeat(tested, many)
        step = np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)
        width = self._size[row, 0]
        place = self._low[row] + np.column_stack([step % width, step // width])
        order = np.lexsort((row, place[:, 1], place[:, 0]))
        return row[order], place[order]

    def _within(self, rows: Integers, place: Integers) -> Iterator[Overlap]:
        shapes = self._shapes_of(rows)
        tree = shapely.STRtree(shapes)
        for start in range(0, len(rows), _BLOCK):
            one, other = tree.query(shapes[start : start + _BLOCK], predicate="intersects")
            one = one + start
            # Each pair once: in the place where the bounds of both begin, and with the lower row first.
            begin = np.maximum(self._low[rows[one]], self._low[rows[other]])
            mine = (rows[one] < rows[other]) & (begin == place).all(axis=1)
            yield from self._sharing(rows, shapes, one[mine], other[mine])

    def _sharing(
        self, rows: Integers, shapes: Objects, one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]
    ) -> Iterator[Overlap]:
        shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
        # Square degrees to m² by the first parcel's own ratio: both lie in one place.
        area = shared * self._area[rows[one]] / shapely.area(shapes[one])
        smaller = np.minimum(self._area[rows[one]], self._area[rows[other]])
        for found in np.flatnonzero((area > _LEAST_M2) | (area > _LEAST_SHARE * smaller)):
            yield Overlap(int(rows[one[found]]), int(rows[other[found]]), float(area[found]))
