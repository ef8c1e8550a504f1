"""The two sides of a comparison as people name them: a version, a season, or a season as of a day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from surco.embedstore.errors import SeasonError, StoreError
from surco.embedstore.history import versions
from surco.embedstore.season import Season
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo

__all__ = ["Side", "find_sides"]

_DAY = re.compile(r"(?P<season>[^@]+)@(?P<day>\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A store at a version, and the season that is meant; None means all of them."""

    store: Store
    season: str | None = None

    def tables(self) -> list[TableInfo]:
        """The tables meant."""
        return [info for info in self.store.tables() if self.season in (None, info.season)]

    def __str__(self) -> str:
        days = {info.as_of for info in self.tables() if info.as_of is not None}
        until = f" as of {min(days)}" if days and self.season is not None else ""
        season = "" if self.season is None else f"{self.season}{until}, "
        return f"{season}version {self.store.version}"


def find_sides(path: str | Path, earlier: str | None = None, later: str | None = None) -> tuple[Side, Side]:
    """The two sides that are to be compared.

    A side is written as a version (`7`), as a season in the latest version (`2023-24`), or as a season of the newest
    version that has it as of a day (`2024-25@2025-01-31`). Left out, `later` is the latest version, of `earlier`'s
    season where that names a day and of the store's latest season where it names none; `earlier` is the version before
    `later`.

    Args:
        path: of the store.
        earlier: the side from which.
        later: the side to which.

    Raises:
        StoreError: no store, no such version, season or day, or two sides of which only one names a season.
        SeasonError: what is none of the three.
    """
    newest = Store.open(path)
    second = None if later is None else _side(newest, later)
    first = None if earlier is None else _side(newest, earlier)
    if second is None:
        second = _latest(newest, earlier, first)
    if first is None:
        first = Side(_before(newest, second.store.version), second.season)
    if (first.season is None) != (second.season is None):
        raise StoreError(
            "two versions, or two seasons",
            f"{earlier} and {later}",
            "Name both sides the same way: 3 and 5, or 2023-24 and 2024-25, or 2024-25@2025-01-31 and 2024-25.",
        )
    return first, second


def _side(newest: Store, text: str) -> Side:
    day = _DAY.fullmatch(text)
    if day is not None:
        season = Season.parse(day["season"], newest.start_month).name
        return Side(_as_of(newest, season, _read_day(day["day"])), season)
    if text.isdecimal() and not _is_season(newest, text):
        return Side(Store.open(newest.path, int(text)))
    season = Season.parse(text, newest.start_month).name
    if season not in newest.seasons():
        raise StoreError(
            f"one of the seasons {newest.seasons()} of {newest.path}", repr(text), "Name one of them."
        )
    return Side(newest, season)


def _is_season(newest: Store, text: str) -> bool:
    """Seasons from January are named by their year, which is a version in no store that people made."""
    return newest.start_month == 1 and text in newest.seasons()


def _read_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SeasonError("a day such as 2025-01-31", repr(text), "Correct it.") from error


def _as_of(newest: Store, season: str, day: date) -> Store:
    known = set()
    for store in _backwards(newest):
        days = {_last_day(store, info) for info in store.tables() if info.season == season}
        if day in days:
            return store
        known |= days
    raise StoreError(
        f"a day until which season {season} was seen in a version that is kept: {sorted(map(str, known))}",
        f"{day}",
        "Name one of them; `surco store log` lists the versions.",
    )


def _last_day(store: Store, info: TableInfo) -> date:
    return info.as_of or Season(int(info.season[:4]), store.start_month).end


def _backwards(newest: Store) -> Iterator[Store]:
    yield from (
        Store.open(newest.path, each.version) for each in versions(newest.path) if each.rows is not None
    )


def _latest(newest: Store, earlier: str | None, first: Side | None) -> Side:
    if first is None or first.season is None:
        return Side(newest)
    if earlier is not None and "@" in earlier:
        return Side(newest, first.season)
    return Side(newest, newest.seasons()[-1])


def _before(newest: Store, version: int) -> Store:
    for store in _backwards(newest):
        if store.version < version:
            return store
    raise StoreError(
        f"a version before {version} of {newest.path}", "none that is kept", "Name the side to compare from."
    )
