"""Who is at work on a store: locks that the operating system lets go of when a process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from surco.embedstore.errors import StoreConflictError

__all__ = ["WriterLock", "live_writers", "maintenance"]

_FOLDER = ".writers"


class WriterLock:
    """Says that the writer whose files carry `token` is alive, until it is left or the process ends.

    Args:
        root: the store's folder.
        token: names the writer; no other has it.
    """

    def __init__(self, root: Path, token: str) -> None:
        self._path = root / _FOLDER / token
        self._handle = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(exist_ok=True)
        while self._handle < 0:
            handle = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o666)
            fcntl.flock(handle, fcntl.LOCK_EX)
            # `live_writers` may have taken the file for a dead writer's and removed it before it was locked.
            if self._path.exists() and self._path.stat().st_ino == os.fstat(handle).st_ino:
                self._handle = handle
            else:
                os.close(handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = -1


def live_writers(root: Path) -> set[str]:
    """Tokens of the writers that are alive; the locks of dead ones are removed."""
    folder = root / _FOLDER
    return {path.name for path in folder.iterdir() if _is_held(path)} if folder.is_dir() else set()


@contextmanager
def maintenance(root: Path) -> Iterator[None]:
    """Alone in removing and restoring versions.

    Raises:
        StoreConflictError: another process does so now.
    """
    handle = os.open(root / "store.json", os.O_RDONLY)
    try:
        _take_alone(root, handle)
        yield
    finally:
        os.close(handle)


def _take_alone(root: Path, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreConflictError(
            f"nobody else to remove or restore versions of {root}",
            "another process that does so now",
            "Wait until it is done and try again.",
        ) from error


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
