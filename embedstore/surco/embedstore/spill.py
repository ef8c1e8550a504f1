"""Rows set aside on disk by partition while a write is going on, so that memory holds one partition at a time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

__all__ = ["Spill"]


class Spill:
    """Appends record batches to one file a key and gives them back as a table.

    Each batch is a whole Arrow IPC stream appended to the key's file: no file stays open, however many keys there are.

    Args:
        folder: a fresh folder; whoever made it removes it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._keys: dict[str, int] = {}

    @property
    def keys(self) -> list[str]:
        """All keys, sorted."""
        return sorted(self._keys)

    def append(self, key: str, batch: pa.RecordBatch) -> None:
        """Add rows to a key; the key must be safe as a file name."""
        with (
            (self._folder / key).open("ab") as file,
            pa.ipc.new_stream(file, batch.schema) as writer,
        ):
            writer.write_batch(batch)
        self._keys[key] = self._keys.get(key, 0) + batch.num_rows

    def read(self, key: str) -> pa.Table:
        """All rows of a key, in the order they were added, mapped into memory from disk."""
        tables = []
        with pa.memory_map(str(self._folder / key)) as source:
            while source.tell() < source.size():
                tables.append(pa.ipc.open_stream(source).read_all())
        return pa.concat_tables(tables)
