"""A cells table and its coarser parents in the order of Morton, so that a tile's cells are found without a search.

Level r of a table of resolution R holds the cells of resolution r that have any row below them. The table's rows are
in the order of H3, so that the rows below a cell lie one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import h3
import numpy as np
import numpy.typing as npt

from surco.api.tiles.cell_outlines import centres, outlines
from surco.api.tiles.kept_arrays import Allocate, Arrays, kept_arrays
from surco.api.tiles.mercator import (
    MOST_LATITUDE,
    WORLD,
    from_units,
    interleaved,
    ranges_of,
    separated,
)
from surco.api.tiles.shapes import Shapes
from surco.embedstore.cells import parents_of, resolutions_of
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import table_vectors

__all__ = ["CellLevels", "Level", "cell_levels"]

_BLOCK = 131_072
_WIDEST = 32_000
_EARTH_KM = 6_371.007
_EDGE = 8
"""Units: cells whose centres Mercator shows only at its edge are left out."""

Codes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """N cells of one resolution in the order of `code`.

    Attributes:
        code: (N,) uint64 Morton codes of their centres.
        first: (N,) uint32 row of the table that is the first below the cell.
        count: (N,) uint32 rows below it.
        corner: (N, 6, 2) int16 corners relative to the centre, in units of 2^`shift`.
        shift: see `corner`.
        reach: units from a centre to the corner that is farthest along x or y.
    """

    code: Codes
    first: npt.NDArray[np.uint32]
    count: npt.NDArray[np.uint32]
    corner: npt.NDArray[np.int16]
    shift: int
    reach: int

    @classmethod
    def of(cls, arrays: Arrays, resolution: int) -> Self:
        """The level of a resolution among the arrays of a table."""
        named = {
            name: arrays[f"{name}-{resolution}"] for name in ("code", "first", "count", "corner", "scale")
        }
        shift, reach = (int(value) for value in named.pop("scale"))
        return cls(**named, shift=shift, reach=reach)

    def within(self, west: int, north: int, east: int, south: int) -> Rows:
        """Places in this level of the cells that may touch a box in units; the box may go round the world."""
        west, north, east, south = (
            west - self.reach,
            north - self.reach,
            east + self.reach,
            south + self.reach,
        )
        widest = max(self.reach, (east - west) // 8, 1)
        ranges = ranges_of(west, north, east, south, max(0, 32 - widest.bit_length()))
        start = np.searchsorted(self.code, ranges[:, 0])
        stop = np.searchsorted(self.code, ranges[:, 1], side="right")
        parts = [np.arange(a, b) for a, b in zip(start, stop, strict=True) if b > a]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def shapes(self, west: int, north: int, size: int, margin: int) -> tuple[Rows, Shapes]:
        """The cells that touch a square of `size` units with a margin: their places here, and their outlines.

        Coordinates are relative to the square's corner. A cell comes twice where the square shows the world's edge.
        """
        found = self.within(west - margin, north - margin, west + size + margin, north + size + margin)
        centre = np.stack(separated(self.code[found]), axis=1).astype(np.int64) >> self.shift
        corners = (centre[:, None] + self.corner[found]) << self.shift
        corners -= np.array([west, north])
        rows, shown = [], []
        for turn in self._turns(west - margin, west + size + margin):
            touching = _touching(corners, turn, -margin, size + margin)
            rows.append(found[touching])
            shown.append(corners[touching] + np.array([turn, 0]) if turn else corners[touching])
        return np.concatenate(rows), Shapes.of_equal(np.concatenate(shown))

    def _turns(self, west: int, east: int) -> tuple[int, ...]:
        """Units by which places are moved, so that those beyond the world's edge are where the box is."""
        beyond = west - self.reach < 0 or east + self.reach > WORLD
        return (0, -WORLD, WORLD) if beyond else (0,)


@dataclass(frozen=True, slots=True, eq=False)
class CellLevels:
    """All levels of a cells table, and the cells of its rows."""

    keys: Codes
    levels: tuple[Level, ...]

    @property
    def resolution(self) -> int:
        """Of the table itself, the last level."""
        return len(self.levels) - 1

    def cells(self, level: int, places: Rows) -> Codes:
        """The H3 cells at places of a level."""
        return parents_of(self.keys[self.levels[level].first[places]], level)

    def rows_of(self, cells: Codes) -> Rows:
        """The table's row of each cell, -1 where it has none."""
        rows = np.searchsorted(self.keys, cells)
        there = self.keys[np.minimum(rows, len(self.keys) - 1)] == cells
        return np.where(there, rows, -1)


