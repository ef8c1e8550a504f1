"""Predictions up the tree of a legend: sums that agree on every level, and the deepest class one can be sure of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import LegendError, VectorsError
from surco.adapters.legends.class_names import plain_name
from surco.adapters.legends.legend import Legend

__all__ = ["BackedOff", "Hierarchy", "most_specific", "roll_up"]

Floats = npt.NDArray[np.floating]
_CELLS = 1 << 22  # values of a block of rows: 16 MB


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where the classes of a label set, or of an adapter, stand in a legend.

    Attributes:
        classes: (K,) names as the labels write them.
        names: (M,) names of the nodes: the classes and all classes above them.
        levels: (M,) level of each node, from 1 at a root.
        above: (M,) position of the node above, -1 of a root.
        node: (K,) position of each class's own node.
        unknown: classes that the legend does not have: roots of their own.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    levels: npt.NDArray[np.intp]
    above: npt.NDArray[np.intp]
    node: npt.NDArray[np.intp]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, classes: Sequence[str], legend: Legend) -> Hierarchy:
        """Place classes in a legend: by code or name, as a kind of one of its classes, or as roots of their own."""
        nodes: dict[str, tuple[str, int, str]] = {}
        own: list[str] = []
        unknown: list[str] = []
        for name in classes:
            exact, kind_of = legend.find(name), legend.above(name)
            place = exact or kind_of
            chain = () if place is None else legend.ancestors(place.code)
            nodes |= {each.code: (each.name, each.level, each.parent or "") for each in chain}
            if exact is None:
                key = f"label {plain_name(name) or name}"
                nodes[key] = (
                    name,
                    1 if place is None else place.level + 1,
                    "" if place is None else place.code,
                )
                own.append(key)
                unknown += [name] * (place is None)
            else:
                own.append(exact.code)
        at = {key: i for i, key in enumerate(nodes)} | {"": -1}
        return cls(
            tuple(classes),
            tuple(name for name, _, _ in nodes.values()),
            np.array([level for _, level, _ in nodes.values()], np.intp),
            np.array([at[above] for _, _, above in nodes.values()], np.intp),
            np.array([at[key] for key in own], np.intp),
            tuple(unknown),
        )

    def sums(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(N, M) probability of each node: that of its class and of all below it, from (N, K) of the classes."""
        out = np.zeros((len(probabilities), len(self.names)), np.float32)
        for column, place in enumerate(self.node.tolist()):
            out[:, place] += probabilities[:, column]
        for place in np.argsort(-self.levels, kind="stable").tolist():
            if self.above[place] >= 0:
                out[:, self.above[place]] += out[:, place]
        return out

    def cut(self, level: int) -> npt.NDArray[np.intp]:
        """(K,) node of each class at a level; classes that stand higher stay where they are.

        Raises:
            LegendError: a level below 1.
        """
        if level < 1:
            raise LegendError(f"expected a level from 1, the roots; got {level}: name one from 1")
        at = self.node.copy()
        while (deep := self.levels[at] > level).any():
            at[deep] = self.above[at[deep]]
        return at


@dataclass(frozen=True, slots=True)
class BackedOff:
    """The deepest class that is sure enough, of each row.

    `index` (N,) is a position in `names` (M,), -1 where not even a root is sure enough or nothing was observed;
    `probability` (N,) float32 the sum below it, NaN there; `levels` (M,) the level of each node.
    """

    names: tuple[str, ...]
    levels: npt.NDArray[np.intp]
    index: npt.NDArray[np.intp]
    probability: npt.NDArray[np.float32]


