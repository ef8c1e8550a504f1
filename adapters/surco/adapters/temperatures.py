"""How far each head of the log-linear pool is believed: log p = t1 * logistic + t2 * discriminant, up to a constant.

Few labels are believed less, so the temperatures depend on the labels a class and on the number of classes. The
table was fitted by `scripts/fit_temperatures.py` on episodes of real labelled series with spatial groups kept apart;
from `CROSSFIT_LABELS` labels on, the labels themselves correct it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

__all__ = ["CROSSFIT_LABELS", "FoldScores", "Temperatures", "crossfitted", "expected_temperatures"]

Doubles = npt.NDArray[np.float64]

CROSSFIT_LABELS = 60
_REFERENCE_LABELS, _REFERENCE_CLASSES = 5.0, 6.0
_MOST_LABELS = 20.0  # the table was fitted on 1 to 20 labels a class and says nothing beyond
_SPREAD = 1.0  # prior standard deviation of the logarithm of the correction

# log t = constant + slope * log(labels a class / 5) + slope * log(classes / 6), for the two heads.
_FITTED = {
    "pool": ((-0.662, -0.033, 0.495), (-3.086, 0.677, -0.171)),
    "labels": ((-0.839, 0.010, 0.556), (-3.429, 0.806, 0.050)),
}


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Weights of the two heads' logits in the pool."""

    logistic: float
    discriminant: float


@dataclass(frozen=True, slots=True)
class FoldScores:
    """What heads that did not see a fold say of it.

    `pooled` (M, K) logits at the expected temperatures, `offset` (K,) added after the temperature, `codes` (M,)
    the true class of each row among the K the heads know.
    """

    pooled: Doubles
    offset: Doubles
    codes: npt.NDArray[np.intp]


def expected_temperatures(counts: Doubles, *, with_pool: bool) -> Temperatures:
    """Temperatures to expect from the labels of each class (K,), before any is checked."""
    labels = np.log(min(float(np.exp(np.log(counts).mean())), _MOST_LABELS) / _REFERENCE_LABELS)
    classes = np.log(len(counts) / _REFERENCE_CLASSES)
    table = _FITTED["pool" if with_pool else "labels"]
    first, second = (float(np.exp(a + b * labels + c * classes)) for a, b, c in table)
    return Temperatures(first, second)


def crossfitted(expected: Temperatures, folds: Sequence[FoldScores]) -> Temperatures:
    """The expected temperatures, both times the one factor that makes held-out labels most likely.

    The factor's logarithm has a normal prior around zero (standard deviation 1), so that few labels move it little.
    """

    def surprise(log_factor: float) -> float:
        factor = np.exp(log_factor)
        return sum(_negative_log_likelihood(f, factor) for f in folds) + 0.5 * (log_factor / _SPREAD) ** 2

    best = minimize_scalar(surprise, bounds=(-3.0, 3.0), method="bounded", options={"xatol": 1e-3})
    factor = float(np.exp(best.x))
    return Temperatures(expected.logistic * factor, expected.discriminant * factor)


def _negative_log_likelihood(fold: FoldScores, factor: float) -> float:
    logits = factor * fold.pooled + fold.offset
    chosen = np.take_along_axis(logits, fold.codes[:, None], axis=1)[:, 0]
    return float((logsumexp(logits, axis=1) - chosen).sum())
