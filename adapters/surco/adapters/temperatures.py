"""How far the pooled heads are believed: log p = t * (logistic + discriminant), up to a constant.

Few labels are believed less, so the temperature depends on the labels a class and on the number of classes, by a table
that `meta_train` fits on tasks with spatial groups kept apart. From `CROSSFIT_LABELS` labels on, the labels
themselves correct it. Both heads weigh the same: likelihood alone would lean on the logistic head, whose scores are
tamer, and lose half a point of macro-F1 with few labels (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

__all__ = [
    "ANY_VECTORS",
    "CROSSFIT_LABELS",
    "FoldScores",
    "TemperatureTable",
    "crossfitted",
    "expected_temperature",
    "temperature_terms",
]

Doubles = npt.NDArray[np.float64]

CROSSFIT_LABELS = 60
_REFERENCE_LABELS, _REFERENCE_CLASSES = 5.0, 6.0
_MOST_LABELS = 20.0  # tables are fitted on 1 to 20 labels a class and say nothing beyond
_SPREAD = 1.0  # prior standard deviation of the logarithm of the correction

TemperatureTable = Mapping[str, tuple[float, float, float]]
"""By "pool" and "labels" (fitted with a pool, or without one):
log t = constant + slope * log(labels a class / 5) + slope * log(classes / 6)."""

ANY_VECTORS: TemperatureTable = {"pool": (-2.0, 0.2, 0.2), "labels": (-2.1, 0.2, 0.2)}
"""Where no tasks with the model's vectors are known."""


@dataclass(frozen=True, slots=True)
class FoldScores:
    """What heads that did not see a fold say of it.

    `pooled` (M, K) logits at the expected temperature, `offset` (K,) added after the temperature, `codes` (M,)
    the true class of each row among the K the heads know, `distances` (M,) the squared distance of each row to the
    nearest class mean.
    """

    pooled: Doubles
    offset: Doubles
    codes: npt.NDArray[np.intp]
    distances: npt.NDArray[np.float32]

    def true_probabilities(self, factor: float) -> Doubles:
        """(M,) probability of the true class where the temperature is multiplied by a factor."""
        return np.exp(-_surprises(self, factor))


def expected_temperature(counts: Doubles, *, with_pool: bool, table: TemperatureTable = ANY_VECTORS) -> float:
    """Temperature to expect from the labels of each class (K,), before any is checked."""
    return float(np.exp(np.dot(table["pool" if with_pool else "labels"], temperature_terms(counts))))


def temperature_terms(counts: Doubles) -> Doubles:
    """What the three constants of a table are multiplied with, (3,), for the labels of each class (K,)."""
    labels = min(float(np.exp(np.log(counts).mean())), _MOST_LABELS)
    return np.array([1.0, np.log(labels / _REFERENCE_LABELS), np.log(len(counts) / _REFERENCE_CLASSES)])


def crossfitted(folds: Sequence[FoldScores]) -> float:
    """The factor of the temperature that makes held-out labels most likely.

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
