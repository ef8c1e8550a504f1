"""Maps of classes as tiles: the likeliest class of every place, how probable it is, and how unsure the adapter is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.api.map_products.map_heads import ClassHead
from surco.api.tiles.columns import Column
from surco.api.tiles.ground import Ground, means, painted_png
from surco.api.tiles.styles import ClassColours, Colours, Ramp
from surco.api.tiles.tile_tables import Outlined, Pictured

__all__ = ["ClassMap", "entropy", "majority"]

Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """What an adapter of classes says of a table."""

    ground: Ground
    head: ClassHead

    styles = ("class", "probability", "uncertainty")

    def singles_out(self, style: str) -> bool:
        """Whether a style is "class:" with classes of the map, `~` between them, which stand out from the others."""
        name, _, chosen = style.partition(":")
        return name == "class" and set(chosen.split("~")) <= set(self.head.classes)

    def colours(self, style: str) -> Colours:
        """The colours of one of `styles`, or of classes singled out."""
        if style.startswith("class"):
            colours = ClassColours.of("Class", self.head.classes)
            chosen = style.partition(":")[2]
            return colours.only(chosen.split("~")) if chosen else colours
        probable = style == "probability"
        return Ramp("Probability of the likeliest class" if probable else "Uncertainty (entropy)", 0, 1)

    def picture(self, style: str, shown: Pictured) -> bytes:
        """A picture of one of `styles`, or of classes singled out."""
        chances, best = self.head.answer(*self.ground.rows(shown.rows))
        if style.startswith("class"):
            return painted_png(self.colours(style), best, shown)
        values = entropy(chances) if style == "uncertainty" else chances.max(axis=1)
        return painted_png(self.colours(style), values, shown)

    def columns(self, outlined: Outlined) -> list[Column]:
        """Class, probability and uncertainty; of what stands for several rows also how many, and the class's share.

        `n` rows lie below, `drawn` of them were looked at, `fraction` of these have the class, which is the commonest
        among them. `probability` is the mean over the rows that have it, `uncertainty` the mean over all.
        """
        chances, best = self.head.answer(*self.ground.rows(outlined.rows))
        count, feature = outlined.shapes.count, outlined.feature
        class_, share = majority(best, feature, count, len(self.head.classes))
        having = np.where((best == class_[feature]) & (best >= 0), chances.max(axis=1), np.nan)
        made = [
            Column.texts("class", self.head.classes, class_),
            Column.numbers("probability", np.round(means(having, feature, count), 2)),
            Column.numbers("uncertainty", np.round(means(entropy(chances), feature, count), 2)),
        ]
        if outlined.below is None:
            return made
        drawn = np.bincount(feature[best >= 0], minlength=count)
        made.append(Column.numbers("fraction", np.round(share, 2)))
        return [*made, Column.counts("n", outlined.below), Column.counts("drawn", drawn)]


def majority(best: Whole, feature: Whole, count: int, classes: int) -> tuple[Whole, npt.NDArray[np.float64]]:
    """The commonest class (count,) among the rows of each feature, -1 for none, and its share (NaN for none)."""
    known = best >= 0
    votes = np.bincount(feature[known] * classes + best[known], minlength=count * classes).reshape(
        count, classes
    )
    total = votes.sum(axis=1)
    share = np.where(total > 0, votes.max(axis=1, initial=0) / np.maximum(total, 1), np.nan)
    return np.where(total > 0, votes.argmax(axis=1), -1), share


def entropy(chances: Floats) -> Floats:
    """Entropy (N,) of probabilities (N, K) as a share of the most that K classes can have: 0 sure, 1 all alike."""
    terms = chances * np.log(np.maximum(chances, 1e-12))
    return np.asarray(np.maximum(-terms.sum(axis=1) / np.log(max(chances.shape[1], 2)), 0))
