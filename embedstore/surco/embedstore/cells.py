"""Arithmetic on H3 indices, whole arrays at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FINEST", "centres_at", "parent_resolution", "parents_of", "resolutions_of"]

FINEST = 15
"""The finest resolution of H3."""

# H3 index layout: mode in bits 59-62, resolution in bits 52-55, then three bits a digit, 7 where unused
# (https://h3geo.org/docs/core-library/h3Indexing).
_RESOLUTION_SHIFT = 52


def parents_of(cells: npt.NDArray[np.uint64], resolution: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """The ancestors of H3 cells.

    Args:
        cells: (N,) valid cells.
        resolution: of the ancestors, one or (N,), 0 to each cell's own.

    Returns:
        (N,) uint64.
    """
    wanted = np.asarray(resolution, np.uint64)
    return _with_resolution(cells, wanted) | _unused_digits(wanted)


def centres_at(cells: npt.NDArray[np.uint64], resolution: int) -> npt.NDArray[np.uint64]:
    """The cell of one resolution for each: the ancestor of a finer cell, the descendant with a coarser one's centre.

    Args:
        cells: (N,) valid cells.
        resolution: 0 to 15.

    Returns:
        (N,) uint64.
    """
    wanted = np.uint64(resolution)
    level = np.minimum(resolutions_of(cells), wanted)
    # The child with the same centre is the one of digit 0.
    new_digits = _unused_digits(level) ^ _unused_digits(wanted)
    return _with_resolution(parents_of(cells, level), wanted) & ~new_digits


def parent_resolution(resolution: int) -> int:
    """H3 resolution of the parents by which a table's cells are split into files.

    4 (1,770 km²; some 500 for all Chile), or less where a file would hold fewer than 2,000 cells.
    """
    return max(0, min(4, resolution - 4))


def resolutions_of(cells: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """(N,) resolution of each of (N,) valid cells."""
    return (cells >> np.uint64(_RESOLUTION_SHIFT)) & np.uint64(FINEST)


def _with_resolution(
    cells: npt.NDArray[np.uint64], resolution: npt.NDArray[np.uint64] | np.uint64
) -> npt.NDArray[np.uint64]:
    bits = np.uint64(_RESOLUTION_SHIFT)
    return (cells & ~(np.uint64(FINEST) << bits)) | (resolution << bits)


def _unused_digits(resolution: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    """Ones in the three bits of every digit finer than a resolution."""
    below = np.uint64(3) * (np.uint64(FINEST) - resolution)
    return np.asarray((np.uint64(1) << below) - np.uint64(1), np.uint64)
