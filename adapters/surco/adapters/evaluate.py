"""Honest evaluation: whole spatial groups held out, the plain heads beside, and silence where labels are too few."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

from surco.adapters.checks import checked_groups, checked_labels, require_finite
from surco.adapters.crop_type_adapter import CropTypeAdapter
from surco.adapters.errors import LabelsError, VectorsError
from surco.adapters.evaluation.baselines import BASELINES
from surco.adapters.evaluation.calibration import Reliability, reliability
from surco.adapters.evaluation.splits import untestable
from surco.adapters.scores import Scores, score

__all__ = ["CrossValidation", "cross_validate", "fit_each", "holdout_report"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Scores of the adapter and of each baseline on groups they did not see.

    `split` says in words how labels were held out. Where that was impossible `scores` is None, `baselines` and
    `reliability` are empty, and `split` says why. `reliability` are the points of the adapter's reliability diagram.
    """

    split: str
    scores: Scores | None
    baselines: Mapping[str, Scores]
    reliability: tuple[Reliability, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The report as plain JSON values."""
        return {
            "split": self.split,
            "scores": None if self.scores is None else self.scores.as_dict(),
            "baselines": {name: s.as_dict() for name, s in self.baselines.items()},
            "reliability": [asdict(point) for point in self.reliability],
        }


def cross_validate(
    adapter: Any,
    X: Any,
    y: Any,
    groups: Any,
    *,
    pool: Any = None,
    folds: int = 5,
    baselines: bool | Collection[str] = True,
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
        baselines: score the plain heads of `BASELINES` too, all or those named.

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

    def held_out(fitted: Sequence[Any]) -> Doubles:
        proba = np.zeros((len(vectors), len(classes)))
        for each, (_, test) in zip(fitted, splits, strict=True):
            proba[np.ix_(test, each.classes_)] = each.predict_proba(vectors[test])
        return proba

    trains = [train for train, _ in splits]
    ours = held_out(fit_each(adapter, vectors, codes, blocks, trains, pool=pool))
    plain = {n: m for n, m in BASELINES.items() if baselines is True or (baselines and n in baselines)}
    theirs = {
        n: held_out([m(len(rows)).fit(vectors[rows], codes[rows]) for rows in trains])
        for n, m in plain.items()
    }
    return CrossValidation(
        f"{len(splits)} folds of whole groups: {len(vectors)} labels in {n_groups} groups, "
        "no group in both training and test",
        score(codes, ours, names, blocks),
        {name: score(codes, proba, names, blocks) for name, proba in theirs.items()},
        reliability(codes, ours),
    )


def fit_each(
    adapter: Any, X: Any, y: Any, groups: Any, subsets: Sequence[Codes], **also: Any
) -> Sequence[Any]:
    """Classifiers fitted on each of several subsets of the labels; `adapter` is cloned, never changed.

    An adapter that has a `fit_each` of its own shares what the subsets have in common.
    """
    if isinstance(adapter, CropTypeAdapter) and not set(also) - {"pool"}:
        return adapter.fit_each(X, y, groups, subsets, **also)
    return [clone(adapter).fit(X[rows], y[rows], groups=groups[rows], **also) for rows in subsets]


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
