"""Finished tiles on disk, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from surco.encoder.grid import Window
from surco.encoder.pool import Sums, merge, select

__all__ = ["Staging", "TileSums", "merged_cells"]

_DIGEST_CHARACTERS = 64


@dataclass(frozen=True, slots=True, eq=False)
class TileSums:
    """What one tile adds: sums by cell and by parcel, its pixels, and how many of them each month saw.

    `optical`, `radar`: 12 counts of pixels with a clear optical, or a radar, observation in the month.
    """

    cells: Sums
    parcels: Sums
    pixels: int
    optical: tuple[int, ...]
    radar: tuple[int, ...]


class Staging:
    """One file a tile, an Arrow stream after its own SHA-256: a file that is cut off or altered is as good as none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, window: Window) -> bool:
        """Whether the tile is there, whole."""
        return self._payload(window) is not None

    def load(self, window: Window) -> TileSums:
        """Read a tile that `has` found.

        Raises:
            FileNotFoundError: it has gone or changed since.
        """
        payload = self._payload(window)
        if payload is None:
            raise FileNotFoundError(f"{self._path(window)} has gone or changed while it was needed")
        with pa.ipc.open_stream(payload) as reader:
            counts = json.loads(reader.schema.metadata[b"counts"])
            cells, parcels = (_to_sums(batch) for batch in reader)
        return TileSums(cells, parcels, counts["pixels"], tuple(counts["optical"]), tuple(counts["radar"]))

    def save(self, window: Window, sums: TileSums) -> None:
        """Write a tile under a temporary name, then give it its own: it is there as a whole or not at all."""
        counts = {"pixels": sums.pixels, "optical": sums.optical, "radar": sums.radar}
        batches = [_to_batch(part, json.dumps(counts)) for part in (sums.cells, sums.parcels)]
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batches[0].schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        payload = sink.getvalue().to_pybytes()
        path = self._path(window)
        draft = path.with_suffix(f".{os.getpid()}.part")
        with draft.open("wb") as file:
            file.write(hashlib.sha256(payload).hexdigest().encode() + payload)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def _path(self, window: Window) -> Path:
        return self._folder / f"tile-{window.row:05d}-{window.column:05d}.arrow"

    def _payload(self, window: Window) -> bytes | None:
        path = self._path(window)
        if not path.is_file():
            return None
        content = path.read_bytes()
        digest, payload = content[:_DIGEST_CHARACTERS], content[_DIGEST_CHARACTERS:]
        return payload if hashlib.sha256(payload).hexdigest().encode() == digest else None


def merged_cells(count: int, load: Callable[[int], Sums]) -> Iterator[Sums]:
    """Add up the cells of tiles, handing out each cell once, when the last tile that holds it has been read.

    Memory holds the keys of all cells, one tile, and the cells that lie across the edges of tiles not yet read.

    Args:
        count: of tiles.
        load: tile number to its sums; called twice for each.
    """
    keys, tiles = [], []
    for number in range(count):
        keys.append(load(number).key)
        tiles.append(np.full(len(keys[-1]), number))
    everything = np.concatenate(keys)[::-1]
    unique, place = np.unique(everything, return_index=True)
    last = np.concatenate(tiles)[::-1][place]
    waiting: Sums | None = None
    for number in range(count):
        sums = load(number) if waiting is None else merge([waiting, load(number)])
        done = last[np.searchsorted(unique, sums.key)] == number
        yield select(sums, done)
        waiting = select(sums, ~done)


def _to_batch(sums: Sums, counts: str) -> pa.RecordBatch:
    columns = {field.name: _to_column(getattr(sums, field.name)) for field in fields(Sums)}
    schema = pa.schema([(name, column.type) for name, column in columns.items()], {"counts": counts})
    return pa.record_batch(list(columns.values()), schema=schema)


def _to_column(values: np.ndarray) -> pa.Array[Any]:
    flat = pa.array(np.ascontiguousarray(values).ravel())
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _to_sums(batch: pa.RecordBatch) -> Sums:
    return Sums(**{field.name: _to_values(batch.column(field.name)) for field in fields(Sums)})


def _to_values(column: pa.Array[Any]) -> np.ndarray:
    if isinstance(column, pa.FixedSizeListArray):
        return column.flatten().to_numpy().reshape(len(column), column.type.list_size)
    return column.to_numpy()
