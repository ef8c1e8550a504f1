"""Sets of classes that hold the true one with a chosen probability, calibrated on places that taught nothing.

Least ambiguous sets (Sadinle, Lei and Wasserman 2019, JASA 114): every class whose probability reaches a threshold, the
quantile of the true class's probability. Two views of it are joined: labels of held-out groups, a gloomy view where a
class has few labels, because those who judge them learned from fewer still, and what the adapter expects of the
table, classes drawn from its own probabilities, a sunny one where a class has a label or two.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import SettingsError

__all__ = ["ALWAYS", "class_sets", "threshold", "true_probabilities"]

ALWAYS = 1.0
"""What stands for the probability of a class that is in every set."""

Doubles = npt.NDArray[np.float64]
_STRANGE = 0.25  # share of rows that follow no probability after one label a class
_GLOOM = 15.0  # labels a class at which held-out labels count half as much as what is expected
_LEVELS = np.linspace(0, 1, 501)


def true_probabilities(
    held_out: Doubles, expected: npt.NDArray[np.floating], labels: float
) -> npt.NDArray[np.float32]:
    """501 quantiles, evenly spaced, of the probability that the true class gets.

    Args:
        held_out: (M,) probability of the true class of labels that were held out, `ALWAYS` where it was the likeliest,
            which every set holds; M may be 0.
        expected: (R, K) probabilities of rows of the table: what the adapter expects the truth to be.
        labels: of a class, in the mean.
    """
    values = expected.copy()
    values[np.arange(len(values)), values.argmax(axis=1)] = ALWAYS
    strange = _STRANGE / labels**2
    truth = (1 - strange) * expected + strange / expected.shape[1]
    worth = max(len(held_out), 1) * (1 + _GLOOM / labels) / len(expected)
    found = np.concatenate([held_out, values.ravel()])
    weights = np.concatenate([np.ones(len(held_out)), worth * truth.ravel()])
    order = np.argsort(found)
    reached = np.cumsum(weights[order]) - weights[order] / 2
    quantiles = np.interp(_LEVELS * weights.sum(), reached, found[order])
    return np.asarray(quantiles, np.float32)


def threshold(quantiles: npt.NDArray[np.float32], coverage: float) -> float:
    """The probability that a class must reach to be in the sets of a coverage.

    Raises:
        SettingsError: a coverage outside 0.5..0.99.
    """
    if not 0.5 <= coverage <= 0.99:
        raise SettingsError(
            f"expected a coverage from 0.5 to 0.99; got {coverage!r}: 0.9 holds the true class nine times of ten"
        )
    return float(np.interp(1 - coverage, _LEVELS, quantiles))


def class_sets(probabilities: npt.NDArray[np.float32], least: float) -> npt.NDArray[np.bool_]:
    """Which classes are in each row's set, (N, K): those of probability `least` or more, and always the likeliest."""
    sets: npt.NDArray[np.bool_] = probabilities >= least
    sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
    return sets