@lru_cache(maxsize=6)
def cell_levels(source: Source) -> CellLevels:
    """The levels of a table, made at the first call for its version (seconds for millions of rows).

    Raises:
        StoreError: a damaged file of the table.
    """
    keys = np.asarray(table_vectors(source).keys.to_numpy(), np.uint64)
    arrays = kept_arrays(source, "cell-levels-1", lambda new: _fill(keys, new))
    resolution = int(resolutions_of(keys[:1])[0]) if len(keys) else -1
    return CellLevels(keys, tuple(Level.of(arrays, r) for r in range(resolution + 1)))


def _touching(corners: npt.NDArray[np.int64], turn: int, low: int, high: int) -> Rows:
    """Which hexagons (N, 6, 2), moved by `turn` along x, have bounds that touch the square from low to high."""
    first = corners[:, 0] + np.array([turn, 0])
    touching = ((first >= low) & (first < high)).all(axis=1)
    # Few are left over by that, and the bounds of all would take most of a tile's time.
    rest = np.flatnonzero(~touching)
    near, far = corners[rest].min(axis=1), corners[rest].max(axis=1)
    near[:, 0] += turn
    far[:, 0] += turn
    touching[rest] = ((near < high) & (far >= low)).all(axis=1)
    return np.flatnonzero(touching)


def _fill(keys: Codes, new: Allocate) -> None:
    finest = int(resolutions_of(keys[:1])[0]) if len(keys) else -1
    first = np.arange(len(keys) + 1)
    for resolution in range(finest, -1, -1):
        parents = parents_of(keys[first[:-1]], resolution)
        changes = np.flatnonzero(np.diff(parents, prepend=~parents[:1]))
        first = np.append(first[changes], len(keys))
        _fill_level(parents[changes], first, resolution, new)


def _fill_level(cells: Codes, first: Rows, resolution: int, new: Allocate) -> None:
    x, y = (np.concatenate(side) for side in zip(*map(centres, _parts(cells)), strict=True))
    shown = np.flatnonzero((y > _EDGE) & (y < WORLD - _EDGE))
    code = interleaved(x[shown], y[shown])
    order = np.argsort(code, kind="stable")
    place = shown[order]
    new(f"code-{resolution}", np.uint64, code.shape)[:] = code[order]
    new(f"first-{resolution}", np.uint32, code.shape)[:] = first[place]
    new(f"count-{resolution}", np.uint32, code.shape)[:] = np.diff(first)[place]
    corner = new(f"corner-{resolution}", np.int16, (len(place), 6, 2))
    shift = _shift(resolution, y)

    def fill(start: int) -> int:
        rows = slice(start, start + _BLOCK)
        middle, away = outlines(cells[place[rows]])
        corner[rows] = ((middle[:, None] + away) >> shift) - (middle[:, None] >> shift)
        return int(np.abs(away).max())

    with ThreadPoolExecutor(2) as pool:
        reach = max(pool.map(fill, range(0, len(place), _BLOCK)), default=0)
    new(f"scale-{resolution}", np.int64, (2,))[:] = shift, reach + (1 << shift)


def _shift(resolution: int, y: npt.NDArray[np.uint32]) -> int:
    """Bits by which a corner's distance from the centre is too long for 16 bits, where Mercator stretches most."""
    _, latitude = from_units(np.zeros(2), np.array([y.min(), y.max()], float))
    stretched = 1 / np.cos(np.radians(min(MOST_LATITUDE, float(np.abs(latitude).max()) + _edge(resolution))))
    reach = np.radians(_edge(resolution)) * stretched * WORLD / (2 * np.pi)
    return max(0, (int(reach) // _WIDEST).bit_length())


def _edge(resolution: int) -> float:
    """Degrees from a centre to a corner, at most: cells near the icosahedron's corners are a half larger than usual."""
    return 1.6 * math.degrees(h3.average_hexagon_edge_length(resolution, unit="km") / _EARTH_KM)


def _parts(cells: Codes) -> Iterator[Codes]:
    for start in range(0, len(cells), _BLOCK):
        yield cells[start : start + _BLOCK]
