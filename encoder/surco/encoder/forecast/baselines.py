"""What any forecast must beat: the last value, climatology, and the last value moved by climatology's change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surco.encoder.forecast.monthly import MonthlyNdvi
from surco.encoder.forecast.questions import Questions, anchor_of, season_month
from surco.encoder.protocol import Bools, Floats

__all__ = ["baselines_of", "month_means", "own_climatology"]

_FOLDS = 5


def month_means(month: npt.NDArray[np.int64], ndvi: Floats) -> Floats:
    """Mean NDVI by month of the year (12,), NaN for a month without a finite value."""
    seen = np.isfinite(ndvi)
    count = np.bincount(month[seen], minlength=12)
    total = np.bincount(month[seen], weights=ndvi[seen], minlength=12)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def own_climatology(truth: MonthlyNdvi, south: Bools, group: npt.NDArray[np.object_]) -> Floats:
    """Mean NDVI by `season_month` of a table's other spatial groups, (N, 12).

    Groups are dealt into five folds; a row is given the means of the other four. These are means of the very season
    that is forecast, on both sides of the as_of day: a baseline that knows what nobody knows in season.
    """
    names = np.where(group == "", [f"row {i}" for i in range(len(group))], group)
    _, number = np.unique(names.astype(str), return_inverse=True)
    fold = np.random.default_rng(0).permutation(number.max() + 1)[number] % _FOLDS
    columns = np.arange(truth.values.shape[1]).astype("timedelta64[M]")
    month = season_month(truth.first[:, None] + columns, south[:, None])
    means = np.stack(
        [month_means(month[fold != k].ravel(), truth.values[fold != k].ravel()) for k in range(_FOLDS)]
    )
    out: Floats = means[fold]
    return out


def baselines_of(questions: Questions, own: Floats | None, overall: Floats) -> dict[str, Floats]:
    """Answers (K,) of each baseline by name; NaN where one has none.

    Args:
        questions: the K questions.
        own: (N, 12) from `own_climatology`, by `Questions.row`; None where there is none.
        overall: (12,) mean NDVI by `season_month` of other places and years.
    """
    anchor = anchor_of(questions.around)
    found = {"last value / linear": anchor.value}
    month = season_month(questions.month, questions.south)
    last = (month - anchor.since) % 12
    for name, table in (("own climatology", own), ("global climatology", overall)):
        if table is None:
            continue
        each = table[questions.row] if table.ndim == 2 else np.broadcast_to(table, (len(month), 12))
        rows = np.arange(len(month))
        found[name] = each[rows, month]
        change = each[rows, month] - each[rows, last]
        found[f"last value + change of {name}"] = np.where(
            questions.lead > 0, anchor.before + change, np.float32(np.nan)
        )
    return found
