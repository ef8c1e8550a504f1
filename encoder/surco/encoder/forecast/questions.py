"""What a forecast head is asked: the NDVI of one month, from what was seen of a place until a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from surco.encoder.forecast.monthly import MonthlyNdvi, Months
from surco.encoder.protocol import Bools, Floats

__all__ = ["AFTER", "BEFORE", "LEADS", "Anchor", "Questions", "anchor_of", "ask", "season_month"]

Ints = npt.NDArray[np.int64]

BEFORE, AFTER = 12, 6
"""Months before and after the month in question that are looked at."""
LEADS = (1, 2, 3)
"""Months ahead of the month of `as_of` that can be forecast; 0 is a gap of that month or one before it."""

_OFFSETS = np.r_[-BEFORE:0, 1 : AFTER + 1]
_FAR = 12


@dataclass(frozen=True, slots=True)
class Questions:
    """K questions about single months.

    `row` (K,) numbers the place; `month` (K,) is the month in question, `lead` (K,) how far it lies after the month of
    the as_of day (0: not after it); `around` (K, 18) the NDVI seen in the twelve months before it and the six after,
    NaN where unseen by then; `vector` (K, D) the place's vector as of that day, NaN where there is none that may be
    used; `south` (K,) whether spring comes in September.
    """

    row: Ints
    month: Months
    lead: Ints
    around: Floats
    vector: Floats
    south: Bools

    def __len__(self) -> int:
        return len(self.row)

    def take(self, rows: npt.NDArray[np.generic]) -> Self:
        """The questions of these numbers, or where this mask is True."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Several sets one after another."""
        return cls(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(cls)))


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a question stands between what was seen, each (K,).

    `before` and `after` are the nearest NDVI seen on either side, NaN where none; `since` and `until` the months to
    them, 12 where none; `value` is the straight line between the two, or the one there is: for a forecast the last
    value, for a gap linear interpolation.
    """

    value: Floats
    before: Floats
    after: Floats
    since: Ints
    until: Ints


def anchor_of(around: Floats) -> Anchor:
    """The anchor of each row of `Questions.around` (K, 18); NaN where nothing was seen."""
    before, since = _nearest(around[:, :BEFORE][:, ::-1])
    after, until = _nearest(around[:, BEFORE:])
    share = (since / (since + until)).astype(np.float32)
    between = before + share * (after - before)
    one = np.where(np.isfinite(before), before, after)
    value = np.where(np.isfinite(before) & np.isfinite(after), between, one)
    return Anchor(value, before, after, since, until)


def _nearest(outward: Floats) -> tuple[Floats, Ints]:
    """First finite value of each row and its distance from 1 on; NaN and 12 where there is none."""
    seen = np.isfinite(outward)
    first = seen.argmax(axis=1)
    some = seen.any(axis=1)
    value = np.where(some, outward[np.arange(len(outward)), first], np.float32(np.nan))
    return value, np.where(some, first + 1, _FAR)


def ask(
    history: MonthlyNdvi, vectors: Floats, south: Bools, as_of_month: Months, months: Months, rows: Ints
) -> Questions:
    """Questions about `months` (K,) of the places `rows` (K,).

    Args:
        history: NDVI of N places as seen by the as_of day, nothing later.
        vectors: (N, D), of what was seen by that day.
        south: (N,).
        as_of_month: (N,) month of the as_of day.
        months: month in question of each.
        rows: number of the place of each.
    """
    around = history.take(rows).at(months[:, None] + _OFFSETS.astype("timedelta64[M]"))
    lead = np.maximum((months - as_of_month[rows]).astype(np.int64), 0)
    return Questions(rows, months, lead, around, vectors[rows], south[rows])


def season_month(month: Months, south: Bools) -> Ints:
    """Month of the year from 0, turned by half a year in the south, so that April and October are one."""
    return np.asarray((month.astype("datetime64[M]").astype(np.int64) + 6 * south) % 12)
