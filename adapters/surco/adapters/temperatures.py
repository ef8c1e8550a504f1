"""How far the pooled heads are believed: log q = t * (1.5 logistic + 0.5 discriminant), up to a constant.

Few labels are believed less, so the temperature depends on the labels a class and on the number of classes, by a table
that `meta_train` fits on tasks with spatial groups kept apart. A floor is mixed in, p = (1 - floor) q + floor /
classes: in new places some rows are of a kind that no label showed, and a temperature that had to answer for those
would make all others too modest. From `CROSSFIT_LABELS` labels on, the labels themselves correct both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp

__all__ = [
    "ANY_VECTORS",
    "CROSSFIT_LABELS",
    "EXPECTED_FLOOR",
    "Correction",
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

EXPECTED_FLOOR = 0.07
_BELIEVED = 0.5
_FLOOR_SPREAD = 1.0  # prior standard deviation of the logit of the floor

TemperatureTable = Mapping[str, tuple[float, float, float]]
"""By "pool" and "labels" (fitted with a pool, or without one):
log t = constant + slope * log(labels a class / 5) + slope * log(classes / 6)."""

ANY_VECTORS: TemperatureTable = {"pool": (-1.75, 0.38, 0.33), "labels": (-1.9, 0.5, 0.4)}
"""Where no tasks with the model's vectors are known: the middle of what was learned without each table in turn."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What held-out labels say of the expected temperature, a factor, and the floor, a share of the probability."""

    factor: float = 1.0
    floor: float = EXPECTED_FLOOR


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

    def true_probabilities(self, correction: Correction) -> Doubles:
        """(M,) probability of the true class after a correction."""
        logits = correction.factor * self.pooled + self.offset
        chosen = np.take_along_axis(logits, self.codes[:, None], axis=1)[:, 0]
        plain: Doubles = np.exp(chosen - logsumexp(logits, axis=1))
        mixed: Doubles = (1 - correction.floor) * plain + correction.floor / logits.shape[1]
        return mixed

    def likeliest(self, correction: Correction) -> npt.NDArray[np.bool_]:
        """(M,) whether the true class was the likeliest after a correction."""
        found: npt.NDArray[np.bool_] = (correction.factor * self.pooled + self.offset).argmax(
            axis=1
        ) == self.codes
        return found


def expected_temperature(counts: Doubles, *, with_pool: bool, table: TemperatureTable = ANY_VECTORS) -> float:
    """Temperature to expect from the labels of each class (K,), before any is checked."""
    return float(np.exp(np.dot(table["pool" if with_pool else "labels"], temperature_terms(counts))))


def temperature_terms(counts: Doubles) -> Doubles:
    """What the three constants of a table are multiplied with, (3,), for the labels of each class (K,)."""
    labels = min(float(np.exp(np.log(counts).mean())), _MOST_LABELS)
    return np.array([1.0, np.log(labels / _REFERENCE_LABELS), np.log(len(counts) / _REFERENCE_CLASSES)])


def crossfitted(folds: Sequence[FoldScores]) -> Correction:
    """The correction that makes held-out labels most likely.

    The logarithm of the factor and the logit of the floor have normal priors around what is expected (standard
    deviation 1), so that few labels move them little. Heads that held labels out learned from fewer places than the
    adapter, and are wrong more often: half of the factor's logarithm is believed.
    """
    best = minimize(
        _Surprise(folds),
        np.zeros(2),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-3, 3), (-3, 2)],
        options={"maxiter": 20},
    )
    return _corrected(best.x * [_BELIEVED, 1.0])


class _Surprise:
    """Negative log-likelihood of held-out labels and its gradient, of how far factor and floor are moved (2,)."""

    def __init__(self, folds: Sequence[FoldScores]) -> None:
        most = max(f.pooled.shape[1] for f in folds)
        self._pooled = np.concatenate([_widened(f.pooled, most, 0.0) for f in folds])
        # Folds whose heads know fewer classes than others: the rest never happens.
        offset = [np.broadcast_to(f.offset, f.pooled.shape) for f in folds]
        self._offset = np.concatenate([_widened(o, most, -np.inf) for o in offset])
        self._even = np.concatenate([np.full(len(f.codes), 1 / f.pooled.shape[1]) for f in folds])
        self._true = (np.arange(len(self._pooled)), np.concatenate([f.codes for f in folds]))

    def __call__(self, moved: Doubles) -> tuple[float, Doubles]:
        correction = _corrected(moved)
        factor, floor = correction.factor, correction.floor
        logits = factor * self._pooled + self._offset
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        plain = chances[self._true]
        mixed = (1 - floor) * plain + floor * self._even
        by_factor = (
            (1 - floor) * plain * (self._pooled[self._true] - (chances * self._pooled).sum(axis=1)) * factor
        )
        by_floor = (self._even - plain) * floor * (1 - floor)
        gradient = moved - [_SPREAD * (by_factor / mixed).sum(), _FLOOR_SPREAD * (by_floor / mixed).sum()]
        return float(0.5 * np.square(moved).sum() - np.log(mixed).sum()), gradient


def _widened(table: Doubles, columns: int, value: float) -> Doubles:
    """A table (M, K) with further columns of one value."""
    return np.pad(table, ((0, 0), (0, columns - table.shape[1])), constant_values=value)


def _corrected(moved: Doubles) -> Correction:
    floor = expit(logit(EXPECTED_FLOOR) + _FLOOR_SPREAD * moved[1])
    return Correction(float(np.exp(_SPREAD * moved[0])), float(floor))
