"""Labels that are probably wrong, the most suspicious first.

Each label is judged twice. By an adapter that has not seen it, nor any label of its spatial group: how probable is the
class it was given, beside the likeliest other (confident learning; Northcutt, Jiang and Chuang 2021, Journal of
Artificial Intelligence Research 70). And by a strongly regularised logistic regression on all labels: what is usual in
its own place it knows, and yet one label cannot talk it into a class. The log-ratio of the first and four times the
margin of the second are added; `scripts/evaluate_suspects.py` compares the sum with its parts and others, docs/log.md
keeps the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from surco.adapters.checks import MOST_CLASSES, checked_groups, checked_labels, require_finite
from surco.adapters.crop_type_adapter import CropTypeAdapter
from surco.adapters.evaluate import fit_each

__all__ = ["Suspect", "Suspects", "rank_suspects"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_LEAST_GROUPS = 3
_MOST_LEARNED = 20_000
_CELLS = 1 << 22  # probabilities held at a time: 32 MB
_FLOOR = 0.01  # probabilities below it say no more than that the class is not it


@dataclass(frozen=True, slots=True)
class Suspect:
    """One label and what others say of it.

    Attributes:
        feature: what `features` called it.
        given: its class.
        likely: the likeliest other class.
        given_probability: of its class, 0..1.
        likely_probability: of the likeliest other, 0..1.
        margin: its class less the likeliest other by the fit on all labels, -1..1.
        score: the smaller, the more suspicious.
        flagged: whether the other class is as probable as it is, on average, where it was given (the off-diagonal of
            confident learning's joint).
    """

    feature: int | str
    given: str
    likely: str
    given_probability: float
    likely_probability: float
    margin: float
    score: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class Suspects:
    """Every label that could be judged, the most suspicious first; `unjudged` features, and why in `note`."""

    ranked: tuple[Suspect, ...]
    unjudged: tuple[int | str, ...]
    note: str

    @property
    def flagged(self) -> int:
        """How many labels are at odds with the others: more than are wrong, classes that overlap among them."""
        return sum(one.flagged for one in self.ranked)


def rank_suspects(
    X: npt.ArrayLike,
    y: Any,
    *,
    groups: Any = None,
    features: Sequence[int] | Sequence[str] | npt.NDArray[Any] | None = None,
    adapter: Any = None,
    folds: int = 10,
    **also: Any,
) -> Suspects:
    """Rank labels by how probable it is that they are wrong.

    Args:
        X: (N, D) vectors.
        y: (N,) classes; one or more rows a label.
        groups: (N,) spatial block of each row: a label is never judged by others of its block. None takes each label
            for itself.
        features: (N,) which label each row belongs to; None takes each row for one.
        adapter: the classifier that judges; None takes a `CropTypeAdapter` that is slow to believe single labels.
        folds: how many parts the groups are split into, at most.
        also: what the classifier's `fit` takes beside, such as `pool`.

    Returns:
        All labels in order. Where nothing can be judged `ranked` is empty and `note` says why.

    Raises:
        LabelsError, VectorsError: as `CropTypeAdapter.fit`.
    """
    vectors = np.ascontiguousarray(X, np.float32)
    require_finite(vectors)
    labels = np.asarray(y)
    rows = np.arange(len(vectors)) if features is None else np.asarray(features)
    names, of = np.unique(rows, return_inverse=True)
    blocks = checked_groups(of if groups is None else groups, len(vectors))
    why_not = _unjudgeable(blocks, len(set(labels.tolist())))
    if why_not:
        return Suspects((), tuple(names.tolist()), why_not)
    classes, codes = checked_labels(labels, len(vectors))
    # Means and covariance that lean on the others believe a lone label less: it may be the wrong one.
    judge = CropTypeAdapter(prior_strength=100.0, mean_strength=1.0) if adapter is None else adapter
    own, other, likely = _held_out(judge, vectors, codes, blocks, folds, also)
    margin = _margin(vectors, codes)
    usual = _means(own, codes, len(classes))
    flagged = (other > own) & (other >= usual[likely])
    score = np.log(own + _FLOOR) - 0.5 * np.log(np.maximum(own, other) + _FLOOR) + 4 * margin
    return _by_feature(names, of, classes, codes, likely, np.stack([own, other, margin, score, flagged]))


def _unjudgeable(blocks: Codes, n_classes: int) -> str:
    n_groups = len(np.unique(blocks))
    if n_groups < _LEAST_GROUPS:
        return (
            f"not judged: labels of {n_groups} spatial group(s); at least {_LEAST_GROUPS} are needed to judge one by "
            "the others. Label places farther apart"
        )
    if n_classes > MOST_CLASSES:
        return (
            f"not judged: {n_classes} classes; at most {MOST_CLASSES} are. Sum them up to fewer "
            "classes by a legend first"
        )
    return ""


def _held_out(
    judge: Any,
    vectors: npt.NDArray[np.float32],
    codes: Codes,
    blocks: Codes,
    folds: int,
    also: dict[str, Any],
) -> tuple[Doubles, Doubles, Codes]:
    """Probability of the own class, of the likeliest other, and which that is: (N,) each.

    NaN where the fold's training labels do not have the own class, or one class only.
    """
    own, other = np.full(len(codes), np.nan), np.full(len(codes), np.nan)
    likely = np.zeros(len(codes), np.intp)
    splits = GroupKFold(min(folds, len(np.unique(blocks)))).split(vectors, groups=blocks)
    # A fold that leaves one class to learn from judges nothing.
    usable = [(train, test) for train, test in splits if len(np.unique(codes[train])) > 1]
    judges = fit_each(judge, vectors, codes, blocks, [train for train, _ in usable], **also)
    for fitted, (_, test) in zip(judges, usable, strict=True):
        known = fitted.classes_
        test = test[np.isin(codes[test], known)]
        step = max(1, _CELLS // len(known))
        for rows in (test[i : i + step] for i in range(0, len(test), step)):
            proba = np.asarray(fitted.predict_proba(vectors[rows]), np.float64)
            mine = np.searchsorted(known, codes[rows])
            at = np.arange(len(rows))
            own[rows] = proba[at, mine]
            proba[at, mine] = -1.0
            likely[rows] = known[proba.argmax(axis=1)]
            other[rows] = proba.max(axis=1)
    return own, other, likely


def _margin(vectors: npt.NDArray[np.float32], codes: Codes) -> Doubles:
    """Probability (N,) of the own class less that of the likeliest other, -1..1, by one fit on all labels.

    Of more than 20,000 rows evenly spaced ones are learned from.
    """
    standard = StandardScaler().fit_transform(vectors.astype(np.float64))
    learned = np.union1d(np.arange(0, len(codes), -(-len(codes) // _MOST_LEARNED)), _first_of_each(codes))
    fitted = LogisticRegression(C=0.1, max_iter=2000, tol=1e-3).fit(standard[learned], codes[learned])
    out = np.empty(len(codes))
    step = max(1, _CELLS // len(fitted.classes_))
    for start in range(0, len(codes), step):
        rows = slice(start, start + step)
        proba = fitted.predict_proba(standard[rows])
        at = np.arange(len(proba))
        own = proba[at, codes[rows]]
        proba[at, codes[rows]] = -1.0
        out[rows] = own - proba.max(axis=1)
    return out


def _first_of_each(codes: Codes) -> Codes:
    return np.unique(codes, return_index=True)[1].astype(np.intp)


def _means(values: Doubles, codes: Codes, k: int) -> Doubles:
    """Mean (K,) by class of the values that are there; infinity where none is."""
    there = np.isfinite(values)
    count = np.bincount(codes[there], minlength=k)
    total = np.bincount(codes[there], values[there], minlength=k)
    return np.where(count > 0, total / np.maximum(count, 1), np.inf)


def _by_feature(
    names: npt.NDArray[Any],
    of: Codes,
    classes: npt.NDArray[np.generic],
    codes: Codes,
    likely: Codes,
    columns: Doubles,
) -> Suspects:
    """Rows of one label become one: means, and the other class that most of its rows find likeliest."""
    judged = np.isfinite(columns[3])
    count = np.bincount(of[judged], minlength=len(names))
    mean = np.stack(
        [np.bincount(of[judged], column[judged], len(names)) / np.maximum(count, 1) for column in columns]
    )
    first = np.full(len(names), -1, np.intp)
    first[of[::-1]] = np.arange(len(of))[::-1]
    found = np.flatnonzero(count)
    order = found[np.argsort(mean[3, found], kind="stable")]
    commonest = _commonest(of[judged], likely[judged])
    ranked = tuple(
        Suspect(
            names[i].item(),
            str(classes[codes[first[i]]]),
            str(classes[commonest[int(i)]]),
            given_probability=float(mean[0, i]),
            likely_probability=float(mean[1, i]),
            margin=float(mean[2, i]),
            score=float(mean[3, i]),
            flagged=bool(mean[4, i] >= 0.5),
        )
        for i in order
    )
    unjudged = tuple(names[count == 0].tolist())
    note = f"{len(unjudged)} labels could not be judged: no other place has their class" if unjudged else ""
    return Suspects(ranked, unjudged, note)


def _commonest(of: Codes, values: Codes) -> dict[int, int]:
    """The commonest value of each group of rows, the smallest where equal."""
    pairs, count = np.unique(np.stack([of, values]), axis=1, return_counts=True)
    order = np.lexsort((-pairs[1], count))
    return dict(zip(pairs[0, order].tolist(), pairs[1, order].tolist(), strict=True))
