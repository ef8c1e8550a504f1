"""Web Mercator as whole numbers, and the order of Morton in which any tile is a range.

The world is a square of 2^32 by 2^32 units (a centimetre at the equator), x to the east from longitude -180, y to the
south from latitude 85.05. Tile (z, x, y) has its corner at (x, y) * 2^(32 - z): rounding is the same in every tile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_LATITUDE", "WORLD", "from_units", "interleaved", "ranges_of", "separated", "to_units"]

WORLD = 1 << 32
"""Units from one side of the world to the other."""
MOST_LATITUDE = 85.0511287798066
"""Degrees beyond which Web Mercator shows nothing."""

_SPREAD = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)

Codes = npt.NDArray[np.uint64]
Units = npt.NDArray[np.uint32]
Doubles = npt.NDArray[np.float64]


def to_units(lon: Doubles, lat: Doubles) -> tuple[Units, Units]:
    """Places in degrees as x and y; longitudes are taken modulo 360, latitudes beyond Mercator's to its edge."""
    x = np.floor((lon + 180) / 360 * WORLD).astype(np.int64) & (WORLD - 1)
    sine = np.sin(np.radians(np.clip(lat, -MOST_LATITUDE, MOST_LATITUDE)))
    y = np.floor((0.5 - np.arctanh(sine) / (2 * np.pi)) * WORLD)
    return x.astype(np.uint32), np.clip(y, 0, WORLD - 1).astype(np.uint32)


def from_units(x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """Longitude and latitude in degrees of places in units, which need not be whole."""
    return x / WORLD * 360 - 180, np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * y / WORLD))))


def interleaved(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Codes:
    """Morton codes: bits of x and y in turn, y's the higher, so that a tile's first 2 z bits are its own."""
    return np.asarray(_spread(x) | (_spread(y) << np.uint64(1)), np.uint64)


def separated(codes: Codes) -> tuple[Units, Units]:
    """The x and y of Morton codes."""
    return _gathered(codes), _gathered(codes >> np.uint64(1))


def ranges_of(west: int, north: int, east: int, south: int, zoom: int) -> npt.NDArray[np.uint64]:
    """First and last Morton code (N, 2) of the tiles of a zoom that a box in units touches, neighbours joined.

    Args:
        west: may be below 0 or, as `east`, beyond the world: x goes round.
        north: cut at the world's edge, as `south`.
        east: not of the box.
        south: not of the box.
        zoom: 0 to 31.
    """
    step = 32 - zoom
    across = range(west >> step, ((east - 1) >> step) + 1)
    x = np.unique(np.array(across[: 1 << zoom], np.int64) & ((1 << zoom) - 1))
    y = np.arange(max(north, 0) >> step, (min(south, WORLD) - 1 >> step) + 1)
    tiles = np.sort(interleaved(np.repeat(x, len(y)), np.tile(y, len(x))))
    new = np.flatnonzero(np.diff(tiles, prepend=tiles[:1]) != 1)
    first, last = tiles[new], tiles[np.append(new[1:], len(tiles)) - 1]
    if zoom == 0:
        return np.array([[0, (1 << 64) - 1]], np.uint64)
    bits = np.uint64(2 * step)
    return np.stack([first << bits, (last << bits) | np.uint64((1 << int(bits)) - 1)], axis=1)


def _spread(values: npt.NDArray[Any]) -> Codes:
    spread = values.astype(np.uint64)
    for shift, keep in _SPREAD:
        spread = (spread | (spread << np.uint64(shift))) & np.uint64(keep)
    return spread


def _gathered(codes: Codes) -> Units:
    gathered = codes & np.uint64(0x5555555555555555)
    for shift, keep in (
        (1, 0x3333333333333333),
        (2, 0x0F0F0F0F0F0F0F0F),
        (4, 0x00FF00FF00FF00FF),
        (8, 0x0000FFFF0000FFFF),
        (16, 0x00000000FFFFFFFF),
    ):
        gathered = (gathered | (gathered >> np.uint64(shift))) & np.uint64(keep)
    return gathered.astype(np.uint32)
