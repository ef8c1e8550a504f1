"""The outlines of a parcels table by zoom: the largest of each place first, simplified to what a zoom can show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.api.tiles.kept_arrays import Allocate, Arrays, kept_arrays
from surco.api.tiles.mercator import WORLD, interleaved, to_units
from surco.api.tiles.shapes import Shapes, spread
from surco.embedstore.files import read_rows
from surco.embedstore.vector_sources import Source

__all__ = ["BANDS", "MOST_OF_A_TILE", "ParcelLevel", "ParcelLevels", "parcel_levels"]

BANDS = (8, 10, 12, 14, 22)
"""Highest zoom for which a level's outlines are simple enough; those of the last are as they were surveyed."""
MOST_OF_A_TILE = 2_000
"""Parcels whose middle one tile holds, at most: those of the largest area."""

_GROUP = 128
_LEAST = 4
"""Steps of a tile's grid, of 4,096, that a parcel must be wide to be drawn, and by which an outline may be moved."""

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ParcelLevel:
    """N parcels, simplified, in the order of Morton of their middles.

    Attributes:
        row: (N,) uint32 row of the table.
        least_zoom: (N,) uint8 zoom from which the parcel is drawn.
        box: (N, 4) int64 west, north, east and south in units.
        group: boxes of `_GROUP` parcels each.
        first_ring: (N + 1,) where the rings of each parcel start.
        ring: (R + 1,) where the points of each ring start.
        point: (P, 2) uint32 units.
    """

    row: npt.NDArray[np.uint32]
    least_zoom: npt.NDArray[np.uint8]
    box: npt.NDArray[np.uint32]
    group: Whole
    first_ring: npt.NDArray[np.uint32]
    ring: npt.NDArray[np.uint32]
    point: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, arrays: Arrays, band: int) -> ParcelLevel:
        """The level of a band among the arrays of a table."""
        names = ("row", "least_zoom", "box", "first_ring", "ring", "point")
        named = {name: arrays[f"{name}-{band}"] for name in names}
        starts = np.arange(0, len(named["box"]), _GROUP)
        group = np.zeros((0, 4), np.int64)
        if len(starts):
            low = np.minimum.reduceat(named["box"][:, :2], starts)
            group = np.hstack([low, np.maximum.reduceat(named["box"][:, 2:], starts)]).astype(np.int64)
        return cls(group=group, **named)

    def shapes(self, zoom: int, west: int, north: int, size: int, margin: int) -> tuple[Whole, Shapes]:
        """Rows of the parcels that touch a square with a margin at a zoom, and their outlines.

        Coordinates are relative to the square's corner.
        """
        low = np.array([west - margin, north - margin])
        high = np.array([west, north]) + size + margin
        groups = np.flatnonzero(_touching(self.group, low, high))
        near = spread(groups * _GROUP, np.minimum(_GROUP, len(self.row) - groups * _GROUP))
        near = near[_touching(self.box[near], low, high) & (self.least_zoom[near] <= zoom)]
        rings = self.first_ring[near + 1].astype(np.int64) - self.first_ring[near]
        ring = spread(self.first_ring[near].astype(np.int64), rings)
        lengths = self.ring[ring + 1].astype(np.int64) - self.ring[ring]
        points = self.point[spread(self.ring[ring].astype(np.int64), lengths)].astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        owner = np.repeat(np.arange(len(near)), rings)
        shown = Shapes(points - np.array([west, north]), starts, owner, len(near))
        return self.row[near].astype(np.int64), shown


@dataclass(frozen=True, slots=True, eq=False)
class ParcelLevels:
    """All levels of a parcels table, and the middle of each parcel that has an area.

    Attributes:
        code: (N,) uint64 Morton codes of the middles of the parcels' boxes, ascending.
        row: (N,) uint32 their rows of the table.
        levels: by band.
    """

    code: npt.NDArray[np.uint64]
    row: npt.NDArray[np.uint32]
    levels: tuple[ParcelLevel, ...]

    def at(self, zoom: int) -> ParcelLevel:
        """The simplest level that is good enough for a zoom."""
        return self.levels[next(n for n, band in enumerate(BANDS) if zoom <= band)]


