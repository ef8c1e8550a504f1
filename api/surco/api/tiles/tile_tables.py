"""What of a table a tile shows: its outlines and the rows below each, or the row of each pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.tiles.addresses import TileAddress
from surco.api.tiles.cell_levels import CellLevels, cell_levels
from surco.api.tiles.columns import Column
from surco.api.tiles.mercator import from_units
from surco.api.tiles.painting import painted
from surco.api.tiles.parcel_levels import ParcelLevels, parcel_levels
from surco.api.tiles.pixels import one_of_each, unfilled_neighbours
from surco.api.tiles.shapes import Shapes, spread
from surco.api.tiles.vector_tile import BUFFER, EXTENT
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import table_vectors

__all__ = ["CellsTable", "Outlined", "ParcelsTable", "Pictured", "TileTable", "tile_table"]

_MOST_OF_A_TILE = 5_000
_DRAWN_A_TILE = 32_768
_LEAST_DRAWN, _MOST_DRAWN = 7, 64
_SMALL_ZOOM = 14
_OUTLINED_FROM = 1.5
"""Pixels from a centre to a corner; where they are fewer, no pixel's cell has its centre beyond the next pixel."""
_JOINED = 0x000FFFFFFFFFFFFF

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Outlined:
    """N features of a vector tile.

    Attributes:
        shapes: their outlines in units, relative to the tile's corner.
        rows: (M,) rows of the table that are looked at, feature by feature.
        feature: (M,) which feature each row is drawn for, ascending.
        columns: properties that say which features they are.
        ids: (N,) ids below 2^53, None for none.
        below: (N,) rows of the table that each stands for, where it may stand for several; else None.
    """

    shapes: Shapes
    rows: Whole
    feature: Whole
    columns: Sequence[Column]
    ids: npt.NDArray[np.uint64] | None
    below: Whole | None


@dataclass(frozen=True, slots=True, eq=False)
class Pictured:
    """What a picture shows.

    Attributes:
        rows: (M,) rows of the table.
        which: (H, W) position in `rows` of each pixel's row, -1 for none.
    """

    rows: Whole
    which: Whole


class TileTable(Protocol):
    """A table as tiles see it."""

    @property
    def source(self) -> Source:
        """The table at one version."""
        ...

    def outlined(self, tile: TileAddress) -> Outlined:
        """The features that a tile and its buffer show."""
        ...

    def pictured(self, tile: TileAddress, pixels: int) -> Pictured:
        """The row that each pixel shows, (pixels, pixels)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class CellsTable:
    """Hexagons: at low zooms coarser parents, each of which stands for rows drawn evenly from those below it."""

    source: Source
    levels: CellLevels

    def level_of(self, zoom: int) -> int:
        """Resolution of the hexagons of a zoom's vector tiles: the finest of which no tile has too many."""
        fitting = [
            level for level in range(self.levels.resolution + 1) if _expected(level, zoom) <= _MOST_OF_A_TILE
        ]
        return max(fitting, default=0)

    def outlined(self, tile: TileAddress) -> Outlined:
        """See `TileTable`; a hexagon that sticks far out of the tile is cut at the buffer's edge."""
        number = self.level_of(tile.z)
        level = self.levels.levels[number]
        margin = tile.size * BUFFER // EXTENT
        places, shapes = level.shapes(tile.west, tile.north, tile.size, margin)
        if level.reach > tile.size // 4:
            shapes = shapes.clipped(-margin, tile.size + margin)
        cells = self.levels.cells(number, places)
        first, count = level.first[places].astype(np.int64), level.count[places].astype(np.int64)
        ids = cells & np.uint64(_JOINED)
        named = [Column.cells("h3", cells)]
        if number == self.levels.resolution:
            return Outlined(shapes, first, np.arange(len(first)), named, ids, None)
        drawn = np.minimum(count, self._drawn(tile.z))
        feature = np.repeat(np.arange(len(first)), drawn)
        turn = spread(np.zeros(len(drawn), np.int64), drawn)
        rows = first[feature] + (2 * turn + 1) * count[feature] // (2 * drawn[feature])
        return Outlined(shapes, rows, feature, named, ids, count)

    def pictured(self, tile: TileAddress, pixels: int) -> Pictured:
        """See `TileTable`: the hexagon at each pixel's middle, or where these are small one of those in the pixel."""
        level = self.levels.levels[-1]
        if level.reach * pixels >= _OUTLINED_FROM * tile.size:
            places, shapes = level.shapes(tile.west, tile.north, tile.size, 0)
            return Pictured(level.first[places].astype(np.int64), painted(shapes, tile.size, pixels))
        places = one_of_each(level.code, tile.west, tile.north, tile.size, pixels)
        picture = np.where(places < 0, -1, level.first[places].astype(np.int64))
        self._fill_gaps(picture, tile)
        return _scattered(picture)

    def _fill_gaps(self, picture: Whole, tile: TileAddress) -> None:
        """Give a pixel between others that holds no centre the cell that it lies in."""
        down, across = unfilled_neighbours(picture)
        step = tile.size / len(picture)
        middle = np.asarray([across, down], np.float64) + 0.5
        lon, lat = from_units(tile.west + middle[0] * step, tile.north + middle[1] * step)
        found: Any = h3ronpy.vector.coordinates_to_cells(pa.array(lat), pa.array(lon), self.levels.resolution)
        picture[down, across] = self.levels.rows_of(pa.array(found).to_numpy())

    def _drawn(self, zoom: int) -> int:
        """Rows that a parent stands on: one number a zoom, so that a parent says the same in both tiles it is in."""
        fitting = _DRAWN_A_TILE / _expected(self.level_of(zoom), zoom)
        return int(max(_LEAST_DRAWN, min(_MOST_DRAWN, fitting)))


