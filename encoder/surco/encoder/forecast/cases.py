"""Questions with their truth: series cut at many days, and months hidden from them, for fitting and scoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from surco.encoder.channels import OPTICAL
from surco.encoder.forecast.monthly import MonthlyNdvi, Months, Series, monthly_ndvi, seen_until
from surco.encoder.forecast.predict import encode_cut, south_of
from surco.encoder.forecast.questions import LEADS, Ints, Questions, anchor_of, ask
from surco.encoder.protocol import Bools, Dates, Encoder, Floats

__all__ = ["Cases", "draw_cases"]

_GAPS = 2
"""Gaps asked for on each day of each row that has any."""
_FIRST_MONTH = 2
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Cases:
    """K questions and the NDVI (K,) that was seen there."""

    questions: Questions
    truth: Floats

    def __len__(self) -> int:
        return len(self.truth)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Several sets one after another."""
        return cls(Questions.join([p.questions for p in parts]), np.concatenate([p.truth for p in parts]))


@dataclass(frozen=True, slots=True)
class _Cut:
    """Rows (n,) of a table as seen on one day of this `month` (n,): `valid` (n, T, 14), `hidden` months (n, M)."""

    rows: Ints
    valid: Bools
    hidden: Bools
    month: Months


def draw_cases(
    series: Series,
    encoder: Encoder,
    *,
    seed: int,
    hide: Sequence[float],
    most: int = 700,
    progress: Progress | None = None,
) -> Cases:
    """Cut series at the end of each of their months from the third on, and in the middle of every other one.

    Args:
        series: N of them.
        encoder: of the vectors.
        seed: of every draw.
        hide: shares of the months of which a series loses all optical values, as under clouds; one is drawn for each
            row and day. What was hidden makes the gaps to fill.
        most: rows for each day; drawn where there are more.
        progress: called as `progress(done, total, text)`, in days.
    """
    rng = np.random.default_rng(seed)
    truth = monthly_ndvi(series.values, series.valid, series.dates)
    span = truth.values.shape[1]
    days = [(k, middle) for k in range(_FIRST_MONTH, span - 1) for middle in (False, True)[: 1 + k % 2]]
    found = []
    for done, (k, middle) in enumerate(days):
        rows = np.sort(rng.permutation(len(series.values))[:most])
        cut = _cut(
            series, truth, rows, k, middle, rng.random((len(rows), span)) < rng.choice(hide, (len(rows), 1))
        )
        found.append(_cases(series, truth, cut, encoder, rng))
        if progress:
            progress(done + 1, len(days), "cutting series")
    return Cases.join(found)


def _cut(series: Series, truth: MonthlyNdvi, rows: Ints, k: int, middle: bool, hidden: Bools) -> _Cut:
    """Rows as seen at the end of their k-th month, or in its middle, without the optical values of hidden months."""
    month = truth.first[rows] + np.timedelta64(k, "M")
    start = month if middle else month + np.timedelta64(1, "M")
    day: Dates = np.asarray(start.astype("datetime64[D]") + np.timedelta64(14 if middle else -1, "D"))
    valid = seen_until(series.valid[rows], series.dates[rows], day)
    column = (series.dates[rows].astype("datetime64[M]") - truth.first[rows, None]).astype(np.int64)
    clouded = np.take_along_axis(hidden, column, axis=1)
    valid[..., list(OPTICAL)] &= ~clouded[..., None]
    return _Cut(rows, valid, hidden & (np.arange(hidden.shape[1]) <= k), month)


def _cases(
    series: Series, truth: MonthlyNdvi, cut: _Cut, encoder: Encoder, rng: np.random.Generator
) -> Cases:
    """The months ahead and some gaps of a cut, where NDVI was seen before and is known."""
    values = np.where(cut.valid, series.values[cut.rows], np.float32(0))
    history = monthly_ndvi(values, cut.valid, series.dates[cut.rows])
    vectors = encode_cut(encoder, series, cut.rows, cut.valid)
    south = south_of(series.lonlat[cut.rows, 1])
    parts = []
    for rows, months in (*_ahead(cut), *_gaps(truth.first[cut.rows], cut, rng)):
        questions = ask(history, vectors, south, cut.month, months, rows)
        known = truth.take(cut.rows[rows]).at(months)
        kept = np.isfinite(known) & np.isfinite(anchor_of(questions.around).value)
        questions.row[:] = cut.rows[rows]
        parts.append(Cases(questions.take(kept), known[kept]))
    return Cases.join(parts)


def _ahead(cut: _Cut) -> list[tuple[Ints, Months]]:
    every = np.arange(len(cut.rows))
    return [(every.copy(), cut.month + np.timedelta64(lead, "M")) for lead in LEADS]


def _gaps(first: Months, cut: _Cut, rng: np.random.Generator) -> list[tuple[Ints, Months]]:
    """Hidden months of each row that has any, as many as `_GAPS`, none twice."""
    order = np.argsort(np.where(cut.hidden, rng.random(cut.hidden.shape), 2.0), axis=1)
    count = cut.hidden.sum(axis=1)
    found = []
    for gap in range(min(_GAPS, order.shape[1])):
        rows = np.flatnonzero(count > gap)
        found.append((rows, first[rows] + order[rows, gap].astype("timedelta64[M]")))
    return found
