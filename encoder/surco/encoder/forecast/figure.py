"""Forecasts as a picture: some places as seen, forecast and seen later, and the errors beside the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from surco.encoder.forecast.errors import ForecastError
from surco.encoder.forecast.head import COVERAGE
from surco.encoder.forecast.predict import Forecasts
from surco.encoder.forecast.questions import BEFORE
from surco.encoder.forecast.scores import HEAD, Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PICTURES", "draw_forecasts"]

PICTURES = (".png", ".svg")
_PLACES = 5


def draw_forecasts(
    forecasts: Forecasts, path: Path, *, names: Sequence[str], scores: Sequence[Score] = (), title: str = ""
) -> None:
    """Draw five places (of low to high NDVI in the next month), and scores where there are any.

    Args:
        forecasts: of at least one place.
        path: PNG or SVG file; it appears whole or not at all.
        names: of the places, by `Questions.row`.
        scores: from `score_samples`.
        title: of the picture.

    Raises:
        ForecastError: a file of another kind.
    """
    if path.suffix not in PICTURES:
        raise ForecastError(f"Expected a picture as {' or '.join(PICTURES)}, got {path}. Name it so.")
    from matplotlib.figure import Figure  # takes a second to import, and only pictures need it

    next_month = np.flatnonzero(forecasts.questions.lead == 1)
    ranked = next_month[np.argsort(forecasts.ndvi[next_month], kind="stable")]
    shares = np.linspace(0.1, 0.9, _PLACES)
    chosen = ranked[np.unique((shares * (len(ranked) - 1)).astype(int))]
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    for panel, question in zip(panels, chosen, strict=False):
        _draw_place(panel, forecasts, int(question))
        panel.set_title(names[int(forecasts.questions.row[question])], fontsize=9)
    for panel in panels[len(chosen) : _PLACES]:
        panel.set_axis_off()
    _draw_scores(panels[-1], scores)
    panels[0].legend(fontsize=7, loc="best")
    figure.suptitle(title, fontsize=10)
    draft = path.with_name(f".{path.stem}.part{path.suffix}")
    figure.savefig(draft, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    draft.replace(path)


def _draw_place(panel: Axes, forecasts: Forecasts, question: int) -> None:
    """One place: months relative to that of the as_of day."""
    own = forecasts.questions.row == forecasts.questions.row[question]
    start = forecasts.questions.month[question] - np.timedelta64(1, "M")
    offset = (forecasts.questions.month[own] - start).astype(np.int64)
    seen = forecasts.questions.around[question, :BEFORE]
    panel.plot(np.arange(1 - BEFORE, 1), seen, "o-", color="0.35", markersize=3, linewidth=1, label="seen")
    middle, low, high = forecasts.ndvi[own], forecasts.low[own], forecasts.high[own]
    spans = np.stack([middle - low, high - middle])
    panel.errorbar(
        offset, middle, yerr=spans, fmt="s", color="tab:green", markersize=4, capsize=2,
        label=f"forecast or filled, {COVERAGE:.0%}",
    )  # fmt: skip
    panel.plot(
        offset, forecasts.anchor[own], "_", color="tab:orange", markersize=9, label="last value / linear"
    )
    panel.plot(offset, forecasts.observed[own], "o", markerfacecolor="none", color="k", label="seen later")
    panel.axvline(0.5, color="0.8", linewidth=1)
    ticks: npt.NDArray[np.int64] = np.arange(1 - BEFORE, 4, 3)
    panel.set_xticks(ticks, [str(start + np.timedelta64(int(k), "M")) for k in ticks], fontsize=7)
    panel.set_ylim(-0.2, 1.0)
    panel.set_ylabel("NDVI", fontsize=8)


def _draw_scores(panel: Axes, scores: Sequence[Score]) -> None:
    """Mean absolute error by lead of each method."""
    if not scores:
        panel.set_axis_off()
        return
    for method in dict.fromkeys(s.method for s in scores):
        own = [s for s in scores if s.method == method]
        head = method == HEAD
        panel.plot(
            [s.lead for s in own], [s.mae for s in own], "s-" if head else "o--", linewidth=2 if head else 1,
            markersize=4, color="k" if head else None, label=method,
        )  # fmt: skip
    panel.set_xticks(sorted({s.lead for s in scores}))
    panel.set_xlabel("months ahead (0: gap)", fontsize=8)
    panel.set_ylabel("mean absolute error", fontsize=8)
    panel.set_ylim(0)
    panel.legend(fontsize=6, loc="lower left")
