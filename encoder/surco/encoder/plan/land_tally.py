"""Adding up cells of land by the tiles and windows of the national grid that they reach."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyproj import Transformer

from surco.embedstore import comunas
from surco.encoder.grid import PIXEL_M, TILE_PIXELS
from surco.encoder.plan.tiles import WINDOWS, LandTile, zone_of

__all__ = ["LandTally", "region_of"]

_REACH_M = 300.0
"""No cell of resolution 9 reaches farther from its centre."""
_REACH_DEGREES = 0.006
"""The same in longitude at 60 degrees south."""
_SIDE_M = TILE_PIXELS * PIXEL_M
_PIXELS_OF_KM2 = 10_000.0
_BITS = 16

Cells = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


class LandTally:
    """Takes cells of resolution 9, and gives the tiles that they reach."""

    def __init__(self) -> None:
        self.cells = 0
        self._windows: dict[int, set[int]] = defaultdict(set)
        self._area: dict[int, Counter[tuple[int, int]]] = defaultdict(Counter)

    def add(self, cells: Cells, comuna: npt.NDArray[np.uint16]) -> None:
        """Add (N,) cells, none of them twice, and the comuna of each."""
        self.cells += len(cells)
        places = pa.record_batch(h3ronpy.vector.cells_to_coordinates(pa.array(cells)))
        lon, lat = (places.column(name).to_numpy() for name in ("lng", "lat"))
        area = pa.array(h3ronpy.cells_area_km2(pa.array(cells))).to_numpy() * _PIXELS_OF_KM2
        region, zone = region_of(comuna), zone_of(lon)
        west, east = zone_of(lon - _REACH_DEGREES), zone_of(lon + _REACH_DEGREES)
        for number in np.unique(np.concatenate([west, east])).tolist():
            near = (west == number) | (east == number)
            x, y = _into(number).transform(lon[near], lat[near])
            self._reach(number, x, y)
            own = zone[near] == number
            self._weigh(number, x[own], y[own], region[near][own], area[near][own])

    def tiles(self) -> Iterator[tuple[LandTile, int]]:
        """The tiles, zone by zone, from north to south, each with the region that has most of its land."""
        for zone, windows in sorted(self._windows.items()):
            occupied: dict[int, int] = defaultdict(int)
            for window in windows:
                column, row = _split(window)
                bit = WINDOWS * (WINDOWS - 1 - row % WINDOWS) + column % WINDOWS
                occupied[_join(column // WINDOWS, row // WINDOWS)] |= 1 << bit
            total, most = self._by_tile(zone)
            for place in sorted(occupied, key=lambda one: (-_split(one)[1], _split(one)[0])):
                column, row = _split(place)
                pixels = round(total.get(place, 0.0))
                yield LandTile(zone, column, row, occupied=occupied[place], pixels=pixels), most.get(place, 0)

    def _reach(self, zone: int, x: Floats, y: Floats) -> None:
        corners = [
            _joined(x + across, y + up, _SIDE_M)
            for across in (-_REACH_M, _REACH_M)
            for up in (-_REACH_M, _REACH_M)
        ]
        self._windows[zone].update(np.unique(np.concatenate(corners)).tolist())

    def _weigh(self, zone: int, x: Floats, y: Floats, region: Whole, area: Floats) -> None:
        keys, place = np.unique(_joined(x, y, _SIDE_M * WINDOWS) << 8 | region, return_inverse=True)
        for key, pixels in zip(keys.tolist(), np.bincount(place, weights=area).tolist(), strict=True):
            self._area[zone][key >> 8, key & 255] += pixels

    def _by_tile(self, zone: int) -> tuple[dict[int, float], dict[int, int]]:
        """Pixels of each tile, and the region that has most of them."""
        total: dict[int, float] = defaultdict(float)
        most: dict[int, int] = {}
        for (place, region), pixels in self._area[zone].most_common():
            total[place] += pixels
            most.setdefault(place, region)
        return total, most


def _joined(x: Floats, y: Floats, side: float) -> Whole:
    """One number for the column and row of squares of a side in m."""
    return np.floor(x / side).astype(np.int64) << _BITS | np.floor(y / side).astype(np.int64)


def _join(column: int, row: int) -> int:
    return column << _BITS | row


def _split(place: int) -> tuple[int, int]:
    return place >> _BITS, place & (1 << _BITS) - 1


def region_of(comuna: npt.NDArray[Any]) -> Whole:
    """The official code of the region of each comuna (N,); 0 for a code that is none."""
    found: Whole = _regions()[comuna]
    return found


@cache
def _regions() -> Whole:
    """The region of each comuna's code."""
    table = np.zeros(1 << 16, np.int64)
    for row in comunas().to_pylist():
        table[row["cut"]] = row["region_cut"]
    return table


@cache
def _into(zone: int) -> Any:
    return Transformer.from_crs("OGC:CRS84", f"EPSG:{32700 + zone}", always_xy=True)
