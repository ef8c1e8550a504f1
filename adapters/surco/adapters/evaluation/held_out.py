"""Predictions for rows that their classifier has not seen: the adapter's and every plain head's, for the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from surco.adapters.errors import LabelsError
from surco.adapters.evaluation.baselines import BASELINES, ON_RAW_BANDS, Classifier
from surco.adapters.evaluation.labelled import Labelled
from surco.adapters.evaluation.splits import Split

__all__ = ["ADAPTER", "Contender", "HeldOut", "Progress", "contenders", "hold_out", "probabilities"]

ADAPTER = "this adapter"
Codes = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Contender:
    """A classifier to compare: its name, the features it reads (None: the vectors), and how a fitted one is made.

    `fit` takes the data and the training rows, and returns a classifier of class positions.
    """

    name: str
    features: str | None
    fit: Callable[[Labelled, Codes], Classifier]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What each classifier says of the rows that were tested.

    Attributes:
        rows: (M,) the rows tested, all of them by every classifier.
        part: (M,) name of the part of the split that each was tested in.
        proba: (M, K) by contender's name.
        sets: (M, K) truth values by nominal coverage: the adapter's conformal sets, where it has them.
        notes: what could not be tested, in sentences.
    """

    rows: Codes
    part: npt.NDArray[np.str_]
    proba: dict[str, Doubles]
    sets: dict[float, npt.NDArray[np.bool_]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def contenders(adapter: Any, data: Labelled, baselines: Sequence[str] | None = None) -> tuple[Contender, ...]:
    """The adapter and every plain head: all of `BASELINES` on vectors, those of `ON_RAW_BANDS` on other features.

    Args:
        adapter: an unfitted adapter; it is cloned, never changed.
        data: whose `features` are compared too.
        baselines: names of `BASELINES`; None takes all.
    """
    wanted = [name for name in BASELINES if baselines is None or name in baselines]
    others = [_plain(name, features) for features in data.features for name in wanted if name in ON_RAW_BANDS]
    return (_adapted(adapter), *(_plain(name, None) for name in wanted), *others)


def _adapted(adapter: Any) -> Contender:
    def fit(data: Labelled, train: Codes) -> Classifier:
        fitted: Classifier = clone(adapter).fit(
            data.vectors[train], data.codes[train], groups=data.groups[train], pool=data.pool
        )
        return fitted

    return Contender(ADAPTER, None, fit)


def _plain(name: str, features: str | None) -> Contender:
    def fit(data: Labelled, train: Codes) -> Classifier:
        return BASELINES[name](len(train)).fit(data.matrix(features)[train], data.codes[train])

    return Contender(name if features is None else f"{name}, {features}", features, fit)


def probabilities(fitted: Classifier, rows: npt.NDArray[np.floating], n_classes: int) -> Doubles:
    """Probabilities (N, K) over all classes of the labels; those that were not learned have none."""
    out = np.zeros((len(rows), n_classes))
    out[:, np.asarray(fitted.classes_, np.intp)] = fitted.predict_proba(rows)
    out /= out.sum(axis=1, keepdims=True)
    return out


def hold_out(
    entries: Sequence[Contender],
    data: Labelled,
    split: Split,
    *,
    coverages: Sequence[float] = (),
    progress: Progress | None = None,
) -> HeldOut:
    """Fit each contender on the rows outside each part in turn, and ask it about the part.

    Raises:
        LabelsError: no part has two classes left to learn from.
    """
    sheet = _Sheet.of(entries, data, coverages)
    total, done = len(split.names) * len(entries), 0
    for name, train, test in split.folds(data.groups):
        missing = _unlearnable(data, train, test)
        if missing:
            sheet.notes.append(f"{name}: not tested, {missing}.")
            done += len(entries)
            continue
        for entry in entries:
            if progress:
                progress(done, total, f"{name}: {entry.name}")
            sheet.write(entry, data, train, test)
            done += 1
        sheet.part[test] = name
        sheet.notes.extend(_unseen(data, name, train, test))
    if progress:
        progress(total, total, "")
    if not (sheet.part != "").any():
        raise LabelsError(
            f"expected parts that can be learned from without each other; got none ({split.words}): "
            "label every class in several places"
        )
    return sheet.held_out()


@dataclass(slots=True)
class _Sheet:
    """Predictions as they come, a row each of the data: part tested in ("" where none), probabilities and sets."""

    part: npt.NDArray[np.object_]
    proba: dict[str, Doubles]
    sets: dict[float, npt.NDArray[np.bool_]]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Sequence[Contender], data: Labelled, coverages: Sequence[float]) -> Self:
        shape = (len(data), len(data.classes))
        return cls(
            np.full(len(data), "", dtype=object),
            {entry.name: np.full(shape, np.nan) for entry in entries},
            {coverage: np.zeros(shape, bool) for coverage in coverages},
        )

    def write(self, entry: Contender, data: Labelled, train: Codes, test: Codes) -> None:
        """Fit a contender on the training rows and write down what it says of the test rows."""
        fitted: Any = entry.fit(data, train)
        self.proba[entry.name][test] = probabilities(
            fitted, data.matrix(entry.features)[test], len(data.classes)
        )
        if entry.name != ADAPTER:
            return
        if not hasattr(fitted, "predict_set"):
            self.sets.clear()
        for coverage, held in self.sets.items():
            held[np.ix_(test, np.asarray(fitted.classes_, np.intp))] = fitted.predict_set(
                data.vectors[test], coverage
            )

    def held_out(self) -> HeldOut:
        """The rows that were tested."""
        rows = np.flatnonzero(self.part != "")
        return HeldOut(
            rows,
            self.part[rows].astype(np.str_),
            {name: proba[rows] for name, proba in self.proba.items()},
            {coverage: held[rows] for coverage, held in self.sets.items()},
            tuple(self.notes),
        )


def _unlearnable(data: Labelled, train: Codes, test: Codes) -> str:
    if not len(test):
        return "it has no labels"
    learned = len(np.unique(data.codes[train])) if len(train) else 0
    return "" if learned >= 2 else f"its {len(test)} labels leave {learned} class(es) to learn from elsewhere"


def _unseen(data: Labelled, name: str, train: Codes, test: Codes) -> list[str]:
    lost = np.setdiff1d(data.codes[test], data.codes[train])
    if not len(lost):
        return []
    n = int(np.isin(data.codes[test], lost).sum())
    listed = ", ".join(data.classes[c] for c in lost[:3]) + (" and others" if len(lost) > 3 else "")
    return [f"{name}: {listed} occur nowhere else, so {n} of its {len(test)} labels cannot be right."]
