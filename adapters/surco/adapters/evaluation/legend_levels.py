"""Scores up a legend's tree: probabilities of the classes below one parent are summed, and the answer is the parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import LabelsError
from surco.adapters.scores import Scores, score

__all__ = ["Level", "level_scores", "levels_of"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class Level:
    """Scores where classes are taken together: `steps` up the tree, 1 being the parents of the labels' classes."""

    steps: int
    scores: Scores


def levels_of(parents: Mapping[str, str], classes: Sequence[str]) -> list[tuple[str, ...]]:
    """The ancestors of K classes, one step up, two steps up, until all are at their tops or one class is left.

    A class without a parent stands for itself.

    Raises:
        LabelsError: parents in a circle.
    """
    levels: list[tuple[str, ...]] = []
    names = tuple(classes)
    while len(levels) < _DEEPEST:
        names, before = tuple(parents.get(name, name) for name in names), names
        if names == before:
            return levels
        if len(set(names)) < 2:
            return levels
        levels.append(names)
    raise LabelsError(
        f"expected a legend whose classes have parents up to a top; got a circle or over {_DEEPEST} levels at "
        f"{names[0]}: correct the legend"
    )


def level_scores(
    parents: Mapping[str, str], codes: Codes, proba: Doubles, classes: Sequence[str], groups: Codes
) -> tuple[Level, ...]:
    """Scores of probabilities (N, K) at each level above the classes; raises as `levels_of`."""
    found = []
    for steps, names in enumerate(levels_of(parents, classes), 1):
        tops = sorted(set(names))
        up = np.array([tops.index(name) for name in names])
        summed = np.zeros((len(proba), len(tops)))
        np.add.at(summed.T, up, proba.T)
        found.append(Level(steps, score(up[codes], summed, tops, groups)))
    return tuple(found)
