"""Reading the next windows while the present one is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["read_ahead"]

K = TypeVar("K")
T = TypeVar("T")


def read_ahead(keys: Iterable[K], read: Callable[[K], T], depth: int = 2) -> Generator[tuple[K, T]]:
    """Read for each key, in order, `depth` of them ahead of the one that is being worked on.

    No more than `depth` results wait at a time. A failure is raised where its key's turn comes, and ends the reading;
    so does closing the iterator.

    Args:
        keys: such as windows.
        read: makes the result of one, such as its composite; called in `depth` threads.
        depth: at least 1.
    """
    pool = ThreadPoolExecutor(depth, "surco-ahead")
    waiting: deque[tuple[K, Future[T]]] = deque()
    try:
        for key in keys:
            waiting.append((key, pool.submit(read, key)))
            if len(waiting) > depth:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _first(waiting: deque[tuple[K, Future[T]]]) -> tuple[K, T]:
    key, future = waiting.popleft()
    return key, future.result()
