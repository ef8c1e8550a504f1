"""Quotas that outlast a process: what a caller has used in the present window of time."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from surco.api.refusals import QuotaError
from surco.api.state.database import Database
from surco.api.state.tables import USAGE
from surco.api.web.callers import Caller
from surco.embedstore import Sentence

__all__ = ["check", "spend", "used"]

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def used(database: Database, caller: Caller, what: str, per_s: int = 3600) -> float:
    """What the caller has used of `what` in the present window of `per_s` seconds."""
    query = select(func.coalesce(func.sum(USAGE.c.amount), 0.0)).where(
        USAGE.c.subject == caller.subject, USAGE.c.what == what, USAGE.c.window == _window(per_s)
    )
    with database.reading() as connection:
        return float(connection.execute(query).scalar_one())


def check(database: Database, caller: Caller, what: str, limit: float, per_s: int = 3600) -> None:
    """Refuse a caller who has used up the window.

    Raises:
        QuotaError: with the seconds until the next window.
    """
    if used(database, caller, what, per_s) >= limit:
        raise _used_up(what, limit, per_s)


def spend(
    database: Database, caller: Caller, what: str, amount: float, limit: float, per_s: int = 3600
) -> None:
    """Add `amount` to what the caller has used; nothing is added where it would pass the limit.

    Raises:
        QuotaError: the window has not as much left.
    """
    window = _window(per_s)
    row = {"subject": caller.subject, "what": what, "window": window, "amount": amount}
    with database.writing() as connection:
        statement = _INSERT[database.kind](USAGE).values(row)
        total = connection.execute(
            statement.on_conflict_do_update(
                index_elements=["subject", "what", "window"],
                set_={"amount": USAGE.c.amount + statement.excluded.amount},
            ).returning(USAGE.c.amount)
        ).scalar_one()
        if total > limit:
            raise _used_up(what, limit, per_s)
        connection.execute(delete(USAGE).where(USAGE.c.what == what, USAGE.c.window < window))


def _window(per_s: int) -> int:
    """The window's start, seconds since 1970."""
    return int(time.time()) // per_s * per_s


def _used_up(what: str, limit: float, per_s: int) -> QuotaError:
    wait = _window(per_s) + per_s - int(time.time())
    words = what.replace("_", " ")
    return QuotaError(
        Sentence(
            f"Expected at most {limit:,g} {words} in {per_s / 60:g} minutes, and that is used up. "
            f"Ask again in {wait} s, or ask who runs this server for more.",
            "quota",
            wait=max(1, wait),
        ),
        max(1, wait),
    )
