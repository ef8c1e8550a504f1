"""Who does a run and how far it is: a lock that dies with its holder, and a file that says it is alive."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from surco.embedstore import EmbedstoreError
from surco.encoder.reading import ReadCounts
from surco.encoder.runs.errors import CancelledRunError, RunError
from surco.encoder.runs.folder import RunFolder, write_whole

__all__ = ["Driver", "RunState", "driving", "is_driven", "read_state"]

Phase = Literal["encoding", "waiting", "writing", "finished", "cancelled", "stopped"]

_AT_WORK = ("encoding", "waiting", "writing")
_BEAT_S = 2.0
_TRIES, _TRY_S = 5, 0.1
_FRESH_S = 30.0
"""A driver that has not said for so long that it is alive is dead, or its machine is."""


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run is, as its driver wrote it last.

    Attributes:
        host, pid: of the driver.
        phase: what it does, or how it ended. A driver that died says what it did then.
        started, heartbeat: seconds since 1970, of this driver.
        tiles, tiles_done, tiles_failed: of the run.
        windows, windows_done: of the run; a window is what is read and encoded at a time.
        windows_before: done before this driver began.
        requests, bytes_read, retries: of all processes of this driver, see `ReadCounts`.
        executor: how windows are done.
        message: the error that it ended with.
    """

    host: str
    pid: int
    phase: Phase
    started: float
    heartbeat: float
    tiles: int = 0
    tiles_done: int = 0
    tiles_failed: int = 0
    windows: int = 0
    windows_done: int = 0
    windows_before: int = 0
    requests: int = 0
    bytes_read: int = 0
    retries: int = 0
    executor: str = ""
    message: str = ""

    @property
    def rate(self) -> float:
        """Windows a second of this driver."""
        seconds = self.heartbeat - self.started
        return (self.windows_done - self.windows_before) / seconds if seconds > 0 else 0.0

    @property
    def reading(self) -> ReadCounts:
        """What was read over a network."""
        return ReadCounts(self.requests, self.bytes_read, self.retries)

    @property
    def seconds_left(self) -> float | None:
        """Until all windows are done, at the rate so far; None where nothing is known of it."""
        rate = self.rate
        return None if rate <= 0 else (self.windows - self.windows_done) / rate


class Driver:
    """Says while it lives that a run is being done, and how far it is."""

    def __init__(self, folder: RunFolder, executor: str) -> None:
        now = time.time()
        self._folder = folder
        self._state = RunState(socket.gethostname(), os.getpid(), "encoding", now, now, executor=executor)
        self._changes = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    @property
    def state(self) -> RunState:
        """As it is now."""
        return self._state

    def tell(self, **changes: object) -> None:
        """Change the state; it is written with the next heartbeat."""
        with self._changes:
            self._state = replace(self._state, **changes)  # type: ignore[arg-type]

    def start(self) -> None:
        """Write the state at once, and go on every few seconds."""
        self._write()
        self._thread.start()

    def end(self) -> None:
        """Write the state for the last time."""
        self._over.set()
        self._thread.join()
        self._write()

    def _beat(self) -> None:
        while not self._over.wait(_BEAT_S):
            self._write()

    def _write(self) -> None:
        self.tell(heartbeat=time.time())
        # What a disk refuses is said by what must be written: a heartbeat need not be.
        with suppress(OSError, EmbedstoreError):
            write_whole(self._folder.path / "state.json", asdict(self._state))


def read_state(folder: RunFolder) -> RunState | None:
    """The state as it was written last; None where no driver ever began, or the file is broken."""
    try:
        return RunState(**json.loads((folder.path / "state.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def driving(folder: RunFolder, executor: str) -> Iterator[Driver]:
    """Be the one driver of a run.

    Raises:
        RunError: another process, or another machine, drives it.
    """
    with _held(folder.path / "driver.lock", folder):
        state = read_state(folder)
        # A lock may not reach from one machine to another.
        if state is not None and state.host != socket.gethostname() and is_driven(folder, state):
            raise _busy(folder)
        driver = Driver(folder, executor)
        driver.start()
        try:
            yield driver
        except CancelledRunError as error:
            driver.tell(phase="cancelled", message=str(error))
            raise
        except BaseException as error:
            driver.tell(phase="stopped", message=str(error) or type(error).__name__)
            raise
        finally:
            driver.end()


@contextmanager
def _held(path: Path, folder: RunFolder) -> Iterator[None]:
    """The lock, which the system lets go of when its holder ends, however it ends."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        if not any(_taken(handle) for _ in range(_TRIES)):
            raise _busy(folder)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    """Whether the lock was to be had; who only looks at it holds it for a moment."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_TRY_S)
        return False
    return True


def is_driven(folder: RunFolder, state: RunState) -> bool:
    """Whether a driver is alive: on this machine its lock says so, of another one its heartbeat."""
    if state.host != socket.gethostname():
        return state.phase in _AT_WORK and time.time() - state.heartbeat < _FRESH_S
    try:
        handle = os.open(folder.path / "driver.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _busy(folder: RunFolder) -> RunError:
    state = read_state(folder)
    who = "another process" if state is None else f"process {state.pid} on {state.host}"
    return RunError(
        f"Expected nobody at work on run {folder.key}; got {who}, which is. "
        "Wait for it (surco run status), or stop it first (surco run cancel)."
    )
