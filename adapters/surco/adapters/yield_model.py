"""From labelled vectors to a fitted model: ratios by marginal likelihood, the kind by held-out groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.bayesian_ridge import BayesianRidge, HeldOut, learned_ratios
from surco.adapters.conformal_interval import ConformalInterval
from surco.adapters.kernel_features import Features, standardised

__all__ = ["MOST_ROWS_OF_PROCESS", "YieldModel", "fitted_model"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

MOST_ROWS_OF_PROCESS = 2000
_CHOSEN = 160
# Ratios are a few numbers: they are learned from some of the groups, with fewer chosen rows.
_LABELS_FOR_RATIOS, _CHOSEN_FOR_RATIOS = 600, 64
_LENGTHS = (0.7, 1.4, 2.8)
_SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)
_LEAST_GROUPS = 5  # fewer cannot tell one kind from the other
# Logarithms of signal over noise before any label, of directions and kernel.
_LINEAR, _KERNEL = float(np.log(0.5)), float(np.log(0.5))


@dataclass(frozen=True, slots=True)
class YieldModel:
    """A fitted model of a standardised target: features, ridge, the kernel's variance, and held-out predictions."""

    features: Features
    ridge: BayesianRidge
    kernel_variance: float
    held_out: HeldOut

    @classmethod
    def fit(
        cls,
        features: Features,
        vectors: npt.NDArray[Any],
        target: Doubles,
        groups: Codes,
        ratios: tuple[float, ...],
    ) -> YieldModel:
        """The best of the posteriors for these ratios and some times as much: by labels predicted without their group.

        Labels of one place resemble each other, so the likelihood, which takes them for independent, believes the
        vectors too much or too little.
        """
        rows = features.of(vectors)
        doubles, left = rows.astype(np.float64), features.left_over(rows)
        some = [
            cls._scaled(features, doubles, left, target, groups, tuple(scale * r for r in ratios))
            for scale in (_SCALES if _may_choose(target, groups) else (1.0,))
        ]
        return min(some, key=lambda model: model.squared_errors(target, groups).mean())

    @classmethod
    def _scaled(
        cls,
        features: Features,
        rows: Doubles,
        left: Floats,
        target: Doubles,
        groups: Codes,
        ratios: tuple[float, ...],
    ) -> YieldModel:
        ridge = BayesianRidge.fit(rows, target, features.blocks(), ratios)
        kernel_variance = ridge.noise * ratios[1] if len(features.chosen) else 0.0
        without = ridge.held_out(rows, target, groups)
        variance = without.deviation**2 + kernel_variance * left
        return cls(features, ridge, kernel_variance, HeldOut(without.mean, np.sqrt(variance)))

    def interval(self, target: Doubles, groups: Codes) -> ConformalInterval:
        """The held-out errors of (N,) targets as a distribution; unknown where there is only one group."""
        if groups.max() == 0:
            return ConformalInterval.unknown()
        scores = np.abs(target - self.held_out.mean) / self.held_out.deviation
        exact = np.abs(target - self.held_out.mean) < 1e-7
        return ConformalInterval.of(np.where(exact, 0.0, scores), groups)

    def squared_errors(self, target: Doubles, groups: Codes) -> Doubles:
        """Mean squared error (G,) of each group's labels, predicted without it."""
        errors = (target - self.held_out.mean) ** 2
        return np.asarray(np.bincount(groups, errors) / np.bincount(groups))


def fitted_model(
    vectors: npt.NDArray[Any], target: Doubles, groups: Codes, *, kernel: str, each: bool
) -> YieldModel:
    """The model of labelled vectors (N, D), a standardised target (N,) and groups (N,), 0..G-1.

    Args:
        vectors: finite.
        target: of zero mean and unit size.
        groups: labels of one group are held out together.
        kernel: "linear", "process" or "auto".
        each: standardise every dimension by itself.
    """
    features = standardised(vectors, each=each)
    some = _some_groups(groups)
    directions = features.of(vectors)[:, 1 : 1 + features.projection.shape[1]]

    def linear() -> YieldModel:
        ratios, _ = _ratios(features, directions[some], target[some])
        return YieldModel.fit(features, vectors, target, groups, ratios)

    def process() -> YieldModel:
        tried = []
        for length in _LENGTHS:
            small = features.with_kernel(directions[some], length, _CHOSEN_FOR_RATIOS)
            tried.append((*_ratios(small, directions[some], target[some]), length))
        ratios, _, length = min(tried, key=lambda row: row[1])
        whole = features.with_kernel(_evenly(directions, MOST_ROWS_OF_PROCESS), length, _CHOSEN)
        return YieldModel.fit(whole, vectors, target, groups, ratios)

    if kernel == "linear" or (kernel == "auto" and not _may_choose(target, groups)):
        return linear()
    return process() if kernel == "process" else _better(linear(), process(), target, groups)


def _ratios(features: Features, directions: Floats, target: Doubles) -> tuple[tuple[float, ...], float]:
    rows = features.of_directions(directions).astype(np.float64)
    centres = (_LINEAR, _KERNEL) if len(features.chosen) else (_LINEAR,)
    return learned_ratios(rows, target, features.blocks(), centres)


def _better(linear: YieldModel, process: YieldModel, target: Doubles, groups: Codes) -> YieldModel:
    """The one whose errors on held-out groups are smaller."""
    errors = [model.squared_errors(target, groups).mean() for model in (linear, process)]
    return process if errors[1] < errors[0] else linear


def _may_choose(target: Doubles, groups: Codes) -> bool:
    return len(target) <= MOST_ROWS_OF_PROCESS and groups.max() + 1 >= _LEAST_GROUPS


def _some_groups(groups: Codes) -> Codes:
    """Rows of whole groups, evenly spaced among all, about 600; parts of groups where there are few large ones."""
    if len(groups) <= _LABELS_FOR_RATIOS:
        return np.arange(len(groups))
    sizes = np.bincount(groups)
    wanted = max(2, round(_LABELS_FOR_RATIOS / sizes.mean()))
    step = max(1, len(sizes) // wanted)
    rows = np.flatnonzero(groups % step == 0)
    order = rows[np.argsort(groups[rows], kind="stable")]
    return np.sort(_evenly(order, 2 * _LABELS_FOR_RATIOS))


def _evenly(rows: npt.NDArray[Any], most: int) -> npt.NDArray[Any]:
    """At most `most` of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    some: npt.NDArray[Any] = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
    return some
