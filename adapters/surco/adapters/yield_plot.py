"""A picture of held-out predictions: observed against predicted, with the intervals."""

from __future__ import annotations

import io

import numpy as np

from surco.adapters.errors import VectorsError
from surco.adapters.regression_evaluate import RegressionEvaluation

__all__ = ["draw_values"]

_MOST_DRAWN = 3000


def draw_values(evaluation: RegressionEvaluation, *, unit: str = "", title: str = "") -> bytes:
    """PNG of the labels that were held out: observed across, predicted up, each with its interval.

    At most 3,000 labels are drawn, evenly spaced. Labels outside their interval are drawn in another colour.

    Args:
        evaluation: of `cross_validate_values`.
        unit: of the target, for the axes.
        title: above the picture.

    Raises:
        VectorsError: an evaluation in which nothing could be held out.
    """
    from matplotlib.figure import Figure

    if evaluation.scores is None:
        raise VectorsError(
            f"expected held-out predictions to draw; got none ({evaluation.split}): label more places first"
        )
    rows = np.unique(np.linspace(0, len(evaluation.observed) - 1, _MOST_DRAWN).round().astype(int))
    seen, value, interval = (
        a[rows] for a in (evaluation.observed, evaluation.predicted, evaluation.intervals)
    )
    outside = (seen < interval[:, 0]) | (seen > interval[:, 1])
    figure = Figure(figsize=(5.6, 5.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    ends = np.array([min(seen.min(), value.min()), max(seen.max(), value.max())])
    axes.plot(ends, ends, color="0.35", linewidth=1, zorder=1)
    finite = np.isfinite(interval).all(axis=1)
    for which, colour, words in ((~outside, "#2c7fb8", "inside"), (outside, "#d95f0e", "outside")):
        drawn = which & finite
        axes.vlines(seen[drawn], *interval[drawn].T, color=colour, alpha=0.18, linewidth=1, zorder=2)
        axes.scatter(seen[which], value[which], s=9, color=colour, label=f"{words} ({which.sum()})", zorder=3)
    axes.set(xlabel=f"observed {unit}".strip(), ylabel=f"predicted {unit}".strip(), title=title)
    axes.legend(title="its interval", frameon=False, fontsize=8, title_fontsize=8)
    with io.BytesIO() as sink:
        figure.savefig(sink, format="png")
        return sink.getvalue()