@lru_cache(maxsize=6)
def parcel_levels(source: Source) -> ParcelLevels:
    """The levels of a table, made at the first call for its version.

    Raises:
        StoreError: a damaged file of the table.
    """
    arrays = kept_arrays(source, "parcel-levels-1", lambda new: _fill(source, new))
    levels = tuple(ParcelLevel.of(arrays, band) for band in BANDS)
    return ParcelLevels(arrays["code"], arrays["row"], levels)


def _fill(source: Source, new: Allocate) -> None:
    outlines = np.concatenate([np.zeros(0, object), *_outlines(source)])
    area = shapely.area(outlines)
    rows = np.flatnonzero(area > 0)
    box = np.clip(shapely.bounds(outlines[rows]), 0, WORLD - 1).astype(np.uint32)
    middle = (box[:, :2].astype(np.uint64) + box[:, 2:]) // 2
    code = interleaved(middle[:, 0], middle[:, 1])
    order = np.argsort(code, kind="stable")
    rows, box, code, outlines = rows[order], box[order], code[order], outlines[rows[order]]
    new("code", np.uint64, code.shape)[:] = code
    new("row", np.uint32, code.shape)[:] = rows
    least = _least_zooms(code, area[rows])
    for band in BANDS:
        shown = np.flatnonzero(least <= band)
        _fill_band(band, outlines[shown], rows[shown], least[shown], box[shown], new)


def _fill_band(band: int, outlines: Any, rows: Any, least: Any, box: Any, new: Allocate) -> None:
    if band < BANDS[-1]:
        outlines = shapely.simplify(outlines, _LEAST << (20 - band))
    shapes = Shapes.of_polygons(outlines)
    kept = {
        "row": rows.astype(np.uint32),
        "least_zoom": least,
        "box": box,
        "first_ring": np.searchsorted(shapes.owner, np.arange(len(rows) + 1)).astype(np.uint32),
        "ring": shapes.ring.astype(np.uint32),
        "point": shapes.points.astype(np.uint32),
    }
    for name, values in kept.items():
        new(f"{name}-{band}", values.dtype, values.shape)[...] = values


def _least_zooms(code: npt.NDArray[np.uint64], area: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """From which zoom each parcel is drawn: wide enough, and among the largest of the tile that holds its middle.

    A parcel that is drawn at a zoom is at every higher one, and in every tile that it touches.
    """
    width = np.maximum(np.sqrt(area), 1)
    wide = np.clip(np.ceil(np.log2(_LEAST * (WORLD >> 12) / width)), 0, BANDS[-1]).astype(np.uint8)
    large = np.full(len(code), BANDS[-1], np.uint8)
    by_area = np.argsort(-area, kind="stable")
    for zoom in range(BANDS[-1] - 1, -1, -1):
        home = code[by_area] >> np.uint64(64 - 2 * zoom) if zoom else np.zeros(len(code), np.uint64)
        order = np.argsort(home, kind="stable")
        tiles = home[order]
        rank = np.arange(len(order)) - np.searchsorted(tiles, tiles)
        large[by_area[order[rank < MOST_OF_A_TILE]]] = zoom
    return np.maximum(wide, large)


def _outlines(source: Source) -> Iterator[npt.NDArray[Any]]:
    """The geometries of each file in units."""

    def units(lonlat: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.stack(to_units(*lonlat.T), axis=1).astype(np.float64)

    for file in source.info.files:
        wkb: Any = read_rows(file, ["geometry"])["geometry"].cast(pa.large_binary())
        yield np.asarray(
            shapely.transform(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)), units), object
        )


def _touching(box: npt.NDArray[Any], low: Whole, high: Whole) -> npt.NDArray[np.bool_]:
    return np.asarray(((box[:, :2] < high) & (box[:, 2:] >= low)).all(axis=1))
