"""The logistic head: class-balanced, regularised, in the span of its labels, as weights and bias.

scikit-learn's solver takes ten times as long for a hundred labels, most of it checks; a fit solves six such problems,
one on all labels and five with a fold of them left out. Where labels are few the six are solved as one: a step of all
costs little more than a step of one, and they are so alike that they need as many.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, svd
from scipy.optimize import minimize

__all__ = ["logistic", "logistic_each"]

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
    (found,) = _together(vectors, codes, n_classes, np.ones((1, len(codes)), bool), C)
    return found


def logistic_each(
    vectors: Doubles, codes: Codes, n_classes: int, subsets: npt.NDArray[np.bool_], *, C: float
) -> list[tuple[Doubles, Doubles]]:
    """Fit each of P subsets of the labels, (P, N) True where a label is in it; see `logistic`.

    Returns weights (D, K) and bias (K,) of each subset; classes that a subset lacks have zeros, which mean nothing.
    """
    if len(codes) * subsets.shape[0] * n_classes > _MOST_TOGETHER:
        return [_alone(vectors, codes, n_classes, rows, C) for rows in subsets]
    # Who judges labels fits the same heads on the same folds as who scores the adapter.
    key = hashlib.blake2b(repr((vectors.shape, codes.dtype, n_classes, subsets.shape, C)).encode())
    for array in (vectors, codes, subsets):
        key.update(np.ascontiguousarray(array).data)
    with _LOCK:
        found = _SOLVED.get(key.digest())
    if found is None:
        found = _together(vectors, codes, n_classes, subsets, C)
        with _LOCK:
            _SOLVED[key.digest()] = found
            while len(_SOLVED) > _MOST_SOLVED:
                _SOLVED.popitem(last=False)
    return found


_LOCK = Lock()
_SOLVED: OrderedDict[bytes, list[tuple[Doubles, Doubles]]] = OrderedDict()
_MOST_SOLVED = 64  # some 20 kB each
_MOST_TOGETHER = 100_000  # scores of all labels in all subsets: more do not fit the processor's cache


def _alone(
    vectors: Doubles, codes: Codes, n_classes: int, rows: npt.NDArray[np.bool_], C: float
) -> tuple[Doubles, Doubles]:
    known, inner = np.unique(codes[rows], return_inverse=True)
    weights, bias = np.zeros((vectors.shape[1], n_classes)), np.zeros(n_classes)
    weights[:, known], bias[known] = logistic(vectors[rows], inner, len(known), C=C)
    return weights, bias


def _together(
    vectors: Doubles, codes: Codes, n_classes: int, subsets: npt.NDArray[np.bool_], C: float
) -> list[tuple[Doubles, Doubles]]:
    axes, sizes = _axes(vectors, len(codes))
    # Steps are taken along the principal axes, each divided by its curvature before anything is learned: a third of
    # the steps.
    curvature = max(1 - 1 / n_classes, 0.5) / n_classes
    step = 1 / np.sqrt(curvature * sizes**2 + 1 / (C * len(codes)))
    loss = _Loss(vectors @ axes, codes, n_classes, subsets, C, np.append(step, 1 / np.sqrt(curvature)))
    best = minimize(
        loss,
        np.zeros(loss.size),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 1000, "gtol": 1e-4, "ftol": 1e-9},
    )
    solution = loss.parameters(best.x)
    return [(axes @ found[:, :-1].T, found[:, -1]) for found in solution]


def _axes(vectors: Doubles, rows: int) -> tuple[Doubles, Doubles]:
    """Principal axes (D, R) of the labels, R the smaller of D and N, and the root mean square along each."""
    if rows < vectors.shape[1]:
        _, sizes, axes = svd(vectors, full_matrices=False)
        return axes.T, sizes / np.sqrt(rows)
    squares, axes = eigh(vectors.T @ vectors / rows)
    return axes, np.sqrt(np.maximum(squares, 0))


class _Loss:
    """Sum over subsets of the mean weighed negative log-likelihood with its penalty, and its gradient.

    Of weights and bias in units of `step` (R + 1,), (P, K, R + 1); N labels, P subsets, K classes.
    """

    def __init__(
        self,
        vectors: Doubles,
        codes: Codes,
        n_classes: int,
        subsets: npt.NDArray[np.bool_],
        C: float,
        step: Doubles,
    ) -> None:
        self._vectors = np.hstack([vectors, np.ones((len(vectors), 1))])
        self._step = step
        self._shape = (len(subsets), n_classes, len(step))
        counts = np.stack([np.bincount(codes[rows], minlength=n_classes) for rows in subsets])
        present = (counts > 0).sum(axis=1)
        share = 1 / (present[:, None] * np.maximum(counts, 1))
        self._weight = np.where(subsets, share[:, codes], 0.0)  # (P, N)
        # Far below every logit, and finite: a label left out may be of a class that the subset lacks.
        self._absent = np.where(counts > 0, 0.0, _NEVER)[:, :, None]
        self._true = (slice(None), codes, np.arange(len(codes)))
        self._penalty = np.append(np.ones(len(step) - 1), 0.0) / (C * subsets.sum(axis=1))[:, None, None]

    @property
    def size(self) -> int:
        """How many numbers a solution has."""
        return int(np.prod(self._shape))

    def parameters(self, solution: Doubles) -> Doubles:
        """Weights and bias (P, K, R + 1) of a solution."""
        return solution.reshape(self._shape) * self._step

    def __call__(self, solution: Doubles) -> tuple[float, Doubles]:
        found = self.parameters(solution)
        subsets, classes, length = self._shape
        # Labels last: sums and maxima over classes then run along memory.
        logits = (found.reshape(-1, length) @ self._vectors.T).reshape(subsets, classes, -1)
        logits += self._absent
        logits -= logits.max(axis=1, keepdims=True)
        true = logits[self._true]
        chances = np.exp(logits, out=logits)
        total = chances.sum(axis=1)
        shrunk = self._penalty * found
        value = np.vdot(self._weight, np.log(total) - true) + 0.5 * np.vdot(found, shrunk)
        chances *= (self._weight / total)[:, None, :]
        chances[self._true] -= self._weight
        gradient = (chances.reshape(subsets * classes, -1) @ self._vectors).reshape(self._shape) + shrunk
        return float(value), (gradient * self._step).ravel()


_NEVER = -1e6
