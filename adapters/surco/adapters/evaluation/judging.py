"""The whole evaluation of an adapter: predictions on rows it has not seen, and everything that is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import LabelsError
from surco.adapters.evaluation.calibration import class_calibration_errors, reliability
from surco.adapters.evaluation.findings import ClassScore, Entry, Evaluation
from surco.adapters.evaluation.held_out import ADAPTER, HeldOut, Progress, contenders, hold_out
from surco.adapters.evaluation.label_curves import SHOTS, LabelCurves, label_curves
from surco.adapters.evaluation.labelled import Labelled
from surco.adapters.evaluation.legend_levels import level_scores
from surco.adapters.evaluation.regions import fairness
from surco.adapters.evaluation.selective import coverages, selective_accuracy
from surco.adapters.evaluation.splits import Split
from surco.adapters.scores import Scores, score, score_difference

__all__ = ["COVERAGES", "FLOOR", "evaluate", "evaluate_fitted", "judge"]

COVERAGES = (0.8, 0.9, 0.95)
FLOOR = "majority class"
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


def evaluate(
    adapter: Any,
    data: Labelled,
    split: Split,
    *,
    parents: Mapping[str, str] | None = None,
    shots: Sequence[int] = SHOTS,
    draws: int = 10,
    baselines: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate an unfitted adapter beside every baseline on rows held out in turn.

    Args:
        adapter: an unfitted classifier of the room; it is cloned, never changed.
        data: labelled rows.
        split: of `spatial_blocks` or `leave_each_out`.
        parents: parent of a class, and of a parent, by name: scores up the tree are added.
        shots: labels a class of the label-efficiency curves; none leaves them out.
        draws: of each point of the curves.
        baselines: names of `BASELINES`; None takes all.
        progress: called as `progress(done, total, text)`.

    Raises:
        LabelsError: no part of the split can be learned without.
    """
    entries = contenders(adapter, data, baselines)
    held = hold_out(entries, data, split, coverages=COVERAGES, progress=progress)
    curves = None
    if shots:
        compared = [e for e in entries if e.name != FLOOR]
        curves = label_curves(compared, data, shots=shots, draws=draws, progress=progress)
    return judge(held, data, split, parents=parents, curves=curves)


def evaluate_fitted(
    adapters: Mapping[str, Any],
    data: Labelled,
    *,
    words: str = "labels that the adapter has not learned from",
    parents: Mapping[str, str] | None = None,
    majority: str | None = None,
) -> Evaluation:
    """Evaluate fitted adapters, the first of them against the others, on rows that none of them has seen.

    Nothing is fitted, so the only plain baseline is the class that the first adapter had most labels of.

    Args:
        adapters: fitted classifiers by name; the first one is reported as "this adapter".
        data: labelled rows; that nobody has seen them is the caller's promise.
        words: where the rows come from.
        parents: as for `evaluate`.
        majority: the class that the floor always answers; None leaves the floor out.
    """
    known = sorted({str(c) for fitted in adapters.values() for c in fitted.classes_})
    classes = tuple(sorted({*data.classes, *known}))
    codes = np.array([classes.index(c) for c in data.classes], np.intp)[data.codes]
    whole = Labelled(data.vectors, codes, classes, data.groups, data.regions)
    proba: dict[str, Doubles] = {}
    sets: dict[float, npt.NDArray[np.bool_]] = {}
    for number, (name, fitted) in enumerate(adapters.items()):
        columns = [classes.index(str(c)) for c in fitted.classes_]
        proba[name if number else ADAPTER] = _spread(
            fitted.predict_proba(data.vectors), columns, len(classes)
        )
        if not number and hasattr(fitted, "predict_set"):
            sets = {
                c: _spread(fitted.predict_set(data.vectors, c), columns, len(classes)).astype(bool)
                for c in COVERAGES
            }
    if majority is not None:
        proba[FLOOR] = np.tile(np.eye(len(classes))[classes.index(majority)], (len(data), 1))
    strange = [c for c in data.classes if c not in known]
    n = int(np.isin(codes, [classes.index(c) for c in strange]).sum())
    notes = (f"No adapter knows {', '.join(strange)}: {n} labels cannot be right.",) if strange else ()
    rows = np.arange(len(data))
    split = Split("unseen label", words, np.zeros(len(data), np.intp), ("all",), data.groups, "blocks")
    return judge(HeldOut(rows, np.full(len(data), "all"), proba, sets, notes), whole, split, parents=parents)


def judge(
    held: HeldOut,
    data: Labelled,
    split: Split,
    *,
    parents: Mapping[str, str] | None = None,
    curves: LabelCurves | None = None,
) -> Evaluation:
    """Everything that can be said of predictions for rows not seen; arguments as for `evaluate`."""
    if not len(held.rows):
        raise LabelsError("expected rows that were tested; got none: label more places")
    codes, groups, resampled = data.codes[held.rows], data.groups[held.rows], split.resampled[held.rows]
    ours = held.proba[ADAPTER]
    entries = tuple(_entry(n, p, ours, codes, data.classes, resampled) for n, p in held.proba.items())
    best = _best(entries)
    pair = {ADAPTER: ours, best: held.proba[best]}
    regions = data.regions[held.rows] if data.regions is not None else None
    many = regions is not None and len(set(regions.tolist()) - {""}) > 1
    return Evaluation(
        split=split.words,
        resampled=split.resampled_words,
        held_out=split.what,
        n=len(codes),
        n_groups=len(np.unique(groups)),
        left_out=len(data) - len(codes),
        entries=entries,
        best=best,
        classes=_class_scores(entries[0].scores, class_calibration_errors(codes, ours)),
        reliability={name: reliability(codes, p) for name, p in pair.items()},
        selective={name: selective_accuracy(codes, p) for name, p in pair.items()},
        fairness=fairness(codes, ours, held.proba[best], data.classes, groups, regions)
        if many and regions is not None
        else None,
        levels=level_scores(parents, codes, ours, data.classes, resampled) if parents else (),
        coverages=coverages(held.sets, codes, resampled),
        curves=curves,
        notes=held.notes,
    )


def _spread(values: Any, columns: Sequence[int], n_classes: int) -> Doubles:
    out = np.zeros((len(values), n_classes))
    out[:, columns] = values
    return out


def _entry(
    name: str, proba: Doubles, ours: Doubles, codes: Codes, classes: Sequence[str], groups: Codes
) -> Entry:
    difference = None if name == ADAPTER else score_difference(codes, ours, proba, groups)
    errors = class_calibration_errors(codes, proba)
    return Entry(name, score(codes, proba, classes, groups), float(errors.mean()), difference)


def _best(entries: Sequence[Entry]) -> str:
    others = [e for e in entries if e.difference is not None]
    return max(others, key=lambda e: e.scores.macro_f1.value).name if others else ADAPTER


def _class_scores(scores: Scores, errors: Doubles) -> tuple[ClassScore, ...]:
    confusion = np.array(scores.confusion)
    right, true, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    either = true + predicted
    return tuple(
        ClassScore(
            name,
            int(true[i]),
            _share(right[i], predicted[i]),
            _share(right[i], true[i]),
            _share(2 * right[i], either[i]),
            float(errors[i]),
        )
        for i, name in enumerate(scores.classes)
    )


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
