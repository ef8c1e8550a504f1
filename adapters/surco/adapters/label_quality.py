"""What is wrong, or may be, with a set of labels: it is reported, never repaired, and the labels are never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.checks import MOST_CLASSES, checked_groups
from surco.adapters.errors import LabelsError
from surco.adapters.label_findings import (
    Finding,
    contradictions,
    is_missing,
    missing,
    name_findings,
    one_each,
    thin,
)
from surco.adapters.legends import Legend, resolve_mixed
from surco.adapters.suspects import Suspects, rank_suspects
from surco.embedstore import coded

__all__ = ["LabelReport", "inspect_labels", "suspect_lines"]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What was found in a set of labels.

    Attributes:
        n: how many rows were looked at.
        counts: labels by class, of those that have a class.
        findings: kinds of trouble, worst first; empty where there is none.
        suspects: every label by how probable it is that it is wrong; None where that was not asked for.
    """

    n: int
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]
    suspects: Suspects | None

    def text(self, most: int = _SHOWN) -> str:
        """The report for people, with at most so many suspects."""
        return "\n".join([*(finding.text for finding in self.findings), *suspect_lines(self.suspects, most)])

    def as_dict(self) -> dict[str, object]:
        """The report as plain JSON values; findings with the code of their sentence, where it has one."""
        found = [asdict(one) | {"text": str(one.text), **(coded(one.text) or {})} for one in self.findings]
        return asdict(self) | {"findings": found}


def inspect_labels(
    X: npt.ArrayLike,
    y: Sequence[Any] | npt.NDArray[Any],
    *,
    groups: Any = None,
    features: Sequence[int] | Sequence[str] | npt.NDArray[Any] | None = None,
    ids: Sequence[Any] | None = None,
    legend: Legend | None = None,
    suspects: bool = True,
    **also: Any,
) -> LabelReport:
    """Look a set of labels over, whatever is in it.

    Args:
        X: (N, D) vectors; NaN or zeros mean a place without data.
        y: (N,) classes; None, NaN and empty texts are named, not refused.
        groups: (N,) spatial block of each row; None takes each label for its own.
        features: (N,) which label a row belongs to, as the report shall call it; None counts rows from 0.
        ids: (N,) the cell or parcel of each row; None where each row is a place of its own.
        legend: names that it does not have are told.
        suspects: rank labels by how probable it is that they are wrong (ten fits).
        also: what the judging adapter's `fit` takes beside, such as `pool`.

    Raises:
        LabelsError: lengths that differ.
    """
    vectors = np.asarray(X)
    labels: npt.NDArray[Any] = np.arange(len(y)) if features is None else np.asarray(features)
    if not (vectors.ndim == 2 and len(vectors) == len(y) == len(labels) == len(y if ids is None else ids)):
        raise LabelsError(
            f"expected one class, label and place a vector; got {vectors.shape} vectors, {len(y)} classes and "
            f"{len(labels)} labels: match labels and table again"
        )
    names = np.array(["" if is_missing(value) else str(value).strip() for value in y], object)
    blocks = checked_groups(labels if groups is None else groups, len(names))
    seen = np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)
    sound = seen & (names != "")
    findings = [
        *missing(names, seen, labels),
        *contradictions(vectors, names, labels, ids, sound),
        *name_findings(names[sound].tolist(), legend),
        *thin(names[sound], blocks[sound], labels[sound]),
    ]
    exact = sound & ~np.isin(names.astype(str), _inexact(names[sound], legend))
    # The groups as they came: who scores an adapter on them splits them alike, and shares the fits.
    places = labels if groups is None else np.asarray(groups)
    ranked = _ranked(vectors[exact], names[exact], places[exact], labels[exact], also) if suspects else None
    counts = dict(sorted(Counter(one_each(names[sound], labels[sound])).items()))
    return LabelReport(len(names), counts, tuple(findings), ranked)


def suspect_lines(suspects: Suspects | None, most: int) -> list[str]:
    """The first suspects as lines of text; only those that are flagged are shown."""
    if suspects is None:
        return []
    if not suspects.ranked:
        return [f"Labels {suspects.note}."]
    lines = [
        f"{suspects.flagged} of {len(suspects.ranked)} labels are at odds with what the others say, the worst first:"
        if suspects.flagged
        else f"0 of {len(suspects.ranked)} labels are at odds with what the others say."
    ]
    lines += [
        f"  label {one.feature}: {one.given} ({one.given_probability:.2f}), rather {one.likely} "
        f"({one.likely_probability:.2f})"
        for one in [one for one in suspects.ranked if one.flagged][:most]
    ]
    return [*lines, f"{suspects.note}."] if suspects.note else lines


def _inexact(names: npt.NDArray[Any], legend: Legend | None) -> list[str]:
    """Classes above others: "cereals" beside "wheat" is no wrong wheat, and is not judged."""
    n_classes = len(set(names.tolist()))
    if legend is None or not 2 <= n_classes <= MOST_CLASSES:
        return []
    return list(resolve_mixed(names.astype(str), legend).among)


def _ranked(
    vectors: npt.NDArray[Any],
    names: npt.NDArray[Any],
    blocks: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    also: Mapping[str, Any],
) -> Suspects:
    if len(set(names.tolist())) < 2:
        return Suspects((), tuple(np.unique(labels).tolist()), "not judged: fewer than two classes have data")
    return rank_suspects(vectors, names.astype(str), groups=blocks, features=labels, **also)
