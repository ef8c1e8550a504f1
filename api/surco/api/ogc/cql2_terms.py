"""The values that a filter compares: queryables, literals, arithmetic, and places and times in their relations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import shapely

from surco.api.ogc.cql2_values import Reproject, geometry_of, moment_of
from surco.api.ogc.predicates import Predicate, bind, joined, raw
from surco.api.ogc.queryables import Kind, Queryable
from surco.api.refusals import InvalidError

__all__ = ["SPATIAL", "TEMPORAL", "Term", "Terms", "refuse_kinds"]

SPATIAL: Final[Mapping[str, str]] = {
    "s_contains": "ST_Contains",
    "s_crosses": "ST_Crosses",
    "s_disjoint": "ST_Disjoint",
    "s_equals": "ST_Equals",
    "s_intersects": "ST_Intersects",
    "s_overlaps": "ST_Overlaps",
    "s_touches": "ST_Touches",
    "s_within": "ST_Within",
}
"""CQL2's spatial functions and DuckDB's."""

TEMPORAL: Final[Mapping[str, str]] = {
    "t_after": "a0 > b1",
    "t_before": "a1 < b0",
    "t_contains": "a0 < b0 AND a1 > b1",
    "t_disjoint": "a1 < b0 OR a0 > b1",
    "t_during": "a0 > b0 AND a1 < b1",
    "t_equals": "a0 = b0 AND a1 = b1",
    "t_finishedby": "a0 < b0 AND a1 = b1",
    "t_finishes": "a0 > b0 AND a1 = b1",
    "t_intersects": "a0 <= b1 AND a1 >= b0",
    "t_meets": "a1 = b0",
    "t_metby": "a0 = b1",
    "t_overlappedby": "a0 > b0 AND a0 < b1 AND a1 > b1",
    "t_overlaps": "a0 < b0 AND a1 > b0 AND a1 < b1",
    "t_startedby": "a0 = b0 AND a1 > b1",
    "t_starts": "a0 = b0 AND a1 < b1",
}
"""CQL2's temporal functions over the first (0) and last (1) moments of their arguments a and b."""

_ARITHMETIC: Final = {
    "+": ("(", " + ", ")"),
    "-": ("(", " - ", ")"),
    "*": ("(", " * ", ")"),
    # DuckDB divides by zero to infinity and NaN, which would pass comparisons.
    "/": ("(", " / nullif(", ", 0))"),
    "%": ("(", " % nullif(", ", 0))"),
    "div": ("trunc(", " / nullif(", ", 0))"),
    "^": ("(", " ** ", ")"),
}
_FOLDING: Final = {"casei": "lower", "accenti": "strip_accents"}
_NUMERIC: Final = ("integer", "number", "float")
_CELL = re.compile(r"[0-9a-fA-F]{1,16}")


@dataclass(frozen=True, slots=True)
class Term:
    """A value in SQL and its kind; `last` is an interval's last moment, `literal` what was written, where it was."""

    kind: Kind
    sql: Predicate
    last: Predicate | None = None
    literal: Any = None
    written: bool = False


