"""Honest evaluation of yields: whole groups, regions or seasons held out, with the plain baselines beside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surco.adapters.checks import checked_groups, require_finite
from surco.adapters.errors import LabelsError
from surco.adapters.regression_scores import RegressionScores, paired_difference, score_values
from surco.adapters.scores import Estimate
from surco.adapters.target_checks import checked_targets

__all__ = ["REGRESSION_BASELINES", "RegressionEvaluation", "cross_validate_values"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

REGRESSION_BASELINES: Mapping[str, Callable[[int], Any]] = {
    "ridge": lambda n: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 5, 15))),
    "random forest": lambda n: RandomForestRegressor(200, random_state=0),
    "extra trees": lambda n: ExtraTreesRegressor(200, random_state=0),
    "k-nearest neighbours": lambda n: make_pipeline(
        StandardScaler(), KNeighborsRegressor(min(10, n), weights="distance")
    ),
}
"""The plain regressions every report shows beside the adapter, made for a number of training labels."""


@dataclass(frozen=True, slots=True)
class RegressionEvaluation:
    """Scores of the adapter and of each baseline on labels whose group they did not see.

    Attributes:
        split: in words how labels were held out; where that was impossible, why, and what to do.
        scores: of the adapter; None where nothing could be held out.
        baselines: scores by name; "… on raw bands" where raw bands were given.
        differences: the adapter's RMSE less each baseline's, on the same resamples: below zero is better.
        parts: scores of the adapter in each part held out (a region, a season), by name.
        observed, predicted: (N,) of the labels that were held out; NaN predictions where one never was.
        intervals: (N, 2) of the adapter.
    """

    split: str
    scores: RegressionScores | None
    baselines: Mapping[str, RegressionScores] = field(default_factory=dict)
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    parts: Mapping[str, RegressionScores] = field(default_factory=dict)
    observed: Doubles = field(default_factory=lambda: np.zeros(0))
    predicted: Doubles = field(default_factory=lambda: np.zeros(0))
    intervals: Doubles = field(default_factory=lambda: np.zeros((0, 2)))

    def as_dict(self) -> dict[str, object]:
        """The scores as plain JSON values, without the predictions."""
        return {
            "split": self.split,
            "scores": None if self.scores is None else self.scores.as_dict(),
            "baselines": {name: scores.as_dict() for name, scores in self.baselines.items()},
            "differences": {
                name: {"value": d.value, "low": d.low, "high": d.high} for name, d in self.differences.items()
            },
            "parts": {name: scores.as_dict() for name, scores in self.parts.items()},
        }


def cross_validate_values(
    adapter: Any,
    X: Any,
    y: Any,
    groups: Any = None,
    *,
    parts: Any = None,
    calibrate_on: Any = None,
    known: Any = None,
    raw: Any = None,
    folds: int = 5,
    baselines: Collection[str] | bool = True,
    coverage: float = 0.9,
) -> RegressionEvaluation:
    """Score a regression adapter on groups, regions or seasons held out in turn.

    Args:
        adapter: an unfitted adapter; it is cloned, never changed.
        X: (N, D) vectors.
        y: (N,) measured values.
        groups: (N,) spatial block of each label; None takes labels for independent.
        parts: (N,) region or season of each label, held out one after another; None makes folds of whole groups.
        calibrate_on: (N,) what the adapter holds out to calibrate its intervals; None takes the groups. Seasons held
            out ask for seasons here, where there are several to learn from.
        known: (N,) what is known of a place without looking, such as its season: the mean of its labels is one more
            baseline.
        raw: (N, B) raw bands of the same places, for the baselines; NaN becomes the training labels' median.
        folds: how many parts the groups are split into, at most, where `parts` is None.
        baselines: score the mean and the regressions of `REGRESSION_BASELINES` too, all or those named.
        coverage: of the intervals, 0..1.

    Raises:
        LabelsError, VectorsError: as `fit`; parts that leave nothing to hold out come back as words.
    """
    vectors = np.asarray(X)
    require_finite(vectors)
    target = checked_targets(y, len(vectors))
    blocks = checked_groups(groups, len(vectors))
    names, part = _parts(parts, blocks, folds)
    if len(names) < 2:
        return RegressionEvaluation(_too_few(len(target), blocks, parts is not None), None)
    splits = [(np.flatnonzero(part != p), np.flatnonzero(part == p)) for p in range(len(names))]
    shared = blocks if calibrate_on is None else checked_groups(calibrate_on, len(vectors))
    predicted, intervals = _held_out(adapter, vectors, target, shared, splits, coverage)
    ours = score_values(target, predicted, blocks, intervals)
    others = {}
    if baselines:
        tables = {"": vectors} if raw is None else {"": vectors, " on raw bands": _filled(raw, len(vectors))}
        plain = [n for n in REGRESSION_BASELINES if baselines is True or n in baselines]
        others = _baseline_predictions(tables, plain, target, splits, known)
    return RegressionEvaluation(
        _words(len(target), blocks, names, parts is not None),
        ours,
        {name: score_values(target, p, blocks) for name, p in others.items()},
        {name: paired_difference(target, predicted, p, blocks) for name, p in others.items()},
        {
            name: score_values(target[rows], predicted[rows], blocks[rows], intervals[rows])
            for name, (_, rows) in zip(names, splits, strict=True)
            if parts is not None
        },
        target,
        predicted,
        intervals,
    )


def _parts(parts: Any, blocks: Codes, folds: int) -> tuple[list[str], Codes]:
    """Names of what is held out, and which of them (N,) each label is."""
    if parts is not None:
        given = np.asarray(parts)
        if given.shape != blocks.shape:
            raise LabelsError(
                f"expected one region or season a label, shape {blocks.shape}; got shape {given.shape}: "
                "give each label the part it is held out with"
            )
        names, codes = np.unique(given.astype(str), return_inverse=True)
        return names.tolist(), codes.astype(np.intp)
    count = min(folds, len(np.unique(blocks)))
    if count < 2:
        return ["all"], np.zeros(len(blocks), np.intp)
    fold = np.empty(len(blocks), np.intp)
    for number, (_, rows) in enumerate(GroupKFold(count).split(blocks, groups=blocks)):
        fold[rows] = number
    return [str(number) for number in range(count)], fold


def _held_out(
    adapter: Any,
    vectors: npt.NDArray[Any],
    target: Doubles,
    blocks: Codes,
    splits: list[tuple[Codes, Codes]],
    coverage: float,
) -> tuple[Doubles, Doubles]:
    predicted, intervals = np.empty(len(target)), np.empty((len(target), 2))
    for train, test in splits:
        fitted = clone(adapter).fit(vectors[train], target[train], groups=blocks[train])
        predicted[test] = fitted.predict(vectors[test])
        intervals[test] = fitted.predict_interval(vectors[test], coverage)
    return predicted, intervals


def _baseline_predictions(
    tables: Mapping[str, npt.NDArray[Any]],
    plain: Sequence[str],
    target: Doubles,
    splits: list[tuple[Codes, Codes]],
    known: Any,
) -> dict[str, Doubles]:
    """Held-out predictions (N,) of each baseline, by name."""
    found = {"mean": _by_mean(target, splits, np.zeros(len(target), np.intp))}
    if known is not None:
        found["mean of what is known"] = _by_mean(target, splits, checked_groups(known, len(target)))
    for where, table in tables.items():
        for name in plain:
            predicted = np.empty(len(target))
            for train, test in splits:
                fill = _median(table[train])
                model = REGRESSION_BASELINES[name](len(train)).fit(
                    _without_nan(table[train], fill), target[train]
                )
                predicted[test] = model.predict(_without_nan(table[test], fill))
            found[name + where] = predicted
    return found


def _by_mean(target: Doubles, splits: list[tuple[Codes, Codes]], known: Codes) -> Doubles:
    """The mean of training labels of the same known code, or of all where there is none such."""
    predicted = np.empty(len(target))
    for train, test in splits:
        sums = np.bincount(known[train], target[train], known.max() + 1)
        counts = np.bincount(known[train], minlength=known.max() + 1)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), target[train].mean())
        predicted[test] = means[known[test]]
    return predicted


def _filled(raw: Any, rows: int) -> npt.NDArray[Any]:
    table = np.asarray(raw, np.float32).reshape(rows, -1)
    return np.asarray(table[:, np.isfinite(table).any(axis=0)])


def _median(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    seen = np.isfinite(table)
    return np.array([np.median(c[s]) if s.any() else 0.0 for c, s in zip(table.T, seen.T, strict=True)])


def _without_nan(table: npt.NDArray[Any], fill: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where(np.isfinite(table), table, fill)


def _words(labels: int, blocks: Codes, names: list[str], named: bool) -> str:
    groups = len(np.unique(blocks))
    if named:
        return f"each of {len(names)} parts held out in turn ({', '.join(names)}): {labels} labels, {groups} groups"
    return f"{len(names)} folds of whole groups: {labels} labels in {groups} groups, no group in both training and test"


def _too_few(labels: int, blocks: Codes, named: bool) -> str:
    what = "one region or season" if named else f"{len(np.unique(blocks))} spatial group"
    return (
        f"not evaluated: {labels} labels in {what}; at least two are needed to hold any out. "
        "Label places farther apart"
    )
