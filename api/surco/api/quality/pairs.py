"""Pairs of neighbouring cells, and how much their vectors differ."""

from __future__ import annotations

from dataclasses import dataclass

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import TableVectors, table_vectors

__all__ = ["Pairs", "cosines", "neighbour_pairs"]

_BLOCK = 65_536

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """N pairs of cells that touch, both in the table and with a direction.

    Attributes:
        cells: how many cells were looked at.
        one: (N,) cells.
        other: (N,) neighbours, of a greater index.
        distance: (N,) 1 - cosine of their vectors, 0 to 2.
    """

    cells: int
    one: npt.NDArray[np.uint64]
    other: npt.NDArray[np.uint64]
    distance: Floats


def neighbour_pairs(source: Source, most: int, seed: int = 0) -> Pairs:
    """The pairs of a table's cells, or of `most` of them by chance: each pair counts with its cell of lower index."""
    vectors = table_vectors(source)
    cells = vectors.keys.to_numpy()
    rows = _some(len(cells), most, seed)
    disks = pa.array(h3ronpy.grid_disk(pa.array(cells[rows]), 1))
    others = np.asarray(disks.flatten().to_numpy(zero_copy_only=False), np.uint64)
    first = np.repeat(rows, np.diff(np.asarray(disks.offsets)))
    second = np.searchsorted(cells, others)
    held = cells[np.minimum(second, len(cells) - 1)] == others
    upwards = held & (second > first)
    first, second = first[upwards], second[upwards]
    cosine = cosines(vectors, first, vectors, second)
    known = np.isfinite(cosine)
    first, second = first[known], second[known]
    return Pairs(len(rows), cells[first], cells[second], 1.0 - cosine[known])


def cosines(one: TableVectors, rows: Rows, other: TableVectors, others: Rows) -> Floats:
    """(N,) cosines of row against row, NaN where one of them is all zeros."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        a, b = one.embedding[rows[part]].astype(np.float32), other.embedding[others[part]].astype(np.float32)
        lengths = one.inverse_length[rows[part]] * other.inverse_length[others[part]]
        found[part] = np.einsum("nd,nd->n", a, b, dtype=np.float64) * lengths
    return found


def _some(count: int, most: int, seed: int) -> Rows:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
