"""A tree of classes: what is a kind of what, by codes and by the names in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from surco.adapters.errors import LegendError
from surco.adapters.legends.class_names import plain_name

__all__ = ["COLUMNS", "Legend", "LegendClass"]

COLUMNS = ("code", "name", "parent", "name_es", "name_en")
"""Columns of a legend's table; only `code` must be there."""
_MOST_CLASSES = 20_000


@dataclass(frozen=True, slots=True)
class LegendClass:
    """One class: code, name, the code of the class above (None of a root), level from 1, Spanish and English words."""

    code: str
    name: str
    parent: str | None
    level: int
    name_es: str = ""
    name_en: str = ""


@dataclass(frozen=True)
class Legend:
    """A checked tree of classes, one root or several.

    Attributes:
        name: "ine", or what the file was called.
        classes: codes unique, every parent there, no class above itself, a level that counts from its root.
        aliases: other names by `plain_name`: the code, and whether the name is the whole class ("same") or one kind of
            it ("part": wheat is a winter crop).

    Raises:
        LegendError: any of that is not so.
    """

    name: str
    classes: tuple[LegendClass, ...]
    aliases: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        codes = self._by_code
        if len(codes) != len(self.classes) or not codes:
            raise LegendError(
                f"expected unique codes, at least one; got {len(self.classes)} classes with {len(codes)} codes in "
                f"legend {self.name!r}: give each class a code of its own"
            )
        for each in self.classes:
            above = codes.get(each.parent) if each.parent is not None else None
            if each.parent is not None and above is None:
                raise _no_parent(self.name, each.code, each.parent)
            if each.level != (1 if above is None else above.level + 1):
                raise LegendError(
                    f"expected levels that count from the root; got level {each.level} of {each.code!r} in legend "
                    f"{self.name!r}: leave levels out, they follow from the parents"
                )

    @classmethod
    def from_rows(
        cls,
        name: str,
        rows: Iterable[Mapping[str, str | None]],
        aliases: Mapping[str, tuple[str, str]] | None = None,
    ) -> Legend:
        """A legend from rows with `code`, and where known `name`, `parent`, `name_es`, `name_en`.

        Raises:
            LegendError: a row without code, codes twice, a parent that is not there, a class above itself.
        """
        table: dict[str, dict[str, str]] = {}
        for number, row in enumerate(rows, 1):
            words = {column: (row.get(column) or "").strip() for column in COLUMNS}
            code = words["code"] or words["name"]
            if not code or code in table or number > _MOST_CLASSES:
                raise LegendError(
                    f"expected at most {_MOST_CLASSES} rows, each with a code of its own; got {code!r} in row {number} "
                    f"of legend {name!r}: fill it in, or remove the row"
                )
            if not all(word.isprintable() for word in words.values()):
                raise LegendError(
                    f"expected text that can be printed; got {words!r} in row {number} of legend {name!r}: remove the "
                    "control characters"
                )
            table[code] = words
        levels = _levels(name, {code: words["parent"] for code, words in table.items()})
        classes = tuple(
            LegendClass(
                code,
                words["name"] or code,
                words["parent"] or None,
                levels[code],
                words["name_es"],
                words["name_en"],
            )
            for code, words in table.items()
        )
        return cls(name, classes, dict(aliases or {}))

    def __getitem__(self, code: str) -> LegendClass:
        return self._by_code[code]

    def find(self, label: str) -> LegendClass | None:
        """The class that a label names by its code, its name or words in Spanish or English; None without one.

        Where several levels have the name, it is the deepest: a label says what was seen, as exactly as it can.
        """
        found = self._by_code.get(label.strip()) or self._by_name.get(plain_name(label))
        if found is None and self.aliases.get(plain_name(label), ("", ""))[1] == "same":
            return self._by_code[self.aliases[plain_name(label)][0]]
        return found

    def above(self, label: str) -> LegendClass | None:
        """The class that a label is one kind of without being it, such as winter crops for wheat; None without."""
        code, relation = self.aliases.get(plain_name(label), ("", ""))
        return self._by_code[code] if relation == "part" and self.find(label) is None else None

    def ancestors(self, code: str) -> tuple[LegendClass, ...]:
        """The class and those above it, from itself to its root; raises KeyError for a code that is none."""
        chain = [self._by_code[code]]
        while chain[-1].parent is not None:
            chain.append(self._by_code[chain[-1].parent])
        return tuple(chain)

    def parents(self, labels: Sequence[str]) -> dict[str, str]:
        """The class above each label that has a place here, the one above that, and so on up to the roots.

        This is what hierarchical scores take. A class above whose name is also that of a deeper class carries its code:
        `"Fallow"` lies below `"Fallow (24)"`. Labels without a place are not in it.
        """
        out: dict[str, str] = {}
        for label in labels:
            own, kind_of = self.find(label), self.above(label)
            place = own or kind_of
            chain = [] if place is None else [self._title(each) for each in self.ancestors(place.code)]
            chain = [label, *chain[1:]] if own else [label, *chain]
            out |= dict(pairwise(chain))
        return out

    def _title(self, each: LegendClass) -> str:
        return each.name if self._by_name[plain_name(each.name)] == each else f"{each.name} ({each.code})"

    def rows_for(self, labels: Sequence[str]) -> list[dict[str, str]]:
        """The rows of the classes that labels name, or are kinds of, and of all above them: plain JSON for a card."""
        places = [self.find(label) or self.above(label) for label in labels]
        wanted = {each.code for place in places if place for each in self.ancestors(place.code)}
        return [
            {column: getattr(each, column) or "" for column in COLUMNS}
            for each in self.classes
            if each.code in wanted
        ]

    @cached_property
    def _by_code(self) -> dict[str, LegendClass]:
        return {each.code: each for each in self.classes}

    @cached_property
    def _by_name(self) -> dict[str, LegendClass]:
        downwards = sorted(self.classes, key=lambda one: one.level)
        words = {plain_name(word): each for each in downwards for word in (each.name_es, each.name_en)}
        words |= {plain_name(each.name): each for each in downwards}
        words.pop("", None)
        return words


def _levels(name: str, parents: Mapping[str, str]) -> dict[str, int]:
    """Level of each class from its chain of parents; a chain longer than the table goes round in a circle."""
    levels: dict[str, int] = {}
    for code in parents:
        chain, seen = [code], {code}
        while chain[-1] not in levels and (above := parents[chain[-1]]):
            if above not in parents:
                raise _no_parent(name, chain[-1], above)
            if above in seen:
                raise LegendError(
                    f"expected a tree; got class {above!r} of legend {name!r} above itself: correct its parent"
                )
            chain.append(above)
            seen.add(above)
        level = levels.get(chain[-1], 1)
        for step, each in enumerate(reversed(chain)):
            levels[each] = level + step
    return levels


def _no_parent(name: str, code: str, parent: str) -> LegendError:
    return LegendError(
        f"expected parents that are classes of legend {name!r}; got {parent!r} above {code!r}: add its row, or leave "
        "the parent empty"
    )
