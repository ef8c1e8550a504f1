"""How good predicted values are: scores with intervals from whole groups resampled.

Every score is a function of sums over groups, so a resample is a sum of group rows; two predictions are compared on the
same resamples, because they are right and wrong about the same places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.scores import Estimate

__all__ = ["RegressionScores", "paired_difference", "score_values"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Score = Callable[[Doubles], Doubles]
_LEAST_GROUPS = 5  # fewer can be resampled in too few ways for an interval to mean anything
_MOST_GROUPS = 1000  # more are resampled in as many random bundles, which leaves the variance as it is
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class RegressionScores:
    """Scores of N predictions.

    `r2` is 1 - squared errors / squared distances to the mean of the scored values, below zero where that mean would
    be better; `rmse`, `mae` and `bias` (predicted - observed) in the target's unit; `coverage` of intervals, 0..1, and
    their mean `width`, None where no intervals were given or some of them are unbounded (width only).
    """

    r2: Estimate
    rmse: Estimate
    mae: Estimate
    bias: Estimate
    coverage: Estimate | None
    width: Estimate | None
    n: int
    n_groups: int

    def as_dict(self) -> dict[str, object]:
        """The scores as plain JSON values."""
        return asdict(self)


def score_values(
    observed: Doubles,
    predicted: Doubles,
    groups: Codes,
    intervals: Doubles | None = None,
    *,
    seed: int = 0,
) -> RegressionScores:
    """Score predictions (N,) against observed values (N,).

    Args:
        observed: in the target's unit.
        predicted: the same.
        groups: (N,) whole numbers; rows of one group are resampled together.
        intervals: (N, 2) low and high; None where there are none.
        seed: of the resampling.
    """
    drawn, group = _resamples(groups, seed)
    columns = _columns(observed, predicted)
    bounded = intervals is not None and bool(np.isfinite(intervals).all())
    if intervals is not None:
        inside = (intervals[:, 0] <= observed) & (observed <= intervals[:, 1])
        columns.append(inside.astype(np.float64))
    if intervals is not None and bounded:
        columns.append(intervals[:, 1] - intervals[:, 0])
    sums = _group_sums(columns, group)
    found = {name: _estimate(metric, sums, drawn) for name, metric in _METRICS.items()}
    coverage = None if intervals is None else _estimate(lambda s: s[:, 6] / s[:, 0], sums, drawn)
    width = _estimate(lambda s: s[:, 7] / s[:, 0], sums, drawn) if bounded else None
    return RegressionScores(
        **found, coverage=coverage, width=width, n=len(observed), n_groups=len(np.unique(groups))
    )


def paired_difference(
    observed: Doubles,
    predicted: Doubles,
    other: Doubles,
    groups: Codes,
    *,
    metric: str = "rmse",
    seed: int = 0,
) -> Estimate:
    """Score of `predicted` less that of `other`, on the same resamples of groups.

    Args:
        observed: (N,) in the target's unit.
        predicted: (N,).
        other: (N,).
        groups: (N,) whole numbers.
        metric: "r2", "rmse", "mae" or "bias".
        seed: of the resampling.
    """
    drawn, group = _resamples(groups, seed)
    score = _METRICS[metric]
    first, second = (_group_sums(_columns(observed, p), group) for p in (predicted, other))
    value = float((score(first.sum(axis=0)[None]) - score(second.sum(axis=0)[None]))[0])
    if drawn is None:
        return Estimate(value, None, None)
    low, high = np.percentile(score(drawn @ first) - score(drawn @ second), [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def _columns(observed: Doubles, predicted: Doubles) -> list[Doubles]:
    error = predicted - observed
    return [np.ones(len(observed)), observed, observed**2, error, np.abs(error), error**2]


def _r2(s: Doubles) -> Doubles:
    total = s[:, 2] - s[:, 1] ** 2 / s[:, 0]
    return np.asarray(1 - s[:, 5] / np.maximum(total, np.finfo(float).tiny))


# Scores (B,) as functions of sums (B, columns): count, observed, its square, error, its size, its square.
_METRICS: Mapping[str, Score] = {
    "r2": _r2,
    "rmse": lambda s: np.sqrt(s[:, 5] / s[:, 0]),
    "mae": lambda s: s[:, 4] / s[:, 0],
    "bias": lambda s: s[:, 3] / s[:, 0],
}


def _resamples(groups: Codes, seed: int) -> tuple[Doubles | None, Codes]:
    """How often each group is drawn (B, G), None where there are too few, and the rows' groups 0..G-1."""
    group = np.unique(groups, return_inverse=True)[1].astype(np.intp)
    count = int(group.max()) + 1
    if count < _LEAST_GROUPS:
        return None, group
    if count > _MOST_GROUPS:
        group = (np.random.default_rng(seed).permutation(count) % _MOST_GROUPS)[group]
        count = _MOST_GROUPS
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    return drawn.astype(np.float64), group


def _group_sums(columns: list[Doubles], group: Codes) -> Doubles:
    return np.stack([np.bincount(group, column) for column in columns], axis=1)


def _estimate(score: Score, sums: Doubles, drawn: Doubles | None) -> Estimate:
    value = float(score(sums.sum(axis=0)[None])[0])
    if drawn is None:
        return Estimate(value, None, None)
    low, high = np.percentile(score(drawn @ sums), [2.5, 97.5])
    return Estimate(value, float(low), float(high))
