"""A door for work that takes the whole machine: few at a time, few waiting, nobody for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from surco.api.refusals import BusyError

__all__ = ["Gate"]


class Gate:
    """Lets a number of threads in at a time; some more wait, all others are refused at once.

    Waiting ones hold a thread of the server's pool each, so that they must be few.

    Args:
        what: is done inside, for the message: "exact searches".
        places: how many at a time.
        waiting: how many may wait.
        patience_s: for how long.
    """

    def __init__(self, what: str, *, places: int = 1, waiting: int = 16, patience_s: float = 20.0) -> None:
        self._what = what
        self._places = places
        self._patience_s = patience_s
        self._room = threading.BoundedSemaphore(places + waiting)
        self._inside = threading.BoundedSemaphore(places)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Wait for a place and hold it inside the block.

        Raises:
            BusyError: too many wait already, or no place became free in time.
        """
        if not self._room.acquire(blocking=False):
            raise self._busy("more wait already than may")
        try:
            if not self._inside.acquire(timeout=self._patience_s):
                raise self._busy(f"none ended within {self._patience_s:g} s")
            try:
                yield
            finally:
                self._inside.release()
        finally:
            self._room.release()

    def _busy(self, why: str) -> BusyError:
        return BusyError(
            f"Expected room for one of {self._places} {self._what} at a time, but {why}. Ask again in some seconds."
        )
