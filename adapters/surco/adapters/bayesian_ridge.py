"""Bayesian ridge regression by blocks of features, and what it would have said of labels it had not seen.

The model is y = s(x) b + e with b ~ N(0, ratio of its block * noise) and e ~ N(0, noise): with the features of a
kernel a Gaussian process (Rasmussen and Williams 2006, sections 2.1 and 8.1). All that it needs of the labels is
sums, and predictions of held-out groups are closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.optimize

__all__ = ["BayesianRidge", "HeldOut", "learned_ratios"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_INTERCEPT = 1e4  # ratio of the constant's variance: in effect unpenalised, for targets near zero of size one
_PRIOR_LABELS, _PRIOR_NOISE = (
    2.0,
    0.5,
)  # the noise of a standardised target before any label, worth two labels
_PRIOR_SPREAD = 2.0  # standard deviation of a log ratio before any label
_BOUNDS = (-9.0, 7.0)
_MOST_FOLDS = 200  # more groups are held out several at a time: the rest of the labels hardly changes


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What each label would have been predicted as without its group: `mean` and `deviation` (N,)."""

    mean: Doubles
    deviation: Doubles


@dataclass(frozen=True, slots=True)
class _Sums:
    """All that the likelihood needs of N labels with P features."""

    gram: Doubles
    moment: Doubles
    square: float

    @classmethod
    def of(cls, features: Doubles, target: Doubles) -> _Sums:
        return cls(features.T @ features, features.T @ target, float(target @ target))


@dataclass(frozen=True, slots=True)
class _Solved:
    """The posterior in features scaled by their prior: `factor` is the lower Cholesky factor of the precision."""

    prior: Doubles
    factor: Doubles
    mean: Doubles
    quadratic: float


def learned_ratios(
    features: Doubles, target: Doubles, blocks: Codes, centres: tuple[float, ...]
) -> tuple[tuple[float, ...], float]:
    """The blocks' ratios of largest marginal likelihood times prior, and its negative logarithm.

    Args:
        features: (N, P), the first of them the constant.
        target: (N,) of about zero mean and size one.
        blocks: (P,) block of each feature: 0 the constant, then 1, 2, …
        centres: logarithm of each block's ratio before any label, for the blocks from 1 on.
    """
    sums = _Sums.of(features, target)
    expected = np.array(centres)
    labels = len(target) + _PRIOR_LABELS

    def cost(logs: Doubles) -> float:
        solved = _solve(sums, blocks, tuple(np.exp(logs)))
        fit = 0.5 * labels * np.log(solved.quadratic + _PRIOR_LABELS * _PRIOR_NOISE)
        away = 0.5 * (((logs - expected) / _PRIOR_SPREAD) ** 2).sum()
        return float(fit + np.log(np.diag(solved.factor)).sum() + away)

    found = scipy.optimize.minimize(
        cost, expected, method="L-BFGS-B", bounds=[_BOUNDS] * len(expected), options={"maxiter": 40}
    )
    return tuple(float(v) for v in np.exp(found.x)), float(found.fun)


def _solve(sums: _Sums, blocks: Codes, ratios: tuple[float, ...]) -> _Solved:
    prior = np.sqrt(np.array([_INTERCEPT, *ratios]))[blocks]
    precision = sums.gram * np.outer(prior, prior)
    precision[np.diag_indices_from(precision)] += 1
    moment = prior * sums.moment
    factor = scipy.linalg.cholesky(precision, lower=True, check_finite=False)
    mean = scipy.linalg.cho_solve((factor, True), moment, check_finite=False)
    return _Solved(prior, factor, mean, max(sums.square - float(moment @ mean), 0.0))


@dataclass(frozen=True, slots=True)
class BayesianRidge:
    """A fitted model.

    Attributes:
        weights: (P,) posterior mean of the features' weights.
        factor: (P, P); the weights' posterior covariance is `factor @ factor.T`.
        noise: variance of one label.
        ratios: of each block from 1 on, over the noise.
    """

    weights: Doubles
    factor: Doubles
    noise: float
    ratios: tuple[float, ...]
    _solved: _Solved

    @classmethod
    def fit(
        cls, features: Doubles, target: Doubles, blocks: Codes, ratios: tuple[float, ...]
    ) -> BayesianRidge:
        """The posterior for known ratios; arguments as for `learned_ratios`."""
        solved = _solve(_Sums.of(features, target), blocks, ratios)
        noise = (solved.quadratic + _PRIOR_LABELS * _PRIOR_NOISE) / (len(target) + _PRIOR_LABELS)
        identity = np.eye(len(blocks))
        inverse = scipy.linalg.solve_triangular(solved.factor, identity, lower=True, check_finite=False)
        factor = np.sqrt(noise) * solved.prior[:, None] * inverse.T
        return cls(solved.prior * solved.mean, factor, float(noise), ratios, solved)

    def held_out(self, features: Doubles, target: Doubles, groups: Codes) -> HeldOut:
        """Predictions of the labels that were fitted, each without its group (N,), with the same ratios and noise.

        Of more than 200 groups several are left out at a time.
        """
        scaled = features * self._solved.prior
        factor = self._solved.factor
        whitened = scipy.linalg.solve_triangular(factor, scaled.T, lower=True, check_finite=False).T
        residual = target - scaled @ self._solved.mean
        mean, variance = np.empty(len(target)), np.empty(len(target))
        for rows in _folds(groups):
            error, spread = _without(whitened[rows], residual[rows])
            mean[rows], variance[rows] = target[rows] - error, spread
        return HeldOut(mean, np.sqrt(self.noise * variance))


def _without(whitened: Doubles, residual: Doubles) -> tuple[Doubles, Doubles]:
    """Errors (n,) and variances (n,) over the noise of some rows, predicted without them.

    With the rows U = `whitened` (features over the root of the posterior precision) the precision without them is
    I - U^T U, so that their errors are (I - U U^T)^-1 of their residuals: whichever of the two is smaller is solved.
    """
    n, p = whitened.shape
    slack = 1e-10
    if n <= p:
        inner = np.eye(n) * (1 + slack) - whitened @ whitened.T
        inverse = np.linalg.inv(inner)
        return inverse @ residual, np.diag(inverse).copy()
    inner = np.eye(p) * (1 + slack) - whitened.T @ whitened
    factor = scipy.linalg.cholesky(inner, lower=True, check_finite=False)
    half = scipy.linalg.solve_triangular(factor, whitened.T, lower=True, check_finite=False)
    return residual + half.T @ (half @ residual), (half**2).sum(axis=0) + 1


def _folds(groups: Codes) -> list[Codes]:
    """Rows of each group, or of several groups where there are more than 200."""
    fold = groups % _MOST_FOLDS
    order = np.argsort(fold, kind="stable")
    return [rows for rows in np.split(order, np.flatnonzero(np.diff(fold[order])) + 1) if len(rows)]
