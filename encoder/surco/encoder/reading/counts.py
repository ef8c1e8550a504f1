"""What reading cost: requests, bytes, and how often something had to be asked again."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields

__all__ = ["Counter", "ReadCounts"]


@dataclass(frozen=True, slots=True)
class ReadCounts:
    """Counts of a reader since it was made; the difference of two is what happened between.

    Attributes:
        requests: sent, with those that failed.
        bytes_read: that came over the network, with those that were thrown away.
        retries: requests sent again after a failure.
        renewals: signatures that were made anew after a server refused the old one.
        waited_s: seconds slept before asking again, over all threads.
    """

    requests: int = 0
    bytes_read: int = 0
    retries: int = 0
    renewals: int = 0
    waited_s: float = 0.0

    def __add__(self, other: ReadCounts) -> ReadCounts:
        return ReadCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: ReadCounts) -> ReadCounts:
        return ReadCounts(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    def __str__(self) -> str:
        again = f", {self.retries} asked again" if self.retries else ""
        return f"{self.bytes_read / 1e6:.1f} MB in {self.requests} requests{again}"


class Counter:
    """Counts that many threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = ReadCounts()

    def add(self, counts: ReadCounts) -> None:
        """Add what happened."""
        with self._lock:
            self._counts += counts

    @property
    def counts(self) -> ReadCounts:
        """What happened so far."""
        with self._lock:
            return self._counts
