"""Which share of each pixel a polygon covers: exact, in whole numbers, for many polygons at once.

Rings are cut at the grid's lines. A piece inside one pixel covers what lies to its right in that pixel, and its
height covers every pixel further right in the row: the signed areas of font rasterisers (R. Levien's libart,
D. Turner's `ftgrays.c` of FreeType), here with numpy over all pieces. Corners and cuts are rounded to a lattice of
2**24 steps a pixel, 0.6 µm at 10 m, and all that follows is whole numbers: shares add up to the polygon's area, a
neighbour's shares to the rest, and no bit depends on how the grid was cut into windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine

__all__ = ["Coverage", "cover"]

Whole = npt.NDArray[np.int64]
Index = npt.NDArray[np.intp]

_BITS = 24
"""With 2**24 steps a side, twice a pixel's area is 2**49; int64 adds up 16,000 pieces of full height in one pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Pixels that polygons cover, sorted by polygon, then pixel.

    Attributes:
        polygon: (M,) position in the array of polygons.
        pixel: (M,) row times width plus column.
        share: (M,) of the pixel's area, above 0, at most 1; a multiple of 2**-49.
    """

    polygon: Index
    pixel: Index
    share: npt.NDArray[np.float64]


def cover(geometry: npt.NDArray[np.object_], transform: Affine, width: int, height: int) -> Coverage:
    """The share of each pixel that lies in each polygon.

    Args:
        geometry: (K,) valid polygons or multipolygons, in the grid's CRS.
        transform: from pixel to CRS, without rotation; either direction of rows and columns. The result for a
            window is that of any larger window, cut, where corners lie on multiples of the pixel.
        width: pixels in a row.
        height: rows.
    """
    begin, end, polygon = _edges(geometry, transform)
    # Every edge is taken upwards, so that two neighbours cut the edge they share at the same places.
    down = begin[:, 1] > end[:, 1]
    begin[down], end[down] = end[down], begin[down]
    sense = np.where(down == (transform.a * transform.e > 0), -1, 1)
    near = (begin[:, 1] < end[:, 1]) & (begin[:, 1] < height << _BITS) & (end[:, 1] > 0)
    near &= np.minimum(begin[:, 0], end[:, 0]) < width << _BITS
    begin, end, polygon, sense = begin[near], end[near], polygon[near], sense[near]
    # Of an edge left of the window only the height matters; upright, it is not cut at columns.
    left = np.maximum(begin[:, 0], end[:, 0]) < 0
    begin[left, 0] = end[left, 0] = -1
    begin, end, edge = _cut(begin, end)
    pieces = _pieces(begin, end, polygon[edge], sense[edge], width, height)
    return _fill(*pieces, width, height)


def _edges(geometry: npt.NDArray[np.object_], transform: Affine) -> tuple[Whole, Whole, Index]:
    """Edges of all rings on the lattice, (E, 2) from and to, and (E,) their polygons; outer rings run clockwise."""
    parts, of_part = shapely.get_parts(shapely.normalize(geometry), return_index=True)
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    points, of_point = shapely.get_coordinates(rings, return_index=True)
    steps = 1 << _BITS
    scale = np.array([steps / transform.a, steps / transform.e])
    # Corner and points are rounded apart, so that every window of a grid rounds a point to the same place.
    corner = np.rint(np.array([transform.c, transform.f]) * scale).astype(np.int64)
    lattice = np.rint(points * scale).astype(np.int64) - corner
    inner = np.flatnonzero(of_point[1:] == of_point[:-1])
    return lattice[inner], lattice[inner + 1], of_part[of_ring[of_point[inner]]]


def _cut(begin: Whole, end: Whole) -> tuple[Whole, Whole, Index]:
    """Cut edges (E, 2) at the lines between pixels: pieces (P, 2) from and to, and (P,) their edges, in order."""
    edge = np.arange(len(begin))
    found = [(edge, np.zeros(len(edge)), begin), (edge, np.ones(len(edge)), end)]
    found += [_crossings(begin, end, axis) for axis in (0, 1)]
    owner, along, point = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((along, owner))
    owner, point = owner[order], point[order]
    inner = np.flatnonzero(owner[1:] == owner[:-1])
    return point[inner], point[inner + 1], owner[inner]


def _crossings(begin: Whole, end: Whole, axis: int) -> tuple[Index, npt.NDArray[np.float64], Whole]:
    """Where edges cross the lines of one axis: edge, part of the way (0..1), and lattice point, in any order."""
    low, high = np.minimum(begin[:, axis], end[:, axis]), np.maximum(begin[:, axis], end[:, axis])
    first = (low >> _BITS) + 1
    count = np.maximum(((high - 1) >> _BITS) - first + 1, 0)
    owner = np.repeat(np.arange(len(begin)), count)
    line = (first[owner] + _counting(count)) << _BITS
    length = (end - begin)[owner]
    along = (line - begin[owner, axis]) / length[:, axis]
    point = np.empty((len(owner), 2), np.int64)
    point[:, axis] = line
    point[:, 1 - axis] = begin[owner, 1 - axis] + np.rint(along * length[:, 1 - axis]).astype(np.int64)
    return owner, along, point


def _pieces(
    begin: Whole, end: Whole, polygon: Index, sense: Whole, width: int, height: int
) -> tuple[Whole, Whole, Whole]:
    """Sum pieces by pixel: sorted places, twice the area right of the pieces in the pixel, and their height.

    A place is (polygon * height + row) * (width + 1) + column + 1; column -1 stands for all left of the window.
    """
    rise = sense * (end - begin)[:, 1]
    row, column = ((begin + end)[:, axis] >> (_BITS + 1) for axis in (1, 0))
    column = np.maximum(column, -1)
    kept = (rise != 0) & (row >= 0) & (row < height) & (column < width)
    rise, row, column = rise[kept], row[kept], column[kept]
    right = rise * (((column + 1) << (_BITS + 1)) - (begin + end)[kept, 0])
    place = (polygon[kept] * height + row) * (width + 1) + column + 1
    order = np.argsort(place, kind="stable")
    unique, starts = np.unique(place[order], return_index=True)
    if not len(unique):
        return unique, unique, unique
    return unique, np.add.reduceat(right[order], starts), np.add.reduceat(rise[order], starts)


def _fill(place: Whole, right: Whole, rise: Whole, width: int, height: int) -> Coverage:
    """Go along each row: the pixels of the edges, and the runs of pixels between them."""
    line, column = np.divmod(place, width + 1)
    fresh = np.append(True, line[1:] != line[:-1])[: len(line)]
    passed = np.cumsum(rise)
    passed -= (passed - rise)[fresh][np.cumsum(fresh) - 1]
    following = np.append(np.where(fresh[1:], width + 1, column[1:]), width + 1)[: len(line)]
    length = np.where(passed != 0, following - column, 1)
    which, step = np.repeat(np.arange(len(place)), length), _counting(length)
    doubled = passed[which] << (_BITS + 1)
    doubled[step == 0] = ((passed - rise) << (_BITS + 1)) + right
    share = np.ldexp(doubled.astype(np.float64), -2 * _BITS - 1)
    column = column[which] + step - 1
    kept = (share > 0) & (column >= 0)
    polygon, row = np.divmod(line[which[kept]], height)
    return Coverage(polygon, row * width + column[kept], np.minimum(share[kept], 1.0))


def _counting(count: Whole) -> Whole:
    """0, 1, … of each group, one group after the other."""
    return np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
