"""Encoded tiles in memory, up to a number of bytes; each is drawn once, however many ask for it at the same time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from threading import Lock

__all__ = ["TileCache"]

_OVERHEAD = 400
"""Bytes that an entry takes beside its tile, about."""


class TileCache:
    """Keeps the tiles asked for last.

    Args:
        executor: draws what is not kept.
        most_bytes: of all tiles kept.
    """

    def __init__(self, executor: Executor, most_bytes: int) -> None:
        self._executor = executor
        self._most = most_bytes
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._drawing: dict[Hashable, Future[bytes]] = {}
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """Of the tiles kept now."""
        return self._bytes

    @property
    def waiting(self) -> int:
        """Tiles being drawn, and in line to be."""
        return len(self._drawing)

    def kept(self, key: Hashable) -> bytes | None:
        """A tile, where it is kept."""
        with self._lock:
            body = self._kept.get(key)
            if body is not None:
                self._kept.move_to_end(key)
            return body

    def get(self, key: Hashable, draw: Callable[[], bytes]) -> Future[bytes]:
        """A tile that will be there: drawn by `draw`, unless it is kept or somebody is waiting for the same one.

        A tile that could not be drawn is not kept; all who wait for it see its error.
        """
        with self._lock:
            body = self._kept.get(key)
            if body is not None:
                done: Future[bytes] = Future()
                done.set_result(body)
                return done
            if key not in self._drawing:
                self._drawing[key] = self._executor.submit(self._draw, key, draw)
            return self._drawing[key]

    def _draw(self, key: Hashable, draw: Callable[[], bytes]) -> bytes:
        try:
            body = draw()
        except BaseException:
            with self._lock:
                del self._drawing[key]
            raise
        with self._lock:
            del self._drawing[key]
            self._keep(key, body)
        return body

    def _keep(self, key: Hashable, body: bytes) -> None:
        if len(body) + _OVERHEAD > self._most:
            return
        self._kept[key] = body
        self._bytes += len(body) + _OVERHEAD
        while self._bytes > self._most:
            _, old = self._kept.popitem(last=False)
            self._bytes -= len(old) + _OVERHEAD
