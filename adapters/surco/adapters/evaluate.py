"""Honest evaluation: whole spatial groups held out, the plain heads beside, and silence where labels are too few."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

from surco.adapters.checks import checked_groups, checked_labels, require_finite
from surco.adapters.errors import LabelsError, VectorsError
from surco.adapters.evaluation.baselines import BASELINES, Classifier
from surco.adapters.evaluation.splits import untestable
from surco.adapters.scores import Scores, score

__all__ = ["CrossValidation", "cross_validate", "holdout_report"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Scores of the adapter and of each baseline on groups they did not see.

    `split` says in words how labels were held out. Where that was impossible `scores` is None, `baselines` is empty,
    and `split` says why.
    """

    split: str
    scores: Scores | None
    baselines: Mapping[str, Scores]

    def as_dict(self) -> dict[str, object]:
        """The report as plain JSON values."""
        return {
            "split": self.split,
            "scores": None if self.scores is None else self.scores.as_dict(),
            "baselines": {name: s.as_dict() for name, s in self.baselines.items()},
        }


def cross_validate(
    adapter: Any, X: Any, y: Any, groups: Any, *, pool: Any = None, folds: int = 5, baselines: bool = True
) -> CrossValidation:
    """Score an adapter on whole groups held out in turn.

    Args:
        adapter: an unfitted adapter; it is cloned, never changed.
        X: (N, D) vectors.
        y: (N,) classes.
        groups: (N,) spatial block of each label.
        pool: unlabelled vectors (M, D) or `LocalScatter`, as `fit` takes it. They may include the held-out places:
            a table's vectors are known wherever the map is drawn, their labels are not.
        folds: how many parts the groups are split into, at most.
        baselines: score the plain heads of `BASELINES` too.

    Raises:
        LabelsError, VectorsError: as `fit`.
    """
    vectors = np.asarray(X)
    require_finite(vectors)
    classes, codes = checked_labels(y, len(vectors))
    blocks = checked_groups(groups, len(vectors))
    names = [str(c) for c in classes]
    why_not = untestable(codes, blocks, len(classes))
    if why_not:
        return CrossValidation(f"not evaluated: {why_not}", None, {})
    n_groups = len(np.unique(blocks))
    splits = list(GroupKFold(min(folds, n_groups)).split(vectors, groups=blocks))

    def held_out(make: Callable[[Codes], Classifier]) -> Scores:
        proba = np.zeros((len(vectors), len(classes)))
        for train, test in splits:
            fitted = make(train)
            proba[np.ix_(test, fitted.classes_)] = fitted.predict_proba(vectors[test])
        return score(codes, proba, names, blocks)

    def fit_adapter(train: Codes) -> Classifier:
        fitted: Classifier = clone(adapter).fit(vectors[train], codes[train], groups=blocks[train], pool=pool)
        return fitted

    plain = BASELINES if baselines else {}
    return CrossValidation(
        f"{len(splits)} folds of whole groups: {len(vectors)} labels in {n_groups} groups, "
        "no group in both training and test",
        held_out(fit_adapter),
        {n: held_out(lambda t, m=m: m(len(t)).fit(vectors[t], codes[t])) for n, m in plain.items()},  # type: ignore[misc]
    )


def holdout_report(y_true: Any, proba: Any, classes: Any, groups: Any = None, weights: Any = None) -> Scores:
    """Score predictions for places that no adapter was trained on.

    Args:
        y_true: (N,) true classes.
        proba: (N, K) probabilities, rows summing to one.
        classes: (K,) class of each column.
        groups: (N,) spatial blocks for the interval; None takes each row for itself.
        weights: (N,) weight of each row, such as the parcel's area in m²; None counts rows.

    Raises:
        LabelsError: no rows, a true class that is no column, groups of another length.
        VectorsError: probabilities or weights of another shape, negative, not finite, or not summing to one.
    """
    names = [str(c) for c in np.asarray(classes).tolist()]
    truth = [str(v) for v in np.asarray(y_true).tolist()]
    table = np.asarray(proba, np.float64)
    if table.shape != (len(truth), len(names)) or not truth:
        raise VectorsError(
            f"expected probabilities of shape (rows, classes) = ({len(truth)}, {len(names)}), at least one row; "
            f"got {table.shape}: pass predict_proba of the same places as the labels"
        )
    if not np.isfinite(table).all() or (table < 0).any() or np.abs(table.sum(axis=1) - 1).max() > 1e-3:
        raise VectorsError(
            "expected rows of probabilities that sum to one; got others: pass what predict_proba returned"
        )
    position = {name: i for i, name in enumerate(names)}
    unknown = sorted(set(truth) - set(position))
    if unknown:
        raise LabelsError(
            f"expected true classes among the adapter's ({', '.join(names)}); got {', '.join(unknown)}: "
            "fit with labels of these classes, or leave the rows out"
        )
    codes = np.array([position[t] for t in truth], np.intp)
    return score(
        codes, table, names, checked_groups(groups, len(truth)), _checked_weights(weights, len(truth))
    )


def _checked_weights(weights: Any, rows: int) -> Doubles | None:
    if weights is None:
        return None
    array = np.asarray(weights, np.float64)
    if array.shape != (rows,) or not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
        raise VectorsError(
            f"expected one weight a row, shape ({rows},), finite and not negative; got shape {array.shape}: "
            "pass the areas of the same places"
        )
    return array
