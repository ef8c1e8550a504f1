"""Labels of several levels: "winter crops" beside "wheat" and "barley" in one label set.

A label of a class above others says "one of these". It is used as such: the adapter is fitted on the exact labels, each
inexact one goes to the likeliest of its classes, and the adapter is fitted again on both, until nothing moves (hard
expectation-maximisation on partial labels; Grandvalet and Bengio 2005 for the soft one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from surco.adapters.checks import checked_groups, checked_labels
from surco.adapters.errors import LabelsError
from surco.adapters.legends.hierarchy import Hierarchy
from surco.adapters.legends.legend import Legend

__all__ = ["MixedFit", "MixedLabels", "fit_mixed", "resolve_mixed"]

_LEAST_KINDS = 2
_LEAST_SUPPORT = 0.15


@dataclass(frozen=True, slots=True)
class MixedLabels:
    """What a legend makes of the labels.

    Attributes:
        y: (N,) class names; names of one class of the legend are one, the most frequent.
        merged: names that became another: given name to the one used.
        among: inexact classes to the exact ones below them that have labels, at least two each.
        open_classes: inexact classes with labels of one kind only below them. "Winter crops" beside "wheat" alone is no
            wheat, so they stay classes of their own.
        unknown: classes that the legend does not have.
    """

    y: npt.NDArray[np.str_]
    merged: Mapping[str, str]
    among: Mapping[str, tuple[str, ...]]
    open_classes: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MixedFit:
    """A fitted adapter, the exact label (N,) that each row was used as, and what the legend made of the labels.

    `unlike` are inexact classes whose rows do not look like the exact labels: perhaps they are none of the classes
    below, and need a name of their own. Empty where the adapter cannot say what is usual.
    """

    adapter: Any
    y: npt.NDArray[np.str_]
    labels: MixedLabels
    unlike: tuple[str, ...] = ()


def resolve_mixed(y: Sequence[str] | npt.NDArray[Any], legend: Legend) -> MixedLabels:
    """Find names that mean one class, and labels that name a class above other labels.

    Args:
        y: (N,) class names.
        legend: the tree; classes that it does not have stay as they are.

    Raises:
        LabelsError: names that are missing or empty, one class only.
    """
    names, codes = checked_labels(y, len(y))
    hierarchy = Hierarchy.of([str(name) for name in names], legend)
    first = _most_frequent(hierarchy.node, np.bincount(codes))
    used = np.array([hierarchy.classes[i] for i in first])
    merged = {str(a): str(b) for a, b in zip(names, used, strict=True) if a != b}
    by_node = dict(zip(hierarchy.node.tolist(), used.tolist(), strict=True))
    among, open_classes = _inexact(hierarchy, by_node)
    return MixedLabels(used[codes], merged, among, open_classes, hierarchy.unknown)


def fit_mixed(
    adapter: Any,
    X: npt.NDArray[np.floating],
    y: Sequence[str] | npt.NDArray[Any],
    legend: Legend,
    *,
    groups: Any = None,
    rounds: int = 3,
    **also: Any,
) -> MixedFit:
    """Fit a classifier on labels of several levels; the same labels always give the same adapter.

    Args:
        adapter: an unfitted classifier such as `CropTypeAdapter()`; it is cloned.
        X: (N, D) vectors.
        y: (N,) class names, exact or not.
        legend: the tree they stand in.
        groups: (N,) spatial block of each label.
        rounds: how often the inexact labels are given out at most.
        also: what the adapter's `fit` takes beside, such as `pool` and `prior`.

    Raises:
        LabelsError, VectorsError: as the adapter's `fit`.
    """
    labels = resolve_mixed(y, legend)
    vectors = np.asarray(X)
    blocks = None if groups is None else checked_groups(groups, len(labels.y))
    exact = ~np.isin(labels.y, list(labels.among))
    used = labels.y.copy()
    fitted = clone(adapter).fit(
        vectors[exact], used[exact], groups=None if blocks is None else blocks[exact], **also
    )
    unlike = _unlike(fitted, vectors[~exact], labels.y[~exact])
    for _ in range(rounds if not exact.all() else 0):
        given_out = _likeliest_below(fitted, vectors[~exact], labels.y[~exact], labels.among)
        if (given_out == used[~exact]).all():
            break
        used[~exact] = given_out
        fitted = clone(adapter).fit(vectors, used, groups=blocks, **also)
    return MixedFit(fitted, used, labels, unlike)


def _unlike(fitted: Any, vectors: npt.NDArray[np.floating], inexact: npt.NDArray[np.str_]) -> tuple[str, ...]:
    """Inexact classes whose rows lie farther from the exact labels' classes than most of their own labels do.

    Of rows that are what they say the support is evenly spread in 0..1, with a mean of one half.
    """
    if not len(inexact) or not hasattr(fitted, "support"):
        return ()
    try:
        support = fitted.support(vectors)
    except LabelsError:  # too few exact labels to know what is usual
        return ()
    return tuple(str(name) for name in np.unique(inexact) if support[inexact == name].mean() < _LEAST_SUPPORT)


def _likeliest_below(
    fitted: Any,
    vectors: npt.NDArray[np.floating],
    inexact: npt.NDArray[np.str_],
    among: Mapping[str, tuple[str, ...]],
) -> npt.NDArray[np.str_]:
    """The likeliest class of each row among those below the class that its label names."""
    proba = fitted.predict_proba(vectors)
    classes = fitted.classes_.astype(str)
    allowed = {name: np.isin(classes, below) for name, below in among.items()}
    masked = np.where(np.stack([allowed[name] for name in inexact]), proba, -1.0)
    likeliest: npt.NDArray[np.str_] = classes[masked.argmax(axis=1)]
    return likeliest


def _most_frequent(node: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]) -> list[int]:
    """(K,) of each class the most frequent class of its node, the first by name where equal."""
    best: dict[int, int] = {}
    for place, own in enumerate(node.tolist()):
        if own not in best or counts[place] > counts[best[own]]:
            best[own] = place
    return [best[own] for own in node.tolist()]


def _inexact(
    hierarchy: Hierarchy, by_node: Mapping[int, str]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    below: dict[int, list[str]] = {}
    among: dict[str, tuple[str, ...]] = {}
    open_classes: list[str] = []
    # From the deepest up, so that a class which stays open counts as exact for those above it.
    for node in sorted(by_node, key=lambda place: (-hierarchy.levels[place], by_node[place])):
        kinds = below.get(node, [])
        if len(kinds) >= _LEAST_KINDS:
            among[by_node[node]] = tuple(sorted(kinds))
            continue
        if kinds:
            open_classes.append(by_node[node])
        at = int(hierarchy.above[node])
        while at >= 0:
            below.setdefault(at, []).append(by_node[node])
            at = int(hierarchy.above[at])
    return among, tuple(sorted(open_classes))
