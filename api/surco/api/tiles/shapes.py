"""Polygons of many features as flat arrays: what tiles are encoded and painted from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["Shapes", "spread"]

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """P points in R rings of N features; a ring is not closed by its first point again.

    Outer rings go clockwise on a map (y to the south), holes the other way.

    Attributes:
        points: (P, 2) int64 x and y.
        ring: (R + 1,) int64 where each ring starts among the points, and P.
        owner: (R,) int64 feature of each ring, ascending; each outer ring is followed by its holes.
        count: N.
    """

    points: Whole
    ring: Whole
    owner: Whole
    count: int

    @classmethod
    def of_equal(cls, corners: Whole) -> Self:
        """N features of one ring of K points each, (N, K, 2)."""
        n, k = corners.shape[:2]
        return cls(corners.reshape(-1, 2), np.arange(n + 1) * k, np.arange(n), n)

    @classmethod
    def of_polygons(cls, shapes: npt.NDArray[Any]) -> Self:
        """The polygons and multipolygons of N shapely geometries; what is no area, or empty, has no ring."""
        parts, feature = shapely.get_parts(shapes, return_index=True)
        while (shapely.get_type_id(parts) > 3).any():
            parts, inner = shapely.get_parts(parts, return_index=True)
            feature = feature[inner]
        areas = (shapely.get_type_id(parts) == 3) & ~shapely.is_empty(parts)
        parts = shapely.orient_polygons(parts[areas], exterior_cw=False)
        rings, part = shapely.get_rings(parts, return_index=True)
        points, of_ring = shapely.get_coordinates(rings, return_index=True)
        # A closed ring's last point is its first.
        last = np.append(of_ring[1:] != of_ring[:-1], True) if len(of_ring) else np.zeros(0, bool)
        lengths = np.bincount(of_ring[~last], minlength=len(rings))
        whole = np.round(points[~last]).astype(np.int64)
        return cls(
            whole,
            np.concatenate([[0], np.cumsum(lengths)]),
            feature[areas][part].astype(np.int64),
            len(shapes),
        )

    def polygons(self) -> npt.NDArray[Any]:
        """(N,) shapely multipolygons; an empty one where a feature has no ring."""
        lengths = np.diff(self.ring)
        closed = np.insert(self.points, self.ring[1:], self.points[self.ring[:-1]], axis=0)
        rings = shapely.linearrings(closed, indices=np.repeat(np.arange(len(lengths)), lengths + 1))
        outer = self.signed_area() > 0
        which = np.cumsum(outer) - 1
        made = shapely.polygons(rings[outer]) if outer.all() else self._with_holes(rings, outer, which)
        empty = np.full(self.count, shapely.MultiPolygon(), object)
        return np.asarray(shapely.multipolygons(made, indices=self.owner[outer], out=empty))

    def signed_area(self) -> npt.NDArray[np.float64]:
        """(R,) area of each ring, positive where it goes clockwise on a map."""
        following = self.following()
        x, y = self.points.astype(np.float64).T
        twice = np.concatenate([[0.0], np.cumsum(x * y[following] - x[following] * y)])
        return np.asarray((twice[self.ring[1:]] - twice[self.ring[:-1]]) / 2)

    def following(self) -> Whole:
        """(P,) the point after each in its ring."""
        after = np.arange(1, len(self.points) + 1)
        filled = self.ring[1:] > self.ring[:-1]
        after[self.ring[1:][filled] - 1] = self.ring[:-1][filled]
        return after

    def clipped(self, low: int, high: int, which: Whole | None = None) -> Shapes:
        """What lies in the square from `low` to `high`, of the features `which` or of all: each is cut by itself."""
        polygons = self.polygons()
        cut = np.arange(self.count) if which is None else which
        polygons[cut] = shapely.clip_by_rect(shapely.make_valid(polygons[cut]), low, low, high, high)
        return Shapes.of_polygons(polygons)

    def _with_holes(
        self, rings: npt.NDArray[Any], outer: npt.NDArray[np.bool_], which: Whole
    ) -> npt.NDArray[Any]:
        made = shapely.polygons(rings[outer])
        for number in np.unique(which[~outer]):
            made[number] = shapely.Polygon(rings[outer][number], list(rings[~outer & (which == number)]))
        return np.asarray(made)


def spread(start: Whole, length: Whole) -> Whole:
    """The numbers of many runs one after the other: `start[0]`, `start[0] + 1`, and so on for `length[0]` of them."""
    ends = np.cumsum(length)
    return np.asarray(
        np.repeat(start - (ends - length), length) + np.arange(ends[-1] if len(ends) else 0), np.int64
    )
