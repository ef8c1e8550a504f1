"""Vectors set aside on disk by place, so that cells of a table in any order are pooled with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore.spill import Spill
from surco.encoder.pool import Pixels, Sums, coarser, merge, pool
from surco.encoder.protocol import Floats
from surco.encoder.tables import cell_batches

__all__ = ["CellSpill", "unseen_pixels"]

_DEEPER = 5
"""Levels between a file of the spill and the cells in it: at most 16,807 cells are in memory at a time."""
_ROWS = 65_536


class CellSpill:
    """Rows by the H3 cell they lie in, at one resolution.

    Args:
        folder: a fresh folder; whoever made it removes it.
        resolution: of the cells.
    """

    def __init__(self, folder: Path, resolution: int) -> None:
        self._spill, self._resolution = Spill(folder), resolution
        self._parent = max(0, resolution - _DEEPER)

    def add(self, cells: npt.NDArray[np.uint64], vectors: Floats) -> None:
        """Set rows aside: (N,) cells of the resolution and (N, D) vectors, NaN rows where there is none."""
        parents = np.asarray(pa.array(h3ronpy.change_resolution(pa.array(cells), self._parent)))
        order = np.argsort(parents, kind="stable")
        flat = pa.array(np.ascontiguousarray(vectors[order]).ravel())
        columns = [pa.array(cells[order]), pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])]
        batch = pa.record_batch(columns, names=["cell", "vector"])
        keys, starts = np.unique(parents[order], return_index=True)
        for key, start, end in zip(keys, starts, [*starts[1:], len(order)], strict=True):
            self._spill.append(f"{key:x}", batch.slice(start, end - start))

    def batches(self, level: int) -> Iterator[pa.RecordBatch]:
        """Rows of `cells_schema` at the resolution or a coarser one, each cell once."""
        waiting: list[Sums] = []
        for key in self._spill.keys:
            sums = self._sums(key)
            if level >= self._parent:
                yield from cell_batches(sums if level == self._resolution else coarser(sums, level))
            else:
                # Cells larger than a file of the spill are few: 600,000 km2 at resolution 6 hold 17,000.
                waiting = [merge([*waiting, coarser(sums, level)])]
        for sums in waiting:
            yield from cell_batches(sums)

    def _sums(self, key: str) -> Sums:
        """Sums by cell of one file, over parts of it that fit into memory."""
        found: list[Sums] = []
        part: list[pa.RecordBatch] = []
        batches = self._spill.read(key).to_batches(max_chunksize=_ROWS)
        for number, batch in enumerate(batches, 1):
            part.append(batch)
            if number == len(batches) or sum(each.num_rows for each in part) >= _ROWS:
                found = [merge([*found, _pool(pa.Table.from_batches(part))])]
                part = []
        return found[0]


def unseen_pixels(vectors: Floats) -> Pixels:
    """Vectors as pixels of which nothing else is known: no NDVI, no observations."""
    nothing = np.zeros(len(vectors), np.uint16)
    return Pixels(vectors, np.full((len(vectors), 12), np.nan, np.float32), nothing, nothing)


def _pool(rows: pa.Table) -> Sums:
    column: Any = rows["vector"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(column), column.type.list_size)
    return pool(rows["cell"].to_numpy(), unseen_pixels(vectors))
