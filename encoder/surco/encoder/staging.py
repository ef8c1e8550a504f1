"""Finished tiles on disk, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from surco.embedstore.disk import writing_to
from surco.encoder.grid import Window
from surco.encoder.pool import Sums

__all__ = ["Staging", "TileSums", "from_payload", "to_payload", "window_name"]

_DIGEST_CHARACTERS = 64
_OPEN = 64
"""Files mapped into memory at a time: their pages belong to the system, which takes them back when it wants them."""


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
    """One file a tile, an Arrow stream after its own SHA-256: a file that is cut off or altered is as good as none.

    A file is compared with its SHA-256 when it is first asked for, and again when its size or time has changed.

    Args:
        folder: of the files; it is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._whole: dict[str, tuple[int, int]] = {}
        self._mapped: OrderedDict[str, TileSums] = OrderedDict()

    def has(self, name: str) -> bool:
        """Whether the tile is there, whole."""
        state = self._state(name)
        if state is None or self._whole.get(name) == state:
            return state is not None
        self._forget(name)
        with self._path(name).open("rb") as file:
            said = file.read(_DIGEST_CHARACTERS)
            found = hashlib.file_digest(file, "sha256").hexdigest().encode()
        if said != found:
            return False
        self._whole[name] = state
        return True

    def load(self, name: str) -> TileSums:
        """A tile that `has` found, mapped into memory: what is not looked at is not read.

        Raises:
            FileNotFoundError: it has gone or changed since.
        """
        if not self.has(name):
            raise FileNotFoundError(f"{self._path(name)} has gone or changed while it was needed")
        if name in self._mapped:
            self._mapped.move_to_end(name)
            return self._mapped[name]
        with pa.memory_map(str(self._path(name))) as source:
            source.seek(_DIGEST_CHARACTERS)
            self._mapped[name] = from_payload(source.read_buffer())
        if len(self._mapped) > _OPEN:
            self._mapped.popitem(last=False)
        return self._mapped[name]

    def save(self, name: str, payload: bytes, *, durable: bool = True) -> None:
        """Write a tile under a temporary name, then give it its own: it is there as a whole or not at all.

        Args:
            name: of the tile.
            payload: as `to_payload` makes it.
            durable: wait until the disk has it; a file that may be made again need not.

        Raises:
            StoreError: a full disk, or a folder that cannot be written.
        """
        draft = self._path(name).with_suffix(f".{os.getpid()}.part")
        with writing_to(self._folder):
            try:
                _write(draft, payload, durable)
                draft.replace(self._path(name))
            except OSError:
                draft.unlink(missing_ok=True)
                raise
        self._forget(name)

    def remove(self, name: str) -> None:
        """Remove a tile, if it is there."""
        self._forget(name)
        self._path(name).unlink(missing_ok=True)

    def _forget(self, name: str) -> None:
        self._mapped.pop(name, None)
        self._whole.pop(name, None)

    def _state(self, name: str) -> tuple[int, int] | None:
        try:
            found = self._path(name).stat()
        except FileNotFoundError:
            return None
        return found.st_size, found.st_mtime_ns

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.arrow"


def _write(path: Path, payload: bytes, durable: bool) -> None:
    with path.open("wb") as file:
        file.write(hashlib.sha256(payload).hexdigest().encode())
        file.write(payload)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def window_name(window: Window) -> str:
    """The name of a grid's window as a tile: `tile-00012-00003`, row and column."""
    return f"tile-{window.row:05d}-{window.column:05d}"


def to_payload(sums: TileSums) -> bytes:
    """A tile as an Arrow stream of two batches, cells and parcels; the same sums give the same bytes."""
    counts = json.dumps({"pixels": sums.pixels, "optical": sums.optical, "radar": sums.radar})
    batches = [_to_batch(part, counts) for part in (sums.cells, sums.parcels)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def from_payload(payload: bytes | pa.Buffer) -> TileSums:
    """What `to_payload` was given; its arrays lie in the payload."""
    with pa.ipc.open_stream(payload) as reader:
        counts = json.loads(reader.schema.metadata[b"counts"])
        cells, parcels = (_to_sums(batch) for batch in reader)
    return TileSums(cells, parcels, counts["pixels"], tuple(counts["optical"]), tuple(counts["radar"]))


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
