"""How far forecasts are from what was seen later, beside the baselines on the same months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from surco.encoder.forecast.baselines import baselines_of, own_climatology
from surco.encoder.forecast.head import COVERAGE
from surco.encoder.forecast.monthly import monthly_ndvi
from surco.encoder.forecast.predict import Forecasts, south_of
from surco.encoder.forecast.questions import Ints
from surco.encoder.protocol import Floats
from surco.encoder.samples import SampleSeries

__all__ = ["HEAD", "Score", "describe_scores", "score", "score_samples"]

HEAD = "surco forecast"
"""The head's name among the methods."""


@dataclass(frozen=True, slots=True)
class Score:
    """One method at one lead: mean absolute and root mean square error over `n` months.

    `coverage` is the share of them inside the head's interval; None for the others.
    """

    method: str
    lead: int
    n: int
    mae: float
    rmse: float
    coverage: float | None = None


def score_samples(series: SampleSeries, forecasts: Forecasts, climatology: Floats) -> list[Score]:
    """Scores of forecasts of a sample table, and of all baselines, where the truth is known.

    Args:
        series: the whole table.
        forecasts: of it.
        climatology: (12,) the head's, of other places.
    """
    truth = monthly_ndvi(series.values, series.valid, series.dates)
    own = own_climatology(truth, south_of(series.lonlat[:, 1]), series.group)
    methods = {HEAD: forecasts.ndvi, **baselines_of(forecasts.questions, own, climatology)}
    inside = (forecasts.low <= forecasts.observed) & (forecasts.observed <= forecasts.high)
    return score(methods, forecasts.observed, forecasts.questions.lead, inside)


def score(methods: Mapping[str, Floats], truth: Floats, lead: Ints, inside: np.ndarray) -> list[Score]:
    """Scores by lead of each method's answers (K,) where the truth and every method's answer at that lead are known.

    `inside` (K,) tells whether the truth lies in the head's interval. A method that has no answer at a lead is left
    out there.
    """
    found = []
    for number in np.unique(lead):
        rows = (lead == number) & np.isfinite(truth)
        here = {name: answer for name, answer in methods.items() if np.isfinite(answer[rows]).any()}
        for answer in here.values():
            rows &= np.isfinite(answer)
        for name, answer in here.items():
            error = answer[rows] - truth[rows]
            covered = float(inside[rows].mean()) if name == HEAD and rows.any() else None
            if rows.any():
                mae, rmse = float(np.abs(error).mean()), float(np.sqrt((error**2).mean()))
                found.append(Score(name, int(number), int(rows.sum()), mae, rmse, covered))
    return found


def describe_scores(scores: Sequence[Score]) -> list[str]:
    """Lines for people: one a lead and method, the best mean absolute error of each lead marked with a star."""
    lines = []
    for lead in sorted({s.lead for s in scores}):
        here = [s for s in scores if s.lead == lead]
        best = min(s.mae for s in here)
        ahead = "gaps" if lead == 0 else f"{lead} month{'s' * (lead > 1)} ahead"
        lines.append(f"{ahead}, {here[0].n:,} months seen later:")
        for s in here:
            cover = "" if s.coverage is None else f"   in the {COVERAGE:.0%} interval {s.coverage:.0%}"
            lines.append(
                f"  {s.method:42} MAE {s.mae:.3f}{'*' * (s.mae == best):1}  RMSE {s.rmse:.3f}{cover}"
            )
    return lines
