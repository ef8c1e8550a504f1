"""Label sets as what adapters learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import shapely
from sqlalchemy import Connection

from surco.adapters.next_label import ARMS, CHANCE
from surco.api.label_sets.consensus import Method, class_consensus, value_consensus
from surco.api.label_sets.judgements import NEAR_M, Judgements
from surco.api.label_sets.labels import Label
from surco.api.label_sets.querying import BLOCK, LabelFilter, page
from surco.api.label_sets.reports import words_of
from surco.api.label_sets.sets import LabelSet, find_set
from surco.api.next_label_files import LabelFiles
from surco.api.refusals import TooLargeError
from surco.api.web.callers import Caller
from surco.embedstore import LabelError, Labels

__all__ = ["MOST_READ", "Consensus", "all_labels", "campaign_of", "labels_of"]

Consensus = Literal["none", "majority", "dawid-skene"]
MOST_READ = 500_000
"""Labels of one set that are read into memory for a fit or a report."""


def labels_of(
    connection: Connection,
    set_id: str,
    caller: Caller,
    *,
    consensus: Consensus = "none",
    season: str | None = None,
    near_m: float = NEAR_M,
) -> Labels:
    """Labels of a set as `match_labels` takes them.

    Of a set of values `label` holds the numbers as text, as `read_labels(path, column)` gives them for yields.

    Args:
        connection: that reads.
        set_id: which set.
        caller: who may read it.
        consensus: "none" takes every label as it stands; otherwise one a place (`judgements_of`), and no place where
            two classes are equally likely.
        season: only labels of this season, and of none.
        near_m: as in `judgements_of`.

    Raises:
        UnknownError: no such set, or one that the caller may not see.
        LabelError: no label.
        TooLargeError: more than `MOST_READ` labels.
    """
    found = find_set(connection, set_id, caller)
    labels = _of_season(all_labels(connection, found), found, season)
    if not labels:
        of = f" of season {season}" if season else ""
        raise LabelError(
            "at least one label", f"none{of} in the label set {found.name!r}", "Add labels first."
        )
    if consensus == "none":
        return _as_labels(found, labels, [_word(found, label) for label in labels])
    return _agreed(found, labels, consensus, near_m)


def campaign_of(connection: Connection, set_id: str, caller: Caller) -> LabelFiles:
    """Labels of a set with the arm and round that chose each place, for the next-label bandit.

    Raises as `labels_of`.
    """
    found = find_set(connection, set_id, caller)
    labels = all_labels(connection, found)
    if not labels:
        raise LabelError("at least one label", f"none in the label set {found.name!r}", "Add labels first.")
    arms = [str(label.said["arm"] or "") for label in labels]
    known = np.array([arm if arm in (*ARMS, CHANCE) else "" for arm in arms], np.str_)
    rounds = np.array([label.said["round"] or 0 for label in labels], np.int64)
    return LabelFiles(_as_labels(found, labels, [_word(found, label) for label in labels]), known, rounds)


def all_labels(connection: Connection, present: LabelSet, wanted: LabelFilter | None = None) -> list[Label]:
    """Every label of a set, in the order in which they came; none has an empty season where the set has one.

    Raises:
        TooLargeError: more than `MOST_READ`.
    """
    if present.labels > MOST_READ:
        raise TooLargeError(
            f"Expected a label set of at most {MOST_READ:,} labels, got {present.labels:,} in {present.name!r}. "
            "Split it by season or region."
        )
    found: list[Label] = []
    while (
        len(part := page(connection, present.id, wanted or LabelFilter(), limit=BLOCK, after=_last(found)))
        == BLOCK
    ):
        found += part
    return found + part


def _last(labels: Sequence[Label]) -> int:
    return labels[-1].number if labels else 0


def _of_season(labels: list[Label], present: LabelSet, season: str | None) -> list[Label]:
    if season is None:
        return labels
    return [label for label in labels if (label.said["season"] or present.season) in (None, season)]


def _word(present: LabelSet, label: Label) -> str:
    return str(label.said["class"]) if present.kind == "class" else repr(float(label.said["value"]))


def _agreed(present: LabelSet, labels: list[Label], method: Method, near_m: float) -> Labels:
    words = words_of(present, labels, near_m)
    judged = words.judged
    if present.kind == "value":
        agreed = value_consensus(judged.place, judged.who, words.said, method)
        return _of_places(present, labels, judged, [repr(float(each)) for each in agreed.value])
    classes = class_consensus(judged.place, judged.who, words.said, len(words.names), method)
    return _of_places(present, labels, judged, [words.names[at] if at >= 0 else "" for at in classes.chosen])


def _of_places(present: LabelSet, labels: list[Label], judged: Judgements, words: list[str]) -> Labels:
    kept = [place for place, word in enumerate(words) if word]
    if not kept:
        raise LabelError(
            "a place that people agree on",
            f"none in the label set {present.name!r}",
            "Look at its conflicts, or fit on every label with consensus none.",
        )
    return _as_labels(
        present, [labels[judged.first[place]] for place in kept], [words[place] for place in kept]
    )


def _as_labels(present: LabelSet, labels: Sequence[Label], words: list[str]) -> Labels:
    shapes = np.array([shapely.from_wkb(label.wkb) for label in labels] + [None], object)[:-1]
    return Labels(shapes, words, [label.id for label in labels], Path(f"label set {present.id}"))
