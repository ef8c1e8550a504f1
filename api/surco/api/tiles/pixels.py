"""One place for each pixel, of the many that a pixel of a low zoom holds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from surco.api.tiles.mercator import interleaved, separated

__all__ = ["one_of_each", "unfilled_neighbours"]

Codes = npt.NDArray[np.uint64]
Whole = npt.NDArray[np.int64]


def one_of_each(codes: Codes, west: int, north: int, size: int, pixels: int) -> Whole:
    """Which of N places each pixel of a square tile shows, -1 where none lies in it: (pixels, pixels).

    Of several it is the one in the middle of their order, whatever it holds, so that colours keep their shares.

    Args:
        codes: (N,) Morton codes of the places, ascending.
        west: the tile's corner in units, a multiple of `size`, as `north`.
        north: see `west`.
        size: units a side, a power of two.
        pixels: a side, a power of two, not more than `size`.
    """
    bits = 2 * (size.bit_length() - pixels.bit_length())
    order, across, down = _pixel_order(pixels)
    borders = interleaved(np.array([west]), np.array([north])) + (order << np.uint64(bits))
    last = borders[-1] + np.uint64((1 << bits) - 1)
    low, high = int(np.searchsorted(codes, borders[0])), int(np.searchsorted(codes, last, side="right"))
    start = low + np.searchsorted(codes[low:high], borders)
    stop = np.append(start[1:], high)
    picture = np.empty((pixels, pixels), np.int64)
    picture[down, across] = np.where(stop > start, (start + stop) // 2, -1)
    return picture


def unfilled_neighbours(picture: Whole) -> tuple[Whole, Whole]:
    """Rows and columns of the pixels that show nothing while one of their eight neighbours does."""
    filled = np.pad(picture >= 0, 1)
    across = filled[:, :-2] | filled[:, 1:-1] | filled[:, 2:]
    around = across[:-2] | across[1:-1] | across[2:]
    down, right = np.nonzero(around & (picture < 0))
    return down, right


@lru_cache(maxsize=4)
def _pixel_order(pixels: int) -> tuple[Codes, Whole, Whole]:
    """The pixels of a tile in the order of Morton: their codes, columns and rows."""
    order = np.arange(pixels * pixels, dtype=np.uint64)
    across, down = separated(order)
    return order, across.astype(np.int64), down.astype(np.int64)
