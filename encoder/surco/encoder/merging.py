"""Adding up the sums of many tiles, a group of neighbouring keys at a time, so that memory holds one group only.

Keys that agree but for their last bits are a group: cells below one coarse H3 cell (whose children follow each other
in the order of their indices), or some thousand parcels. Tiles are sorted by key, so that a group is a run of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.encoder.pool import Sums, coarser, merge

__all__ = ["count_cells", "merged_cells", "merged_parcels"]

Load = Callable[[int], Sums]
"""Number of a tile to its sums; called again and again, so that it should hand out mapped memory."""
Keys = npt.NDArray[np.uint64]

_FINEST_OF_H3 = 15
_DIGIT_BITS = 3
_BELOW = 5
"""Levels between a group and its cells: 16,807 cells, 21 MB."""
_PARCEL_BITS = 14


class _Run(NamedTuple):
    """Rows `first` to `last`, exclusive, of a tile."""

    tile: int
    first: int
    last: int


def merged_cells(count: int, load: Load, finest: int, level: int) -> Iterator[Sums]:
    """Add up the cells of tiles; each cell is handed out once, ascending.

    Args:
        count: of tiles.
        load: tile number to its sums by cells of the resolution `finest`.
        finest: resolution of the tiles' cells.
        level: resolution wanted, at most `finest`.
    """
    for sums in _merged(count, load, _shift(finest, level)):
        yield sums if level == finest else coarser(sums, level)


def merged_parcels(count: int, load: Load) -> Iterator[Sums]:
    """Add up the parcels of tiles; each is handed out once, ascending."""
    return _merged(count, load, _PARCEL_BITS)


def count_cells(count: int, load: Load, finest: int, levels: Sequence[int]) -> dict[int, int]:
    """How many cells of each level hold a pixel that was seen; arguments as of `merged_cells`."""
    found = dict.fromkeys(levels, 0)
    for runs in _groups(count, load, _shift(finest, min(levels, default=finest))):
        parts = [load(run.tile) for run in runs]
        keys = [
            part.key[run.first : run.last][part.pixels[run.first : run.last] > 0]
            for part, run in zip(parts, runs, strict=True)
        ]
        unique = np.unique(np.concatenate(keys))
        for level in sorted(levels, reverse=True):
            unique = _parents(unique, level)
            found[level] += len(unique)
    return found


def _merged(count: int, load: Load, shift: int) -> Iterator[Sums]:
    for runs in _groups(count, load, shift):
        yield merge([_rows(load(run.tile), run) for run in runs])


def _rows(sums: Sums, run: _Run) -> Sums:
    return Sums(**{field.name: getattr(sums, field.name)[run.first : run.last] for field in fields(Sums)})


def _groups(count: int, load: Load, shift: int) -> Iterator[list[_Run]]:
    """The rows of each group, of the tiles that have any, in the order of the groups."""
    of_tiles = [_runs(load(number).key, shift) for number in range(count)]
    tile = np.repeat(np.arange(count), [len(runs) for runs in of_tiles])
    table = np.concatenate([np.empty((0, 3), np.int64), *of_tiles])
    order = np.argsort(table[:, 0], kind="stable")
    starts = np.flatnonzero(np.diff(table[order, 0], prepend=-1))
    for rows in np.split(order, starts)[1:]:
        places = table[rows]
        yield [_Run(int(t), int(a), int(b)) for t, (_, a, b) in zip(tile[rows], places, strict=True)]


def _runs(keys: Keys, shift: int) -> npt.NDArray[np.int64]:
    """Group, first and last row of each run of ascending keys, (R, 3)."""
    if not len(keys):
        return np.empty((0, 3), np.int64)
    group = (keys >> np.uint64(shift)).astype(np.int64)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    return np.column_stack([group[first], first, np.append(first[1:], len(keys))]).astype(np.int64)


def _shift(finest: int, level: int) -> int:
    """Bits that tell cells of one group apart: a group never parts a cell of the level."""
    return _DIGIT_BITS * (_FINEST_OF_H3 - min(level, max(finest - _BELOW, 0)))


def _parents(cells: Keys, level: int) -> Keys:
    if not len(cells):
        return cells
    found = pa.array(h3ronpy.change_resolution(pa.array(cells), level)).to_numpy(zero_copy_only=False)
    return np.unique(found.astype(np.uint64))
