"""Random numbers that belong to places: the same for a place whoever asks, in whatever company or order.

Counters are mixed by SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195), arrays at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["mixed", "normal", "uniform"]

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]

_STEP, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def mixed(*parts: npt.ArrayLike) -> Keys:
    """One key of several whole numbers each, broadcast; equal parts in equal order give equal keys.

    Parts may be keys themselves; the result is an array of one axis at least.
    """
    key = np.zeros(1, np.uint64)
    for part in parts:
        number = np.atleast_1d(np.asarray(part))
        key = _mix(
            key
            + number.astype(np.uint64 if number.dtype == np.uint64 else np.int64).view(np.uint64) * _STEP
            + _STEP
        )
    return key


def uniform(key: Keys) -> Floats:
    """Numbers from 0 to below 1, one for each key."""
    return (key >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def normal(key: Keys) -> Floats:
    """Numbers of mean 0 and variance 1, one for each key, none beyond 3.5: a sum of four uniform ones.

    Sums are cheaper than logarithms and cosines, and the same on every machine.
    """
    total = np.zeros(key.shape, np.float32)
    for shift in (0, 16, 32, 48):
        total += ((key >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float32)
    return (total - np.float32(4 * 32767.5)) * np.float32(3.0**0.5 / 65536.0)


def _mix(key: Keys) -> Keys:
    key = (key ^ (key >> np.uint64(30))) * _FIRST
    key = (key ^ (key >> np.uint64(27))) * _SECOND
    return key ^ (key >> np.uint64(31))
