"""The vectors of a table as arrays that a search can run over, mapped from files and not loaded.

A row takes D bytes, 4 for the reciprocal of its length, 2 for its comuna and, for a cell, 8 for its key: 78 for 64
values.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from surco.embedstore.files import read_batches
from surco.embedstore.schema import fixed_size_matrix
from surco.embedstore.sidecar import drop_older, ensure_sidecar
from surco.embedstore.vector_sources import Source

__all__ = ["KEYS", "TableVectors", "table_vectors"]

KEYS: Mapping[str, str] = {"cells": "h3", "parcels": "id"}
"""The column that names a row, by table."""

_BLOCK = 65_536
_SMALL = 100_000
_KEPT_VERSIONS = 2
_ARRAYS = ("embedding", "inverse_length", "comuna")
_RAW_KEYS = "keys.raw"
_LOADING = threading.Lock()

Int8s = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TableVectors:
    """N rows of a table.

    Attributes:
        keys: (N,) uint64 cells in ascending order, or string ids in the order of the file.
        embedding: (N, D) int8, as stored.
        inverse_length: (N,) float32, 1 / |embedding|; NaN for a row of zeros, which has no direction.
        comuna: (N,) uint16 CUT codes; 0 where unknown.
    """

    keys: pa.Array[Any]
    embedding: Int8s
    inverse_length: Floats
    comuna: npt.NDArray[np.uint16]

    def row_of(self, key: int | str) -> int | None:
        """The row of a key; None where it is not in the table."""
        found = self.rows_of(pa.array([key], self.keys.type))
        return int(found[0]) if len(found) else None

    def rows_of(self, keys: pa.Array[Any]) -> Rows:
        """Rows of the keys that the table has, ascending, each once."""
        if not pa.types.is_uint64(self.keys.type):
            named = pc.is_in(self.keys, value_set=keys.cast(self.keys.type))
            return np.asarray(np.flatnonzero(named.to_numpy(zero_copy_only=False)), np.int64)
        held = self.keys.to_numpy()
        wanted = np.unique(keys.to_numpy(zero_copy_only=False))
        rows = np.searchsorted(held, wanted)
        inside = rows < len(held)
        rows, wanted = rows[inside], wanted[inside]
        return np.asarray(rows[held[rows] == wanted], np.int64)


def table_vectors(source: Source) -> TableVectors:
    """The vectors of a table: mapped from its sidecar, which the first search makes; a small table is loaded.

    Where the store cannot be written, or its disk is full, they are loaded. Kept for the next call.

    Raises:
        StoreError: a damaged file of the table.
    """
    with _LOADING:
        return _table_vectors(source)


@lru_cache(maxsize=4)
def _table_vectors(source: Source) -> TableVectors:
    if source.info.rows < _SMALL:
        return _loaded(source)
    folder = source.folder("vectors")
    try:
        if ensure_sidecar(folder, lambda draft: _write(source, draft)):
            drop_older(folder, f"vectors of {source.name}", _KEPT_VERSIONS)
    except OSError:
        return _loaded(source)
    try:
        return _mapped(folder)
    except FileNotFoundError:
        # Another process has written two newer versions since, and removed this one's files.
        return _loaded(source)


def _mapped(folder: Path) -> TableVectors:
    with pa.memory_map(str(folder / "keys.arrow")) as file:
        keys = pa.ipc.open_file(file).get_batch(0).column(0)
    arrays = (np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS)
    return TableVectors(keys, *(array.view(np.ndarray) for array in arrays))


def _loaded(source: Source) -> TableVectors:
    keys, place = _keys(source)
    n = len(keys)
    embedding, inverse, comuna = (
        np.empty((n, source.info.dimension), np.int8),
        np.empty(n, np.float32),
        np.empty(n, np.uint16),
    )
    made = TableVectors(keys, embedding, inverse, comuna)
    _fill(source, place, made)
    return made


def _write(source: Source, draft: Path) -> dict[str, Any]:
    keys, place = _mapped_keys(source, draft / _RAW_KEYS) or _keys(source)
    n = len(keys)
    shapes = ((np.int8, (n, source.info.dimension)), (np.float32, (n,)), (np.uint16, (n,)))
    arrays = [
        np.lib.format.open_memmap(draft / f"{name}.npy", "w+", kind, shape)
        for name, (kind, shape) in zip(_ARRAYS, shapes, strict=True)
    ]
    _fill(source, place, TableVectors(keys, *arrays))
    for array in arrays:
        array.flush()
    batch = pa.record_batch([keys], names=["key"])
    with pa.OSFile(str(draft / "keys.arrow"), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)
    (draft / _RAW_KEYS).unlink(missing_ok=True)
    return {"table": f"vectors of {source.name}"}


def _mapped_keys(source: Source, path: Path) -> tuple[pa.Array[Any], None] | None:
    """Keys of cells in a file, so that a country's never lie in memory; None where they are not sorted or are ids."""
    if source.table != "cells":
        return None
    keys = np.memmap(path, np.uint64, "w+", shape=(source.info.rows,))
    start, last = 0, -1
    for batch in _batches(source, ["h3"]):
        block = batch.column(0).to_numpy()
        if not len(block):
            continue
        if int(block[0]) <= last or not (block[1:] > block[:-1]).all():
            return None
        keys[start : start + len(block)] = block
        start, last = start + len(block), int(block[-1])
    return pa.Array.from_buffers(pa.uint64(), len(keys), [None, pa.py_buffer(cast(Any, keys))]), None


def _keys(source: Source) -> tuple[pa.Array[Any], Rows | None]:
    """The keys, and the row that each takes; None where they stay in the order of the files."""
    name = KEYS[source.table]
    parts = [batch.column(0) for batch in _batches(source, [name])]
    keys = pa.concat_arrays([part.cast(pa.large_string()) if name == "id" else part for part in parts])
    if name == "id":
        return keys, None
    values = keys.to_numpy()
    if (values[1:] > values[:-1]).all():
        return keys, None
    # Files that a merge carried over come first, whatever their cells.
    order = np.argsort(values, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return pa.array(values[order]), place


def _fill(source: Source, place: Rows | None, made: TableVectors) -> None:
    start = 0
    for batch in _batches(source, ["embedding", "comuna"]):
        block = fixed_size_matrix(batch.column("embedding"))
        stop = start + len(block)
        rows = slice(start, stop) if place is None else place[start:stop]
        made.embedding[rows] = block
        made.inverse_length[rows] = _inverse_length(block)
        made.comuna[rows] = batch.column("comuna").fill_null(0).to_numpy(zero_copy_only=False)
        start = stop


def _batches(source: Source, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Batches of the files; those of cells are named by a coarse parent, and so are in the order of their cells."""
    files = source.info.files
    for file in sorted(files, key=lambda each: each.stem) if source.table == "cells" else files:
        yield from read_batches(file, _BLOCK, columns)


def _inverse_length(block: Int8s) -> Floats:
    values = block.astype(np.float32)
    # A sum of squares of int8 is exact in float32 up to a thousand values.
    square = np.einsum("nd,nd->n", values, values, dtype=np.float64)
    with np.errstate(divide="ignore"):
        inverse: Floats = np.where(square > 0, 1 / np.sqrt(square), np.nan).astype(np.float32)
    return inverse
