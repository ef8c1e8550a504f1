"""Order of places along a Hilbert curve, so that neighbours on the ground are neighbours in the file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["hilbert_distance"]

_ORDER = 30


def hilbert_distance(lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Distance along the Hilbert curve of order 30 over the whole globe (steps of 4 cm or less).

    Args:
        lon: (N,) degrees, -180 to 180.
        lat: (N,) degrees, -90 to 90.

    Returns:
        (N,) uint64. The algorithm is Hilbert's curve by bit rotation (Warren, Hacker's Delight, chapter 16).
    """
    x, y = _cells(lon, 180.0), _cells(lat, 90.0)
    distance = np.zeros(x.shape, np.uint64)
    last = np.uint64(2**_ORDER - 1)
    for bit in range(_ORDER - 1, -1, -1):
        right = (x >> np.uint64(bit)) & np.uint64(1)
        upper = (y >> np.uint64(bit)) & np.uint64(1)
        distance = (distance << np.uint64(2)) | ((np.uint64(3) * right) ^ upper)
        turn = upper == 0
        flip = turn & (right == 1)
        x, y = np.where(flip, last - x, x), np.where(flip, last - y, y)
        x, y = np.where(turn, y, x), np.where(turn, x, y)
    return distance


def _cells(degrees: npt.ArrayLike, half_range: float) -> npt.NDArray[np.uint64]:
    share = (np.asarray(degrees, np.float64) + half_range) / (2 * half_range)
    cells: npt.NDArray[np.uint64] = np.clip(share * 2**_ORDER, 0, 2**_ORDER - 1).astype(np.uint64)
    return cells
