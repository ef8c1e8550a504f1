"""Who may run a query now: so many at once, fewer of one caller, a short line behind them, and no more."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from surco.api.refusals import BusyError

__all__ = ["Slots"]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """One who stands in line: whose turn is told to the loop that waits."""

    subject: str
    loop: asyncio.AbstractEventLoop
    turn: asyncio.Future[None]


class Slots:
    """Places for queries. Several event loops may use it.

    Args:
        most: queries at once.
        line: callers who may wait.
        wait_s: seconds after which a waiting caller is sent away.

    One caller has at most all places but one (a single place is anyone's), and at most half of the line: whoever asks
    first cannot keep all others out.
    """

    def __init__(self, most: int, line: int, wait_s: float) -> None:
        self._most = most
        self._most_each = max(1, most - 1)
        self._line = line
        self._line_each = max(1, line // 2)
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._waiting: deque[_Waiting] = deque()

    @asynccontextmanager
    async def taken(self, subject: str) -> AsyncIterator[None]:
        """A place, given back at the end.

        Raises:
            BusyError: the line is full, or did not move in time.
        """
        await self._take(subject)
        try:
            yield
        finally:
            self._give_back(subject)

    async def _take(self, subject: str) -> None:
        with self._lock:
            if self._free(subject):
                self._running[subject] += 1
                return
            mine = sum(each.subject == subject for each in self._waiting)
            if len(self._waiting) >= self._line or mine >= self._line_each:
                raise BusyError(
                    f"Expected a free place for a query, got {self._running.total()} running and "
                    f"{len(self._waiting)} waiting. Ask again in a few seconds."
                )
            loop = asyncio.get_running_loop()
            me = _Waiting(subject, loop, loop.create_future())
            self._waiting.append(me)
        try:
            await asyncio.wait_for(asyncio.shield(me.turn), self._wait_s)
        except (TimeoutError, asyncio.CancelledError) as error:
            self._leave(me)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise BusyError(
                f"Expected a free place for a query within {self._wait_s:g} s, got none. Ask again in a few seconds."
            ) from error

    def _free(self, subject: str) -> bool:
        return self._running.total() < self._most and self._running[subject] < self._most_each

    def _leave(self, me: _Waiting) -> None:
        """Stand in line no more; where the turn came at that moment, pass it on."""
        with self._lock:
            if me in self._waiting:
                self._waiting.remove(me)
                return
        self._give_back(me.subject)

    def _give_back(self, subject: str) -> None:
        with self._lock:
            self._running[subject] -= 1
            if not self._running[subject]:
                del self._running[subject]
            for each in list(self._waiting):
                if self._free(each.subject):
                    self._waiting.remove(each)
                    self._running[each.subject] += 1
                    each.loop.call_soon_threadsafe(_tell, each.turn)


def _tell(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