class Terms:
    """Values of one filter.

    Args:
        queryables: what it may name.
        reproject: from its reference system to longitude and latitude; None where it is in these.
    """

    def __init__(self, queryables: Mapping[str, Queryable], reproject: Reproject | None) -> None:
        self._queryables = queryables
        self._reproject = reproject

    def term(self, node: Any) -> Term:
        """A value; raises InvalidError for what is none, or not known."""
        if not isinstance(node, dict):
            return _scalar(node)
        if "property" in node:
            return self._property(node["property"])
        if "op" in node:
            return self._computed(str(node["op"]).lower(), node.get("args"))
        if "date" in node or "timestamp" in node:
            moment = moment_of(node.get("date", node.get("timestamp")))
            return Term("date", _timestamp(bind(moment)), written=True)
        if "interval" in node:
            return self._interval(node["interval"])
        shape = geometry_of(node, self._reproject)
        return Term("geometry", joined(["ST_GeomFromHEXWKB(", bind(shapely.to_wkb(shape, hex=True)), ")"]))

    def alike(self, one: Any, other: Any) -> tuple[Term, Term]:
        """Two values that can be compared, each as the other's kind needs it."""
        left, right = self.term(one), self.term(other)
        left, right = _like_other(left, right), _like_other(right, left)
        numeric = left.kind in _NUMERIC and right.kind in _NUMERIC
        if left.kind != right.kind and not numeric:
            raise InvalidError(
                f"Expected values of one kind to compare in the filter, got {_said(left)} and {_said(right)}. "
                "Write text in single quotes, and numbers and days (DATE('2024-05-01')) without."
            )
        return left, right

    def as_text(self, node: Any) -> Term:
        """A value that is text, or is shown as text."""
        term = self.term(node)
        refuse_kinds("text", term, ("text", "cell"))
        return Term("text", _shown(term)) if term.kind == "cell" else term

    def spatial(self, op: str, one: Any, other: Any) -> Predicate:
        """Two geometries in one of the relations of `SPATIAL`."""
        left, right = self.term(one), self.term(other)
        for side in (left, right):
            refuse_kinds("a geometry", side, ("geometry",))
        return joined([f"{SPATIAL[op]}(", left.sql, ", ", right.sql, ")"])

    def temporal(self, op: str, one: Any, other: Any) -> Predicate:
        """Two moments or intervals in one of the relations of `TEMPORAL`."""
        left, right = self._span(one), self._span(other)
        named = {"a0": left[0], "a1": left[1], "b0": right[0], "b1": right[1]}
        return joined(
            ["(", *(named.get(word, word) for word in re.split(r"(\b[ab][01]\b)", TEMPORAL[op])), ")"]
        )

    def _span(self, node: Any) -> tuple[Predicate, Predicate]:
        term = self.term(node)
        if term.written and term.kind == "text":
            term = Term("date", _timestamp(bind(moment_of(term.literal))))
        refuse_kinds("a day, a moment or an interval", term, ("date", "interval"))
        return term.sql, term.sql if term.last is None else term.last

    def _property(self, name: Any) -> Term:
        found = self._queryables.get(name) if isinstance(name, str) else None
        if found is None:
            raise InvalidError(
                f"Expected one of the queryables {', '.join(self._queryables)} in the filter, got {name!r}. "
                "Name one of them; `queryables` of the collection lists them."
            )
        return Term(found.kind, raw(found.sql), raw(found.end_sql) if found.end_sql else None)

    def _computed(self, op: str, args: Any) -> Term:
        arguments = args if isinstance(args, list) else []
        if op in _FOLDING and len(arguments) == 1:
            return Term("text", joined([f"{_FOLDING[op]}(", self.as_text(arguments[0]).sql, ")"]))
        if op in _ARITHMETIC and len(arguments) == 2:
            sides = [self.term(each) for each in arguments]
            for side in sides:
                refuse_kinds("a number", side, _NUMERIC)
            one, other = (joined(["CAST(", side.sql, " AS DOUBLE)"]) for side in sides)
            before, between, after = _ARITHMETIC[op]
            return Term("number", joined([before, one, between, other, after]))
        raise InvalidError(
            f"Expected CASEI, ACCENTI or one of + - * / % div ^ on values in the filter, got {op!r} with "
            f"{len(arguments)} arguments. Other functions are not taken."
        )

    def _interval(self, ends: Any) -> Term:
        if not isinstance(ends, list) or len(ends) != 2:
            raise InvalidError(f"Expected an interval of two ends in the filter, got {str(ends)[:200]}.")
        return Term("interval", self._end(ends[0], last=False), self._end(ends[1], last=True))

    def _end(self, node: Any, *, last: bool) -> Predicate:
        if isinstance(node, str):
            return _timestamp(bind(moment_of(node, last=last)))
        term = self.term(node)
        refuse_kinds("a day or a moment", term, ("date",))
        return term.sql


def refuse_kinds(wanted: str, term: Term, kinds: tuple[str, ...]) -> None:
    """Raise InvalidError where a value is of none of these kinds."""
    if term.kind not in kinds:
        raise InvalidError(f"Expected {wanted} in the filter, got {_said(term)}. Correct it.")


def _scalar(value: Any) -> Term:
    if isinstance(value, bool):
        return Term("boolean", bind(value), literal=value, written=True)
    if isinstance(value, int | float):
        # The parser makes every number a float; a whole one compares with an integer column as it is stored.
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
        number = int(value) if whole else value
        kind: Kind = "integer" if isinstance(number, int) else "number"
        return Term(kind, bind(number), literal=number, written=True)
    if isinstance(value, str):
        return Term("text", bind(value), literal=value, written=True)
    raise InvalidError(
        f"Expected a number, text, a day or a place in the filter, got {value!r}. Use IS NULL for nothing."
    )


def _like_other(term: Term, other: Term) -> Term:
    """A literal as a column compares with it: an H3 index as its number, single precision, text as a day."""
    if term.kind == "cell" and not (other.kind == "cell" or other.written):
        return Term("text", _shown(term))
    if not term.written:
        return term
    if other.kind == "cell" and term.kind == "text":
        # What is no index equals none, and zero is none.
        number = int(term.literal, 16) if _CELL.fullmatch(term.literal) else 0
        return Term("cell", joined(["CAST(", bind(str(number)), " AS UBIGINT)"]))
    if other.kind == "float" and term.kind in _NUMERIC and not other.written:
        return Term("float", joined(["CAST(", term.sql, " AS FLOAT)"]))
    if other.kind == "date" and term.kind == "text":
        return Term("date", _timestamp(bind(moment_of(term.literal))))
    return term


def _shown(term: Term) -> Predicate:
    return joined(["printf('%x', ", term.sql, ")"])


def _timestamp(value: Predicate) -> Predicate:
    return joined(["CAST(", value, " AS TIMESTAMP)"])


def _said(term: Term) -> str:
    if term.written and term.literal is not None:
        return repr(term.literal)
    return {"cell": "an H3 index", "text": "text", "boolean": "a truth value"}.get(
        term.kind, f"a value of kind {term.kind}"
    )
