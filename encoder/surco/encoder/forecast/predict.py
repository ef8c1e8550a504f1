"""From what was seen until a day to the NDVI of the months after it, and of the months before it that nobody saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from surco.encoder.forecast.errors import ForecastError
from surco.encoder.forecast.head import ForecastHead
from surco.encoder.forecast.monthly import MonthlyNdvi, Months, Series, monthly_ndvi, seen_until
from surco.encoder.forecast.questions import BEFORE, LEADS, Ints, Questions, anchor_of, ask
from surco.encoder.protocol import Bools, Dates, Encoder, Floats
from surco.encoder.samples import SampleSeries

__all__ = ["Forecasts", "encode_cut", "forecast_places", "forecast_samples", "south_of"]

_STALE = np.timedelta64(3, "M")
_BLOCK = 8192
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """K monthly values, by place and then month.

    `questions` (K) hold place, month and lead, and what was seen around; `ndvi`, `low`, `high` (K,) the answers and
    their 80 % interval; `observed` (K,) the NDVI that was seen later, NaN where it is not known; `unseen` counts places
    without an answer, because no NDVI was seen in the three months up to that of the as_of day.
    """

    questions: Questions
    ndvi: Floats
    low: Floats
    high: Floats
    observed: Floats
    unseen: int

    @property
    def anchor(self) -> Floats:
        """The plain answer: the last value for a forecast, linear interpolation for a gap, (K,)."""
        return anchor_of(self.questions.around).value


def forecast_samples(
    series: SampleSeries,
    as_of: date,
    encoder: Encoder,
    head: ForecastHead,
    *,
    months: int = len(LEADS),
    progress: Progress | None = None,
) -> Forecasts:
    """Forecast the rows of a sample table from what was seen of them by the day `as_of`, that day included.

    Args:
        series: the table; what lies after `as_of` serves as `observed` only.
        as_of: the day; within the table's dates, or at most three months after them.
        encoder: whose vectors the head was fitted on.
        head: see `head_files.find_head`.
        months: how many after that of `as_of`, 1 to 3.
        progress: called as `progress(done, total, text)`, in rows.

    Raises:
        ForecastError: vectors of another model, a day outside the table's dates, no NDVI by that day.
    """
    head.check(encoder.model_id)
    day = np.datetime64(as_of, "D")
    truth = monthly_ndvi(series.values, series.valid, series.dates)
    _check_day(day, series, truth)
    days = np.full(len(series.dates), day)
    valid = seen_until(series.valid, series.dates, days)
    history = monthly_ndvi(series.values, valid, series.dates)
    month = days.astype("datetime64[M]")
    fresh = _fresh(history, month)
    if not fresh.any():
        raise ForecastError(
            f"Expected NDVI (red and nir, or ndvi) in the three months up to {as_of}, got none in any row. "
            "Give a later day, or a table with these channels."
        )
    vectors = np.full((len(fresh), encoder.dimension), np.nan, np.float32)
    vectors[fresh] = encode_cut(encoder, series, np.flatnonzero(fresh), valid[fresh], progress)
    return forecast_places(history, vectors, south_of(series.lonlat[:, 1]), month, head, truth, months=months)


def forecast_places(
    history: MonthlyNdvi,
    vectors: Floats,
    south: Bools,
    month: Months,
    head: ForecastHead,
    truth: MonthlyNdvi,
    *,
    months: int = len(LEADS),
) -> Forecasts:
    """Forecast places from their monthly NDVI and vectors, both of what was seen by a day and nothing later.

    Args:
        history: of N places.
        vectors: (N, D); NaN where a place has none that may be used.
        south: (N,) whether the place lies in the southern hemisphere.
        month: (N,) that of the as_of day.
        head: fitted on vectors of the same model; the caller has checked it.
        truth: NDVI as known today, for `Forecasts.observed`.
        months: how many after `month`, 1 to 3.

    Raises:
        ForecastError: `months` out of range, or vectors of another length.
    """
    if months not in LEADS:
        raise ForecastError(f"Expected 1 to {LEADS[-1]} months to forecast, got {months}. Ask for fewer.")
    rows, wanted = _wanted(history, month, months)
    questions = ask(history, vectors, south, month, wanted, rows)
    answers = head.answer(questions)
    observed = truth.take(rows).at(wanted)
    unseen = int((~_fresh(history, month)).sum())
    return Forecasts(questions, answers.ndvi, answers.low, answers.high, observed, unseen)


def encode_cut(
    encoder: Encoder, series: Series, rows: Ints, valid: Bools, progress: Progress | None = None
) -> Floats:
    """Vectors (n, D) of n rows of a table, with another `valid` (n, T, 14) than its own."""
    out = np.empty((len(rows), encoder.dimension), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        own = rows[block]
        values = np.where(valid[block], series.values[own], np.float32(0))
        out[block] = encoder.encode(
            values, valid[block], series.dates[own], series.lonlat[own], series.static[own]
        )
        if progress:
            progress(min(start + _BLOCK, len(rows)), len(rows), "encoding")
    return out


def south_of(latitude: Floats) -> Bools:
    """Whether latitudes lie in the south; unknown (NaN) counts as north, as the encoder takes it."""
    return np.asarray(np.nan_to_num(latitude) < 0)


def _fresh(history: MonthlyNdvi, month: Months) -> Bools:
    last = history.last_seen()
    return np.asarray(~np.isnat(last) & (last > month - _STALE))


def _wanted(history: MonthlyNdvi, month: Months, months: int) -> tuple[Ints, Months]:
    """Places and months to answer: the months ahead, and those of the twelve before that nobody saw."""
    offset = np.arange(1 - BEFORE, months + 1)
    every = month[:, None] + offset.astype("timedelta64[M]")
    gap = (offset <= 0) & (every >= history.first[:, None]) & np.isnan(history.at(every))
    rows, column = np.nonzero(((offset > 0) | gap) & _fresh(history, month)[:, None])
    return rows, every[rows, column]


def _check_day(day: np.datetime64, series: SampleSeries, truth: MonthlyNdvi) -> None:
    if not np.isfinite(truth.values).any():
        raise ForecastError(
            "Expected NDVI in the table (red and nir, or ndvi), got no date with both. "
            "Give a table with these channels."
        )
    seen: Dates = series.dates[series.valid.any(axis=2)]
    if not seen.min() <= day <= (seen.max().astype("datetime64[M]") + _STALE).astype("datetime64[D]"):
        raise ForecastError(
            f"Expected an as_of day within the series ({seen.min()} to {seen.max()}) or in the three months after, "
            f"got {day}. Give another day, or later series."
        )