def roll_up(
    probabilities: npt.ArrayLike,
    classes: Sequence[str],
    legend: Legend,
    *,
    level: int | None = None,
    cut: Sequence[str] | None = None,
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Probabilities summed up the tree: each class goes to its class at `level`, or to the one of `cut` above it.

    A parent is the sum of its children, so two levels never disagree, and rows sum to what they summed to. Classes that
    the legend does not have, or that stand above the cut, keep a column of their own.

    Args:
        probabilities: (N, K); rows of NaN stay so.
        classes: (K,) name of each column.
        legend: the tree.
        level: from 1, the roots. One of `level` and `cut` is given.
        cut: names of classes of the legend.

    Returns:
        (N, J) float32 and the J names, in the order of the tree.

    Raises:
        LegendError: neither or both of `level` and `cut`, a level below 1, a name that the legend does not have.
        VectorsError: probabilities of another shape.
    """
    table = _checked(probabilities, classes)
    hierarchy = Hierarchy.of(classes, legend)
    if (level is None) == (cut is None):
        raise LegendError("expected a level or a cut; got neither or both: give one of them")
    to = hierarchy.cut(level) if level is not None else _named_cut(hierarchy, legend, cut or ())
    kept = np.unique(to)
    sums = np.zeros((len(table), len(kept)), np.float32)
    for column, target in enumerate(np.searchsorted(kept, to).tolist()):
        sums[:, target] += table[:, column]
    return sums, tuple(hierarchy.names[node] for node in kept)


def most_specific(
    probabilities: npt.ArrayLike, classes: Sequence[str], legend: Legend, *, at_least: float = 0.8
) -> BackedOff:
    """The deepest class of each row whose summed probability is high enough: "temporary crops", not a wrong crop.

    Above one half there is at most one such class a level. Below, the likeliest of the deepest is taken.

    Raises:
        LegendError: `at_least` outside 0..1.
        VectorsError: probabilities of another shape.
    """
    if not 0 < at_least <= 1:
        raise LegendError(f"expected at_least above 0 and up to 1; got {at_least}: 0.8 is usual")
    table = _checked(probabilities, classes)
    hierarchy = Hierarchy.of(classes, legend)
    index = np.full(len(table), -1, np.intp)
    probability = np.full(len(table), np.nan, np.float32)
    rows = max(1, _CELLS // len(hierarchy.names))
    for start in range(0, len(table), rows):
        part = slice(start, start + rows)
        sums = hierarchy.sums(table[part])
        # A tolerance for float32: three thirds must reach one.
        depth = np.where(sums >= at_least - 1e-6, hierarchy.levels + np.clip(sums, 0, 1) / 2, 0.0)
        best = depth.argmax(axis=1)
        sure = depth[np.arange(len(depth)), best] > 0
        index[part] = np.where(sure, best, -1)
        probability[part] = np.where(sure, sums[np.arange(len(depth)), best], np.nan)
    return BackedOff(hierarchy.names, hierarchy.levels, index, probability)


def _named_cut(hierarchy: Hierarchy, legend: Legend, cut: Sequence[str]) -> npt.NDArray[np.intp]:
    places = {name: legend.find(name) for name in cut}
    missing = [name for name, place in places.items() if place is None]
    if missing:
        raise LegendError(
            f"expected classes of legend {legend.name!r} to sum up to; got {', '.join(map(repr, missing))}: "
            "use its names or codes"
        )
    stops = {(place.name, place.level) for place in places.values() if place}
    is_stop = np.array([key in stops for key in zip(hierarchy.names, hierarchy.levels.tolist(), strict=True)])
    to, at = hierarchy.node.copy(), hierarchy.node.copy()
    while (at >= 0).any():
        to = np.where((at >= 0) & is_stop[at], at, to)
        at = np.where(at >= 0, hierarchy.above[at], -1)
    return to


def _checked(probabilities: npt.ArrayLike, classes: Sequence[str]) -> npt.NDArray[np.float32]:
    table = np.asarray(probabilities, np.float32)
    if table.ndim != 2 or table.shape[1] != len(classes):
        raise VectorsError(
            f"expected probabilities of shape (rows, {len(classes)}), a column a class; got {table.shape}: pass what "
            "predict_proba returned with the adapter's classes_"
        )
    return table
