"""Two maps as one: where they agree, and where a place has another class, of two adapters or of two seasons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from surco.api.tiles.class_maps import ClassMap, majority
from surco.api.tiles.columns import Column
from surco.api.tiles.ground import Ground, means, painted_png
from surco.api.tiles.styles import ClassColours, Colours
from surco.api.tiles.tile_tables import CellsTable, Outlined, ParcelsTable, Pictured
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import table_vectors
from surco.viewer import ClassStyle

__all__ = ["CompareMap"]

_SAME, _OTHER = 0, 1
_STATES = (
    ClassStyle("agree", "#c8c8c8", "Coinciden", "Agree"),
    ClassStyle("changed", "#d55e00", "Cambió", "Changed"),
)

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CompareMap:
    """Map `b` beside map `a`, upon the places of a's table; what b's table lacks has no class in b."""

    a: ClassMap
    b: ClassMap

    styles = ("change", "from", "to")

    @property
    def ground(self) -> Ground:
        """That of `a`."""
        return self.a.ground

    @property
    def names(self) -> tuple[str, ...]:
        """The classes of a, then those that only b has."""
        return tuple(dict.fromkeys((*self.a.head.classes, *self.b.head.classes)))

    def colours(self, style: str) -> Colours:
        """Of "change" agreement and change; of "from" and "to" what changed has the colour of its class in a or b."""
        if style == "change":
            return ClassColours("Comparison", tuple(state.name for state in _STATES), _STATES)
        classes = ClassColours.of(f"Changed {style}", self.names)
        return ClassColours(classes.title, ("agree", *classes.names), (_STATES[_SAME], *classes.chosen))

    def picture(self, style: str, shown: Pictured) -> bytes:
        """A picture of one of `styles`; transparent where either map has no class."""
        a, b = self._classes(shown.rows)
        known, same = (a >= 0) & (b >= 0), a == b
        codes = (
            np.where(same, _SAME, _OTHER)
            if style == "change"
            else np.where(same, 0, 1 + (a if style == "from" else b))
        )
        return painted_png(self.colours(style), np.where(known, codes, -1), shown)

    def columns(self, outlined: Outlined) -> list[Column]:
        """Class in `a` and in `b`, and whether it changed; of what stands for several rows the share that changed.

        Such a place has changed where half of its rows or more have; `a` and `b` are the commonest classes.
        """
        one, other = self._classes(outlined.rows)
        feature, count = outlined.feature, outlined.shapes.count
        changed = np.where((one >= 0) & (other >= 0), one != other, np.nan)
        share = means(changed, feature, count)
        made = [
            Column.texts(name, self.names, majority(codes, feature, count, len(self.names))[0])
            for name, codes in (("a", one), ("b", other))
        ]
        made.append(Column.truths("changed", share >= 0.5, np.isfinite(share)))
        if outlined.below is None:
            return made
        return [
            *made,
            Column.numbers("fraction_changed", np.round(share, 2)),
            Column.counts("n", outlined.below),
        ]

    def _classes(self, rows: Whole) -> tuple[Whole, Whole]:
        """Positions in `names` of the class of rows of a's table in both maps, -1 where there is none."""
        _, a = self.a.head.answer(*self.a.ground.rows(rows))
        there = _same_places(self.a.ground, self.b.ground, rows)
        _, found = self.b.head.answer(*self.b.ground.rows(np.maximum(there, 0)))
        place = np.array([self.names.index(name) for name in self.b.head.classes])
        return a, np.where((there < 0) | (found < 0), -1, place[found])


def _same_places(a: Ground, b: Ground, rows: Whole) -> Whole:
    """Rows of b's table that are the places of rows of a's, -1 where it has none."""
    if a.source == b.source:
        return rows
    if isinstance(a.table, CellsTable) and isinstance(b.table, CellsTable):
        return b.table.levels.rows_of(a.table.levels.keys[rows])
    if isinstance(a.table, ParcelsTable) and isinstance(b.table, ParcelsTable):
        return _same_ids(a.source, b.source)[rows]
    return np.full(len(rows), -1)


@lru_cache(maxsize=4)
def _same_ids(a: Source, b: Source) -> Whole:
    held: Any = table_vectors(b).keys
    found = pc.index_in(table_vectors(a).keys, value_set=held).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)