@dataclass(frozen=True, slots=True, eq=False)
class ParcelsTable:
    """Surveyed outlines: the largest of each place at low zooms, simplified."""

    source: Source
    levels: ParcelLevels
    ids: pa.Array[Any]

    def outlined(self, tile: TileAddress) -> Outlined:
        """See `TileTable`."""
        margin = tile.size * BUFFER // EXTENT
        rows, shapes = self._near(tile, margin)
        ids = [str(name) for name in self.ids.take(rows).to_pylist()]
        named = Column.texts("id", ids, np.arange(len(rows)))
        return Outlined(_cut(shapes, tile.size, margin), rows, np.arange(len(rows)), [named], None, None)

    def pictured(self, tile: TileAddress, pixels: int) -> Pictured:
        """See `TileTable`: a parcel too small for the zoom has the pixel of its middle, if no other has it."""
        rows, shapes = self._near(tile, 0)
        which = painted(shapes, tile.size, pixels)
        if tile.z > _SMALL_ZOOM:
            return Pictured(rows, which)
        middles = one_of_each(self.levels.code, tile.west, tile.north, tile.size, pixels)
        small = (which < 0) & (middles >= 0)
        which[small] = len(rows) + np.arange(int(small.sum()))
        return Pictured(np.append(rows, self.levels.row[middles[small]].astype(np.int64)), which)

    def _near(self, tile: TileAddress, margin: int) -> tuple[Whole, Shapes]:
        return self.levels.at(tile.z).shapes(tile.z, tile.west, tile.north, tile.size, margin)


def _expected(resolution: int, zoom: int) -> float:
    """Cells of a resolution in a tile at the equator, where tiles are largest: pi times the mean of the world's."""
    return float(math.pi * (2 + 120 * 7**resolution) / 4**zoom)


def tile_table(source: Source) -> CellsTable | ParcelsTable:
    """A table as tiles see it; its index is made at the first call for its version, then opened and kept.

    Raises:
        StoreError: a damaged file of the table.
    """
    if source.table == "cells":
        return CellsTable(source, cell_levels(source))
    return ParcelsTable(source, parcel_levels(source), table_vectors(source).keys)


def _scattered(rows: Whole) -> Pictured:
    """From the row of each pixel."""
    filled = rows >= 0
    which = np.full(rows.shape, -1)
    which[filled] = np.arange(int(filled.sum()))
    return Pictured(rows[filled], which)


def _cut(shapes: Shapes, size: int, margin: int) -> Shapes:
    """Cut the features that reach more than a tile beyond the tile at the buffer's edge."""
    far = ((shapes.points < -size) | (shapes.points > 2 * size)).any(axis=1)
    if not far.any():
        return shapes
    ring = np.repeat(shapes.owner, np.diff(shapes.ring))
    return shapes.clipped(-margin, size + margin, np.unique(ring[far]))
