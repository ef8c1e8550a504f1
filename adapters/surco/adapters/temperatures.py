"""How far each head of the log-linear pool is believed: log p = t1 * logistic + t2 * discriminant, up to a constant.

Few labels are believed less, so the temperatures depend on the labels a class and on the number of classes, by a
table that `meta_train` fits on tasks with spatial groups kept apart. From `CROSSFIT_LABELS` labels on, the labels
themselves correct it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

__all__ = [
    "ANY_VECTORS",
    "CROSSFIT_LABELS",
    "FoldScores",
    "TemperatureTable",
    "Temperatures",
    "crossfitted",
    "expected_temperatures",
]

Doubles = npt.NDArray[np.float64]

CROSSFIT_LABELS = 60
_REFERENCE_LABELS, _REFERENCE_CLASSES = 5.0, 6.0
_MOST_LABELS = 20.0  # the table was fitted on 1 to 20 labels a class and says nothing beyond
_SPREAD = 1.0  # prior standard deviation of the logarithm of the correction

TemperatureTable = Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]]
"""By "pool" and "labels" (fitted with a pool, or without one), for the logistic head and the discriminant:
log t = constant + slope * log(labels a class / 5) + slope * log(classes / 6)."""

ANY_VECTORS: TemperatureTable = {
    "pool": ((-0.662, -0.033, 0.495), (-3.086, 0.677, -0.171)),
    "labels": ((-0.839, 0.010, 0.556), (-3.429, 0.806, 0.050)),
}
"""For vectors of any origin: fitted on raw bands and on their principal components."""


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Weights of the two heads' logits in the pool."""

    logistic: float
    discriminant: float

    def times(self, factor: float) -> Self:
        """Both temperatures multiplied by a factor."""
        return type(self)(self.logistic * factor, self.discriminant * factor)


@dataclass(frozen=True, slots=True)
class FoldScores:
    """What heads that did not see a fold say of it.

    `pooled` (M, K) logits at the expected temperatures, `offset` (K,) added after the temperature, `codes` (M,)
    the true class of each row among the K the heads know, `distances` (M,) the squared distance of each row to the
    nearest class mean.
    """

    pooled: Doubles
    offset: Doubles
    codes: npt.NDArray[np.intp]
    distances: npt.NDArray[np.float32]

    def true_probabilities(self, factor: float) -> Doubles:
        """(M,) probability of the true class where the temperatures are multiplied by a factor."""
        return np.exp(-_surprises(self, factor))


def expected_temperatures(
    counts: Doubles, *, with_pool: bool, table: TemperatureTable = ANY_VECTORS
) -> Temperatures:
    """Temperatures to expect from the labels of each class (K,), before any is checked."""
    labels = np.log(min(float(np.exp(np.log(counts).mean())), _MOST_LABELS) / _REFERENCE_LABELS)
    classes = np.log(len(counts) / _REFERENCE_CLASSES)
    rows = table["pool" if with_pool else "labels"]
    first, second = (float(np.exp(a + b * labels + c * classes)) for a, b, c in rows)
    return Temperatures(first, second)


def crossfitted(folds: Sequence[FoldScores]) -> float:
    """The factor of both temperatures that makes held-out labels most likely.

    Its logarithm has a normal prior around zero (standard deviation 1), so that few labels move it little.
    """

    def surprise(log_factor: float) -> float:
        factor = float(np.exp(log_factor))
        return float(sum(_surprises(f, factor).sum() for f in folds)) + 0.5 * (log_factor / _SPREAD) ** 2

    best = minimize_scalar(surprise, bounds=(-3.0, 3.0), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(best.x))


def _surprises(fold: FoldScores, factor: float) -> Doubles:
    """(M,) negative log-probability of the true classes."""
    logits = factor * fold.pooled + fold.offset
    chosen = np.take_along_axis(logits, fold.codes[:, None], axis=1)[:, 0]
    surprises: Doubles = logsumexp(logits, axis=1) - chosen
    return surprises
