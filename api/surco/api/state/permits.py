"""How often a caller may ask, over all processes of a database: permits of a moving minute, taken in handfuls.

A process takes a sixteenth of what is left of a caller's minute and gives it out without asking again. So the limit
holds for all processes together, most requests ask nobody, and what one process holds and does not give out is little
where little is left.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from surco.api.state.database import Database
from surco.api.state.tables import RATES

__all__ = ["Permits", "Ticket"]

_WINDOW_S = 60
_SHARE = 16
_REMEMBERED = 65_536
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whether a request may go on, how many more may, and in how many seconds the next one may where none may now."""

    granted: bool
    remaining: int
    wait_s: int


@dataclass(slots=True)
class _Handful:
    """Permits of one caller that this process may give out until the window ends.

    `others` are left for all processes beyond these; nothing is asked before `asked_again_at` where none are left.
    """

    window: int
    left: int
    others: int
    asked_again_at: float = 0.0


class Permits:
    """Counts one kind of request; of any number of threads.

    The minute moves as the sliding window counter does: the count of the last whole minute fades while this one runs.

    Args:
        database: what all processes share. Where it cannot be reached, this process counts alone until it can.
        what: the kind, as a name.
        limit: requests of one caller a minute, in all processes together.
        clock: seconds since 1970.
    """

    def __init__(
        self, database: Database, what: str, limit: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._what = what
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._handfuls: OrderedDict[str, _Handful] = OrderedDict()
        self._swept = 0

    def held(self, subject: str) -> Ticket | None:
        """A ticket out of what this process holds; None where the database has to be asked (`fetched`)."""
        now = self._clock()
        with self._lock:
            handful = self._handfuls.get(subject)
            if handful is None or handful.window != _window(now):
                return None
            self._handfuls.move_to_end(subject)
            if handful.left:
                handful.left -= 1
                return Ticket(True, handful.left + handful.others, _rest(now))
            if now < handful.asked_again_at:
                return Ticket(False, 0, math.ceil(handful.asked_again_at - now))
            return None

    def fetched(self, subject: str) -> Ticket:
        """A ticket out of a new handful; asks the database, for a millisecond or two."""
        now = self._clock()
        try:
            with self._database.counting() as connection:
                handful = self._taken(connection, subject, now)
        except DBAPIError as error:
            words = str(error.orig).strip().splitlines()[0]
            logging.getLogger("surco.api").warning("requests are counted by this process alone: %s", words)
            handful = _Handful(_window(now), self._limit, 0, _window(now) + _WINDOW_S)
        with self._lock:
            handful.left -= 1
            # Of two threads that took one at the same time, neither loses the rest of it.
            if (before := self._handfuls.get(subject)) is not None and before.window == handful.window:
                handful.left += before.left
            granted = handful.left >= 0
            handful.left = max(0, handful.left)
            self._handfuls[subject] = handful
            self._handfuls.move_to_end(subject)
            while len(self._handfuls) > _REMEMBERED:
                self._handfuls.popitem(last=False)
        wait = max(1, math.ceil(handful.asked_again_at - now)) if not granted else _rest(now)
        return Ticket(granted, handful.left + handful.others, wait)

    def _taken(self, connection: Connection, subject: str, now: float) -> _Handful:
        window = _window(now)
        self._sweep(connection, window)
        row = {"subject": subject, "what": self._what, "window": window, "amount": 0}
        statement = _INSERT[connection.dialect.name](RATES).values(row)
        # Adding nothing holds the row until the end of the transaction, so that no other process takes the same.
        spent = connection.execute(
            statement.on_conflict_do_update(
                index_elements=["subject", "what", "window"], set_={"amount": RATES.c.amount}
            ).returning(RATES.c.amount)
        ).scalar_one()
        before = self._of(connection, subject, window - _WINDOW_S)
        room = _room(self._limit, before, spent, now)
        if room <= 0:
            return _Handful(window, 0, 0, now + _until_free(self._limit, before, spent, now))
        taken = max(1, room // _SHARE)
        connection.execute(
            RATES.update()
            .where(RATES.c.subject == subject, RATES.c.what == self._what, RATES.c.window == window)
            .values(amount=spent + taken)
        )
        return _Handful(window, taken, room - taken)

    def _of(self, connection: Connection, subject: str, window: int) -> int:
        query = select(func.coalesce(func.sum(RATES.c.amount), 0)).where(
            RATES.c.subject == subject, RATES.c.what == self._what, RATES.c.window == window
        )
        return int(connection.execute(query).scalar_one())

    def _sweep(self, connection: Connection, window: int) -> None:
        """Remove what no longer counts, once a minute."""
        if self._swept == window:
            return
        self._swept = window
        connection.execute(
            delete(RATES).where(RATES.c.what == self._what, RATES.c.window < window - _WINDOW_S)
        )


def _window(now: float) -> int:
    """The window's start, seconds since 1970."""
    return int(now) // _WINDOW_S * _WINDOW_S


def _rest(now: float) -> int:
    """Whole seconds until the next window."""
    return max(1, math.ceil(_window(now) + _WINDOW_S - now))


def _room(limit: int, before: int, spent: int, now: float) -> int:
    """Permits left now."""
    share = (now - _window(now)) / _WINDOW_S
    return math.floor(limit - before * (1 - share) - spent)


def _until_free(limit: int, before: int, spent: int, now: float) -> float:
    """Seconds until one permit is left, if nobody takes any."""
    share = (now - _window(now)) / _WINDOW_S
    if spent + 1 <= limit:
        return _WINDOW_S * max(0.0, 1 - (limit - 1 - spent) / before - share)
    return _WINDOW_S * (1 - share + max(0.0, 1 - (limit - 1) / spent))
