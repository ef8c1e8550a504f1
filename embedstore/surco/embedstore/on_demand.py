"""Files of a working copy that come when somebody needs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

from surco.embedstore.files import checked_file
from surco.embedstore.following import bring_all
from surco.embedstore.manifest import FileEntry

__all__ = ["FilesOnDemand", "brought_together"]

_TOGETHER = 256 << 20
"""Bytes of a table that are fetched at once where a query begins to go through it."""


class FilesOnDemand(Sequence[Path]):
    """Paths of files, which are fetched where they are missing: one when it is asked for, all when they are listed."""

    def __init__(self, root: Path, entries: Sequence[FileEntry]) -> None:
        self._root, self._entries = root, entries

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, place: int) -> Path: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Path]: ...
    def __getitem__(self, place: int | slice) -> Path | Sequence[Path]:
        if isinstance(place, slice):
            return FilesOnDemand(self._root, self._entries[place])
        return checked_file(self._root, self._entries[place])

    def __iter__(self) -> Iterator[Path]:
        bring_all(self._root, self._entries)
        return iter([checked_file(self._root, entry) for entry in self._entries])


def brought_together(root: Path, entries: Sequence[FileEntry]) -> Callable[[FileEntry], Path]:
    """What brings one file of a table, and at the second one that is missing all others, several at once.

    DuckDB opens one file of a table to know its columns, and the rest one after another as a query goes through them:
    a way to the object store and back for each. A table of more than a quarter of a gigabyte comes file by file, as few
    questions concern all of it.
    """
    lock, missed = threading.Lock(), []

    def bring(entry: FileEntry) -> Path:
        if not (root / entry.path).exists():
            with lock:
                missed.append(entry)
                if len(missed) > 1 and sum(each.bytes for each in entries) <= _TOGETHER:
                    bring_all(root, entries)
        return checked_file(root, entry)

    return bring
