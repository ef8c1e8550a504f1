"""Bayesian ridge regression whose labels come in groups: the closed model behind yields.

The model is y = s(x) b + u_group + e with b ~ N(0, ratio of its block * noise), u ~ N(0, group ratio * noise) and
e ~ N(0, noise). Labels of one place share u, so a hundred labels of one valley do not count as a hundred places
(a linear mixed model; Rasmussen and Williams 2006, section 2.1, with the group effect among the noise). Everything
is a function of sums over groups, and what a held-out group would have been predicted as is closed too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.optimize

__all__ = ["GroupedRidge", "HeldOut", "Ratios", "learned_ratios"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_INTERCEPT = 1e4  # ratio of the constant's variance: in effect unpenalised, for targets near zero of size one
_PRIOR_LABELS, _PRIOR_NOISE = (
    2.0,
    0.5,
)  # the noise of a standardised target before any label, worth two labels
_PRIOR_SPREAD = 1.5  # standard deviation of a log ratio before any label
_PRIOR_GROUP = np.log(0.3)
_BOUNDS = (-9.0, 7.0)
_MOST_FOLDS = 200  # more groups are held out several at a time: the rest of the labels hardly changes


@dataclass(frozen=True, slots=True)
class Ratios:
    """Variances over that of one label's noise: of each block of features, and of what a group shares."""

    blocks: tuple[float, ...]
    group: float


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What each label would have been predicted as without its group: `mean` and `deviation` (N,)."""

    mean: Doubles
    deviation: Doubles


@dataclass(frozen=True, slots=True)
class _Sums:
    """All that the likelihood needs of N labels in G groups and P features."""

    gram: Doubles
    moment: Doubles
    square: float
    sizes: Doubles
    features: Doubles
    targets: Doubles

    @classmethod
    def of(cls, features: Doubles, target: Doubles, groups: Codes) -> _Sums:
        sizes = np.bincount(groups).astype(np.float64)
        by_group = np.zeros((len(sizes), features.shape[1]))
        np.add.at(by_group, groups, features)
        return cls(
            features.T @ features,
            features.T @ target,
            float(target @ target),
            sizes,
            by_group,
            np.bincount(groups, target).astype(np.float64),
        )


@dataclass(frozen=True, slots=True)
class _Solved:
    """The posterior in features scaled by their prior: `factor` is the lower Cholesky factor of the precision."""

    prior: Doubles
    factor: Doubles
    mean: Doubles
    quadratic: float
    log_determinant: float


def learned_ratios(
    features: Doubles, target: Doubles, groups: Codes, blocks: Codes, centres: tuple[float, ...]
) -> tuple[Ratios, float]:
    """The ratios of largest marginal likelihood times prior, and its negative logarithm.

    Args:
        features: (N, P), the first of them the constant.
        target: (N,) of about zero mean and size one.
        groups: (N,) group of each label, 0..G-1.
        blocks: (P,) block of each feature: 0 the constant, then 1, 2, …
        centres: logarithm of each block's ratio before any label, for the blocks from 1 on.
    """
    sums = _Sums.of(features, target, groups)
    grouped = bool((sums.sizes > 1).any() and len(sums.sizes) > 1)
    expected = np.array([*centres, _PRIOR_GROUP] if grouped else centres)

    def cost(logs: Doubles) -> float:
        ratios = _ratios(logs, len(centres))
        solved = _solve(sums, blocks, ratios)
        labels = len(target) + _PRIOR_LABELS
        fit = 0.5 * labels * np.log(solved.quadratic + _PRIOR_LABELS * _PRIOR_NOISE)
        return float(
            fit + 0.5 * solved.log_determinant + 0.5 * (((logs - expected) / _PRIOR_SPREAD) ** 2).sum()
        )

    found = scipy.optimize.minimize(
        cost, expected, method="L-BFGS-B", bounds=[_BOUNDS] * len(expected), options={"maxiter": 40}
    )
    return _ratios(found.x, len(centres)), float(found.fun)


def _ratios(logs: Doubles, n_blocks: int) -> Ratios:
    values = np.exp(logs)
    group = float(values[n_blocks]) if len(values) > n_blocks else 0.0
    return Ratios(tuple(float(v) for v in values[:n_blocks]), group)


def _solve(sums: _Sums, blocks: Codes, ratios: Ratios) -> _Solved:
    shrink = ratios.group / (1 + sums.sizes * ratios.group)
    weighted = sums.features * shrink[:, None]
    prior = np.sqrt(np.array([_INTERCEPT, *ratios.blocks]))[blocks]
    precision = (sums.gram - weighted.T @ sums.features) * np.outer(prior, prior)
    precision[np.diag_indices_from(precision)] += 1
    moment = prior * (sums.moment - weighted.T @ sums.targets)
    factor = scipy.linalg.cholesky(precision, lower=True, check_finite=False)
    mean = scipy.linalg.cho_solve((factor, True), moment, check_finite=False)
    quadratic = sums.square - float(shrink @ sums.targets**2) - float(moment @ mean)
    determinant = 2 * np.log(np.diag(factor)).sum() + np.log1p(sums.sizes * ratios.group).sum()
    return _Solved(prior, factor, mean, max(quadratic, 0.0), float(determinant))


@dataclass(frozen=True, slots=True)
class GroupedRidge:
    """A fitted model.

    Attributes:
        weights: (P,) posterior mean of the features' weights.
        factor: (P, P); the weights' posterior covariance is `factor @ factor.T`.
        noise: variance of one label in its group.
        group: variance of what a group shares.
    """

    weights: Doubles
    factor: Doubles
    noise: float
    group: float
    _solved: _Solved
    _ratios: Ratios

    @classmethod
    def fit(
        cls, features: Doubles, target: Doubles, groups: Codes, blocks: Codes, ratios: Ratios
    ) -> GroupedRidge:
        """The posterior for known ratios; arguments as for `learned_ratios`."""
        solved = _solve(_Sums.of(features, target, groups), blocks, ratios)
        noise = (solved.quadratic + _PRIOR_LABELS * _PRIOR_NOISE) / (len(target) + _PRIOR_LABELS)
        identity = np.eye(len(blocks))
        inverse = scipy.linalg.solve_triangular(solved.factor, identity, lower=True, check_finite=False)
        factor = np.sqrt(noise) * solved.prior[:, None] * inverse.T
        return cls(
            solved.prior * solved.mean, factor, float(noise), float(noise * ratios.group), solved, ratios
        )

    def held_out(self, features: Doubles, target: Doubles, groups: Codes) -> HeldOut:
        """Predictions of the labels that were fitted, each without its group and with the same ratios.

        With K the covariance of all labels, a group's error is (K^-1)_gg^-1 (K^-1 y)_g (Rasmussen and Williams 2006,
        equation 5.12, for blocks).
        """
        solved = self._solved
        scaled = features * solved.prior
        whitened = scipy.linalg.solve_triangular(solved.factor, scaled.T, lower=True, check_finite=False).T
        residual = target - scaled @ solved.mean
        mean, variance = np.empty(len(target)), np.empty(len(target))
        for rows in _folds(groups):
            error, spread = self._without(whitened[rows], residual[rows], groups[rows])
            mean[rows], variance[rows] = target[rows] - error, spread
        return HeldOut(mean, np.sqrt(self.noise * variance))

    def _without(self, whitened: Doubles, residual: Doubles, groups: Codes) -> tuple[Doubles, Doubles]:
        """Errors (n,) and variances (n,) over the noise of rows of whole groups, predicted without them."""
        scaled, pull = self._weighted(whitened, groups), self._weighted(residual[:, None], groups)[:, 0]
        inner = np.eye(whitened.shape[1]) - whitened.T @ scaled
        factor = scipy.linalg.cholesky(inner + 1e-10 * np.eye(len(inner)), lower=True, check_finite=False)
        half = scipy.linalg.solve_triangular(factor, whitened.T, lower=True, check_finite=False)
        error = residual + half.T @ (half @ pull)
        return error, (half**2).sum(axis=0) + 1 + self._ratios.group

    def _weighted(self, rows: Doubles, groups: Codes) -> Doubles:
        """The inverse of the noise of rows (n, k), over that of one label, applied to them."""
        _, local, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        sums = np.zeros((len(sizes), rows.shape[1]))
        np.add.at(sums, local, rows)
        shrink = self._ratios.group / (1 + sizes * self._ratios.group)
        return rows - (shrink[:, None] * sums)[local]


def _folds(groups: Codes) -> list[Codes]:
    """Rows of each group, or of several groups where there are more than 200."""
    fold = groups % _MOST_FOLDS
    order = np.argsort(fold, kind="stable")
    return [rows for rows in np.split(order, np.flatnonzero(np.diff(fold[order])) + 1) if len(rows)]
