"""The logistic head: class-balanced, regularised, in the span of its labels, as weights and bias.

scikit-learn's solver takes ten times as long for a hundred labels, most of it checks; a fit solves six such problems.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import svd
from scipy.optimize import minimize

__all__ = ["logistic"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


def logistic(vectors: Doubles, codes: Codes, n_classes: int, *, C: float) -> tuple[Doubles, Doubles]:
    """Fit multinomial logistic regression; returns weights (D, K) and bias (K,) of the logits.

    Every class weighs the same in all. The penalty is on the weights alone, |W|² / 2, beside C times the weighed sum of
    negative log-likelihoods, as in scikit-learn's `LogisticRegression(C, class_weight="balanced")`. Fewer labels than
    dimensions are fitted in their span, where the solution lies.

    Args:
        vectors: (N, D) standardised vectors.
        codes: (N,) class of each, 0..K-1, every class present.
        n_classes: K.
        C: inverse strength of the penalty.
    """
    basis = None
    if len(vectors) < vectors.shape[1]:
        left, sizes, basis = svd(vectors, full_matrices=False)
        vectors = left * sizes
    loss = _Loss(vectors, codes, n_classes, C)
    best = minimize(
        loss,
        np.zeros((vectors.shape[1] + 1) * n_classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 1000, "gtol": 1e-4, "ftol": 1e-9},
    )
    solution = best.x.reshape(-1, n_classes)
    weights, bias = solution[:-1], solution[-1]
    return (weights if basis is None else basis.T @ weights), bias


class _Loss:
    """Mean weighed negative log-likelihood with its penalty, and its gradient, of weights and bias (D + 1, K)."""

    def __init__(self, vectors: Doubles, codes: Codes, n_classes: int, C: float) -> None:
        self._vectors = vectors
        counts = np.bincount(codes, minlength=n_classes)
        self._weight = (1 / (n_classes * counts))[codes]
        self._true = (np.arange(len(codes)), codes)
        self._penalty = 1 / (C * len(codes))
        self._shape = (vectors.shape[1] + 1, n_classes)

    def __call__(self, solution: Doubles) -> tuple[float, Doubles]:
        parameters = solution.reshape(self._shape)
        weights, bias = parameters[:-1], parameters[-1]
        logits = self._vectors @ weights + bias
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        total = chances.sum(axis=1)
        surprise = np.log(total) - logits[self._true]
        chances /= total[:, None]
        chances[self._true] -= 1
        chances *= self._weight[:, None]
        gradient = np.empty(self._shape)
        gradient[:-1] = self._vectors.T @ chances + self._penalty * weights
        gradient[-1] = chances.sum(axis=0)
        value = float(self._weight @ surprise + 0.5 * self._penalty * np.vdot(weights, weights))
        return value, gradient.ravel()
