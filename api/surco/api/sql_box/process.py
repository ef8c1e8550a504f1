"""One worker process as the server sees it: started with nothing, spoken to over a socket, killed when it must be."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from surco.api.sql_box import frames
from surco.api.sql_box.cage import Walls, memory_in_use, memory_reserved, store_parts

__all__ = ["GoneError", "WorkerProcess"]

_READ = 1 << 18
_ENVIRONMENT = {
    # Allocators that reserve much more than they are asked for would meet the limit on memory too early.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
}
"""All that a worker's environment holds: no secret of the server is in it, nor in anything that it inherits."""


class GoneError(Exception):
    """A worker that died while it was spoken to."""


class WorkerProcess:
    """A process of `surco.api.sql_box.worker`.

    The kernel kills it when the thread that made this object ends, so that must live as long as the server.

    Args:
        start: what it is for.
    """

    def __init__(self, start: frames.Start) -> None:
        self._store = Path(start.store)
        self._parts = store_parts(self._store)
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "surco.api.sql_box.worker", str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                close_fds=True,
                start_new_session=True,
            )
        frames.write_frame(ours, frames.START, msgspec.json.encode(start))
        ours.setblocking(False)
        self._socket = ours
        self._read = bytearray()
        self._killed = False
        self._memory = start.memory
        self.ready = False
        self.standing = self.standing_reserved = 0

    @property
    def pid(self) -> int:
        """Of the process."""
        number: int = self._process.pid
        return number

    @property
    def alive(self) -> bool:
        """Whether it has not ended, nor been told to."""
        return self._process.poll() is None and not self._killed

    @property
    def sees_all(self) -> bool:
        """Whether the store has the same folders as when it was caged; it could not read others."""
        return store_parts(self._store) == self._parts

    @property
    def memory(self) -> int:
        """Bytes that it holds beyond what it held when it was ready."""
        return max(0, memory_in_use(self.pid) - self.standing)

    @property
    def too_large(self) -> bool:
        """Whether it holds more than it may."""
        return self.memory > self._memory

    @property
    def worn(self) -> bool:
        """Whether so much of its memory is taken between queries that the next one had better get a fresh process."""
        reserved = max(0, memory_reserved(self.pid) - self.standing_reserved)
        # The kernel's limit is on what is reserved, and DuckDB's allocator does not give back what it once had.
        return self.memory > 0.85 * self._memory or reserved > 0.6 * self._memory

    def mark_ready(self, body: bytes) -> None:
        """Note that it has opened the store, and what memory that takes; say what the kernel does not protect."""
        walls = msgspec.json.decode(body, type=Walls)
        if not (walls.landlock and walls.system_calls):
            logging.getLogger("surco.api").warning("this machine cages SQL only in part: %s", walls)
        self.ready = True
        self.standing, self.standing_reserved = memory_in_use(self.pid), memory_reserved(self.pid)

    async def send(self, kind: bytes, body: bytes) -> None:
        """Send a frame; GoneError where the worker is dead."""
        whole = frames.HEADER.pack(kind, len(body)) + body
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, whole)
        except OSError as error:
            raise GoneError from error

    async def frame(self) -> tuple[bytes, bytes]:
        """The next frame; GoneError where the worker is dead or says what is no frame.

        Cancelled, it loses nothing of what was read.
        """
        await self._fill(frames.HEADER.size)
        kind, length = frames.HEADER.unpack_from(self._read)
        if length > frames.LARGEST:
            raise GoneError
        end = frames.HEADER.size + length
        await self._fill(end)
        body = bytes(self._read[frames.HEADER.size : end])
        del self._read[:end]
        return kind, body

    def cancel(self, number: int) -> None:
        """Ask it to stop a query; it answers as to any query, with a last frame."""
        body = str(number).encode()
        with suppress(OSError):
            self._socket.send(frames.HEADER.pack(frames.CANCEL, len(body)) + body)

    def kill(self) -> None:
        """End it now, whatever it does; whoever waits for its next frame is told that it is gone."""
        self._killed = True
        self._process.kill()

    def bury(self) -> None:
        """End it, and let go of what it left; nobody may be waiting for a frame of it."""
        self.kill()
        self._process.wait()
        self._socket.close()

    async def _fill(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        while len(self._read) < size:
            try:
                part = await loop.sock_recv(self._socket, _READ)
            except OSError as error:
                raise GoneError from error
            if not part:
                raise GoneError
            self._read += part
