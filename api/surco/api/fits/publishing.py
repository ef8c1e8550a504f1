"""Adapters put into the store and taken out of it by many threads at once: those who wait are written together.

A version of a country's store names hundreds of files and takes some 20 ms to write. One thread writes; what comes
meanwhile goes into the next version, all of it. Of one name there is one change a version, so that a name fitted twice
is two versions. Other processes of the server wait for their turn, too, so that they do not write the same version.
"""

from __future__ import annotations

import fcntl
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition

from surco.embedstore import Store, StoreConflictError

__all__ = ["Publisher"]

_TRIES = 6
_PAUSE_S = 0.02
_TURN = ".server/publishing.lock"


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """An adapter's files by name, or None to take it out; `done` is told the store at the version that has it."""

    name: str
    files: Mapping[str, bytes] | None
    done: Future[Store] = field(default_factory=Future)


class Publisher:
    """Writes adapters into one store.

    Args:
        path: the store's folder.
        opened: opens it at its latest version.
    """

    def __init__(self, path: Path, opened: Callable[[Path], Store] = Store.open) -> None:
        self._path = path
        self._opened = opened
        self._turn = Condition()
        self._waiting: list[_Change] = []
        self._writing = False

    def put(self, name: str, files: Mapping[str, bytes]) -> Store:
        """Put an adapter into the store, in place of one of that name; gives the store at the version that has it.

        Raises:
            StoreConflictError: other processes wrote a version each time that this one tried to.
            StoreError: a name that cannot be one, or a store that cannot be written.
        """
        return self._change(_Change(name, dict(files)))

    def remove(self, name: str) -> Store:
        """Leave an adapter out of a new version of the store; gives the store at that version.

        Raises:
            StoreError: there is no such adapter; otherwise as `put`.
        """
        return self._change(_Change(name, None))

    def _change(self, change: _Change) -> Store:
        with self._turn:
            self._waiting.append(change)
        while not change.done.done():
            with self._turn:
                while self._writing and not change.done.done():
                    self._turn.wait()
                if change.done.done():
                    break
                self._writing = True
                batch = self._batch()
            try:
                self._write(batch)
            finally:
                with self._turn:
                    self._writing = False
                    self._turn.notify_all()
        return change.done.result()

    def _batch(self) -> list[_Change]:
        """The first change of each name; the others keep waiting."""
        first: dict[str, _Change] = {}
        for change in self._waiting:
            first.setdefault(change.name, change)
        batch = list(first.values())
        self._waiting = [change for change in self._waiting if change not in batch]
        return batch

    def _write(self, batch: list[_Change]) -> None:
        """Write a batch as one version; where that fails, each change alone, so that a bad one harms no other."""
        try:
            store = self._tried(batch)
        except BaseException as error:
            if len(batch) == 1:
                batch[0].done.set_exception(error)
                return
            for change in batch:
                self._write([change])
            return
        for change in batch:
            change.done.set_result(store)

    def _tried(self, batch: list[_Change]) -> Store:
        for number in range(1, _TRIES):
            try:
                return self._in_turn(batch)
            except StoreConflictError:
                time.sleep(number * _PAUSE_S * secrets.randbelow(1_000) / 1_000)
        return self._in_turn(batch)

    def _in_turn(self, batch: list[_Change]) -> Store:
        with _turn(self._path / _TURN):
            return self._written(batch)

    def _written(self, batch: list[_Change]) -> Store:
        store = self._opened(self._path)
        with store.transaction() as transaction:
            for change in batch:
                if change.files is None:
                    transaction.remove_adapter(change.name)
                else:
                    transaction.put_adapter(change.name, change.files)
        return store


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Alone among the processes that publish; where files cannot be locked, conflicts are found at the write."""
    try:
        path.parent.mkdir(exist_ok=True)
        file = path.open("wb")
    except OSError:
        yield
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield
            return
        yield
