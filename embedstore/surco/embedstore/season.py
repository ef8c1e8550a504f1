"""The agricultural year: twelve months from the store's start month, perhaps not yet over."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import total_ordering
from typing import Self

from surco.embedstore.errors import SeasonError

__all__ = ["Season"]

_NAME = re.compile(r"(\d{4})(?:[-/](\d{2}|\d{4}))?")
_DAY_OR_MONTH = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?")
_FIRST_YEAR, _LAST_YEAR = 1900, 2199


@total_ordering
@dataclass(frozen=True, slots=True)
class Season:
    """Twelve months from the first of `start_month` in `year`.

    In Chile, and with the default start month, `2024-25` is 1 May 2024 to 30 April 2025, so that a southern summer
    is never cut in two; a northern country may start in November or January. Seasons are ordered by their first
    day, then by how far they have been seen.

    Attributes:
        year: calendar year of the first day, 1900 to 2199.
        start_month: 1 to 12; a property of the store.
        as_of: last day that was seen of a season still growing; None (also where the season's last day is given)
            for a whole season.

    Raises:
        SeasonError: a year or month out of range, or an `as_of` outside the season.
    """

    year: int
    start_month: int = 5
    as_of: date | None = None

    def __post_init__(self) -> None:
        if not _FIRST_YEAR <= self.year <= _LAST_YEAR:
            raise SeasonError(
                f"a season's year from {_FIRST_YEAR} to {_LAST_YEAR}",
                f"{self.year}",
                "Write the four-digit year in which the season starts.",
            )
        if not 1 <= self.start_month <= 12:
            raise SeasonError(
                "a start month from 1 to 12", f"{self.start_month}", "Chile's season starts in month 5."
            )
        if self.as_of is not None and not self.start <= self.as_of <= self.end:
            raise SeasonError(
                f"an as_of date within season {self.name} ({self.start} to {self.end})",
                f"{self.as_of}",
                "Give a date in the season, or leave as_of out for a whole season.",
            )
        if self.as_of == self.end:
            object.__setattr__(self, "as_of", None)

    @property
    def start(self) -> date:
        """First day."""
        return date(self.year, self.start_month, 1)

    @property
    def end(self) -> date:
        """Last day of the twelve months."""
        return date(self.year + 1, self.start_month, 1) - timedelta(days=1)

    @property
    def last_day(self) -> date:
        """Last day that can have been seen: `as_of`, or `end` for a whole season."""
        return self.as_of or self.end

    @property
    def name(self) -> str:
        """`2024-25`, or `2019` where the season is the calendar year."""
        return str(self.year) if self.start_month == 1 else f"{self.year}-{(self.year + 1) % 100:02d}"

    def months(self) -> tuple[tuple[date, date], ...]:
        """The twelve months in order, each as its first and last day."""
        places = (self.start_month - 1 + i for i in range(12))
        return tuple(_month(self.year + place // 12, place % 12 + 1) for place in places)

    def __str__(self) -> str:
        return self.name if self.as_of is None else f"{self.name} as of {self.as_of}"

    def __lt__(self, other: Season) -> bool:
        if not isinstance(other, Season):
            return NotImplemented
        return (self.start, self.last_day) < (other.start, other.last_day)

    @classmethod
    def parse(cls, text: str, start_month: int = 5) -> Self:
        """Read a season's name: `2024-25` or `2024-2025`; `2019` where the season starts in January.

        Raises:
            SeasonError: any other text, or years that do not follow each other.
        """
        match = _NAME.fullmatch(text.strip())
        example = "2024" if start_month == 1 else "2024-25"
        remedy = f"Write it as {example} (the store's seasons start in month {start_month})."
        if match is None or (match[2] is None) != (start_month == 1):
            raise SeasonError("a season's name", repr(text), remedy)
        year = int(match[1])
        if match[2] is not None and (year + 1) % 10 ** len(match[2]) != int(match[2]):
            raise SeasonError("two years that follow each other", repr(text), remedy)
        return cls(year, start_month)

    @classmethod
    def from_dates(cls, text: str) -> Self:
        """Read a season from its dates: `2018-11-01/2019-10-31` or `2018-11/2019-10`.

        An end before the twelve months are over becomes `as_of`.

        Raises:
            SeasonError: not two dates, a start that is not a month's first day, an end before the start or more
                than twelve months after it.
        """
        parts = text.strip().split("/")
        if len(parts) != 2:
            raise SeasonError(
                "two dates with a slash between",
                repr(text),
                "Write 2018-11-01/2019-10-31 or 2018-11/2019-10.",
            )
        first, _ = _read_day(parts[0], text)
        _, last = _read_day(parts[1], text)
        if first.day != 1:
            raise SeasonError(
                "a season that starts on the first day of a month",
                f"{first} in {text!r}",
                f"Start it on {first.replace(day=1)}.",
            )
        whole = cls(first.year, first.month)
        if not first <= last <= whole.end:
            raise SeasonError(
                f"an end from {first} to {whole.end} (a season is twelve months at most)",
                f"{last} in {text!r}",
                "Give an end within these days; an earlier one means a season still growing.",
            )
        return cls(first.year, first.month, last)


def _month(year: int, month: int) -> tuple[date, date]:
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def _read_day(part: str, text: str) -> tuple[date, date]:
    """First and last day meant by `2018-11` (the month) or `2018-11-05` (that day twice)."""
    match = _DAY_OR_MONTH.fullmatch(part)
    try:
        if match is not None and match[3] is None:
            return _month(int(match[1]), int(match[2]))
        day = date.fromisoformat(part)
    except ValueError as error:
        raise SeasonError(
            "a date as 2018-11-01 or a month as 2018-11", f"{part!r} in {text!r}", f"Correct it ({error})."
        ) from error
    return day, day
