"""Kinds of trouble in a set of labels, each told in one sentence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.legends import Hierarchy, Legend, near_misses, same_spelling
from surco.embedstore import Sentence

__all__ = [
    "Finding",
    "contradictions",
    "is_missing",
    "missing",
    "name_findings",
    "one_each",
    "thin",
]

_SHOWN = 5
_MOST_NAMES = 10_000  # of more names the slips are not looked for: every name is then like some other


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble: its name, a sentence for people, and which labels (as `features` calls them)."""

    kind: str
    text: str
    labels: tuple[int | str, ...]


def is_missing(value: Any) -> bool:
    """Whether a class is None or NaN, as tables write what is not there."""
    return value is None or (isinstance(value, float) and not np.isfinite(value))


def missing(names: npt.NDArray[Any], seen: npt.NDArray[np.bool_], labels: npt.NDArray[Any]) -> list[Finding]:
    """Labels without a class, and labels where nothing was observed."""
    out = []
    if (names == "").any():
        which = _unique(labels[names == ""])
        out.append(
            Finding(
                "empty",
                Sentence(
                    f"{len(which)} labels have no class: {_some(which)}. Name it, or remove them.",
                    "label-empty",
                    count=len(which),
                    some=_some(which),
                ),
                which,
            )
        )
    if not seen.all():
        which = _unique(labels[~seen])
        out.append(
            Finding(
                "no data",
                Sentence(
                    f"{len(which)} labels lie where nothing was observed: {_some(which)}.",
                    "label-unseen",
                    count=len(which),
                    some=_some(which),
                ),
                which,
            )
        )
    return out


def contradictions(
    vectors: npt.NDArray[Any],
    names: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    ids: Sequence[Any] | None,
    sound: npt.NDArray[np.bool_],
) -> list[Finding]:
    """The same place, or the same vector, with two classes; and the same again with one."""
    rows = np.flatnonzero(sound).tolist()
    at_place = _together(rows, lambda row: ids[row]) if ids is not None else []
    by_vector = _together(rows, lambda row: vectors[row].tobytes())
    out = []
    for kind, what, found in (("place", "place", at_place), ("vector", "vector", by_vector)):
        torn = [group for group in found if len({names[row] for row in group}) > 1]
        which = _unique(labels[[row for group in torn for row in group]])
        if torn:
            classes = " and ".join(sorted({str(names[row]) for row in torn[0]}))
            out.append(
                Finding(
                    f"contradiction: {kind}",
                    Sentence(
                        f"{len(torn)} times the same {what} has two classes, such as {classes}: labels {_some(which)}.",
                        "label-torn",
                        count=len(torn),
                        classes=classes,
                        some=_some(which),
                    ),
                    which,
                )
            )
    again = [group for group in at_place or by_vector if len({names[row] for row in group}) == 1]
    several = [row for group in again if len({str(labels[row]) for row in group}) > 1 for row in group[1:]]
    if several:
        which = _unique(labels[several])
        out.append(
            Finding(
                "duplicate",
                Sentence(
                    f"{len(which)} labels say again what another says: {_some(which)}.",
                    "label-again",
                    count=len(which),
                    some=_some(which),
                ),
                which,
            )
        )
    return out


def _together(rows: list[int], key: Any) -> list[list[int]]:
    """Rows that share a key, where there are several."""
    by_key: dict[Any, list[int]] = defaultdict(list)
    for row in rows:
        by_key[key(row)].append(row)
    return [group for group in by_key.values() if len(group) > 1]


def name_findings(names: list[str], legend: Legend | None) -> list[Finding]:
    """Names written in several ways, names one slip apart, and names that a legend does not have."""
    classes = sorted(set(names))
    out = [
        Finding(
            "spelling",
            Sentence(
                f"{' and '.join(map(repr, group))} are one name written in several ways.",
                "label-spelling",
                names=list(group),
            ),
            (),
        )
        for group in same_spelling(classes)[:_SHOWN]
    ]
    known = set() if legend is None else {name for name in classes if legend.find(name) or legend.above(name)}
    slips = [] if len(classes) > _MOST_NAMES else near_misses(classes)
    slips = [pair for pair in slips if not known.issuperset(pair)]
    for first, second in slips[:_SHOWN]:
        out.append(
            Finding(
                "near miss",
                Sentence(
                    f"{first!r} and {second!r} may be one name with a slip in it.",
                    "label-slip",
                    names=[first, second],
                ),
                (),
            )
        )
    if len(slips) > _SHOWN:
        out.append(
            Finding(
                "near miss",
                Sentence(
                    f"{len(slips) - _SHOWN} more pairs of names are one letter apart.",
                    "label-slips",
                    count=len(slips) - _SHOWN,
                ),
                (),
            )
        )
    if legend is not None:
        unknown = Hierarchy.of(classes, legend).unknown
        if unknown:
            out.append(
                Finding(
                    "not in the legend",
                    Sentence(
                        f"{len(unknown)} classes are not in legend {legend.name!r} and stay roots of their own: "
                        f"{_some(unknown)}.",
                        "label-legend",
                        count=len(unknown),
                        legend=legend.name,
                        some=_some(unknown),
                    ),
                    (),
                )
            )
    return out


def thin(names: npt.NDArray[Any], blocks: npt.NDArray[np.intp], labels: npt.NDArray[Any]) -> list[Finding]:
    """Classes with one label, and classes whose labels all lie in one block."""
    count = Counter(one_each(names, labels))
    single = sorted(name for name, n in count.items() if n == 1)
    in_blocks: dict[str, set[int]] = defaultdict(set)
    for name, block in zip(names.tolist(), blocks.tolist(), strict=True):
        in_blocks[name].add(block)
    cluster = sorted(name for name, n in count.items() if n > 1 and len(in_blocks[name]) == 1)
    out = []
    if single:
        out.append(
            Finding(
                "single",
                Sentence(
                    f"{len(single)} classes have one label only: {_some(single)}. It cannot be checked.",
                    "label-single",
                    count=len(single),
                    some=_some(single),
                ),
                (),
            )
        )
    if cluster:
        out.append(
            Finding(
                "one block",
                Sentence(
                    f"{len(cluster)} classes have all their labels in one block: {_some(cluster)}. Label them "
                    "elsewhere "
                    "too: how well they do there cannot be said.",
                    "label-one-block",
                    count=len(cluster),
                    some=_some(cluster),
                ),
                (),
            )
        )
    return out


def one_each(names: npt.NDArray[Any], labels: npt.NDArray[Any]) -> list[str]:
    """The class of each label, once however many rows it has."""
    return [name for name, _ in dict.fromkeys(zip(names.tolist(), labels.tolist(), strict=True))]


def _unique(labels: npt.NDArray[Any]) -> tuple[int | str, ...]:
    return tuple(dict.fromkeys(labels.tolist()))


def _some(values: Iterable[Any]) -> str:
    listed = [str(value) for value in values]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
