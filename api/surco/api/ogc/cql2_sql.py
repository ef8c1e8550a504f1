"""A filter in CQL2 → a DuckDB predicate, of names, operators and functions on a list and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from surco.api.ogc.cql2_parsing import Language, parse
from surco.api.ogc.cql2_terms import SPATIAL, TEMPORAL, Term, Terms, refuse_kinds
from surco.api.ogc.cql2_values import Reproject
from surco.api.ogc.predicates import Predicate, joined
from surco.api.ogc.queryables import Queryable, cells_queryables, parcels_queryables
from surco.api.refusals import InvalidError

__all__ = ["Predicate", "Queryable", "cells_queryables", "parcels_queryables", "predicate_of", "where_of"]

_COMPARISONS: Final = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_MAX_LIST = 2_000

Node = Any


def where_of(
    text_or_json: str | Mapping[str, Any],
    queryables: Mapping[str, Queryable],
    lang: Language | None = None,
    *,
    reproject: Reproject | None = None,
) -> Predicate:
    """Translate a filter.

    Args:
        text_or_json: CQL2 text, CQL2 JSON as text, or CQL2 JSON that was decoded before.
        queryables: what it may name, as `cells_queryables()`.
        lang: which of the two a text is; None tells by its first character.
        reproject: from the filter's reference system (`filter-crs`) to longitude and latitude.

    Returns:
        The predicate: `sql` with a `?` for each of `parameters`, or `inlined` where a function takes text only.

    Raises:
        InvalidError: a filter that cannot be read, a name that is no queryable, values of another kind, an operator
            that is not known; the message says which there are.
    """
    return predicate_of(parse(text_or_json, lang), queryables, reproject)


def predicate_of(
    tree: Node, queryables: Mapping[str, Queryable], reproject: Reproject | None = None
) -> Predicate:
    """As `where_of`, of a tree that `cql2_parsing.parse` gave."""
    return _Translation(Terms(queryables, reproject)).truth(tree)


class _Translation:
    """Nodes that are true or false; `Terms` has those that are values."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    def truth(self, node: Node) -> Predicate:
        if not (isinstance(node, dict) and "op" in node):
            term = self._terms.term(node)
            refuse_kinds("a comparison or a truth value", term, ("boolean",))
            return term.sql
        op, args = str(node["op"]).lower(), node.get("args")
        if not isinstance(args, list):
            raise InvalidError(f"Expected a list of args for {op!r} in the filter, got {args!r}. Correct it.")
        if op in ("and", "or"):
            return self._all(op, args)
        if op == "not":
            return joined(["(NOT ", self.truth(*_exactly(op, args, 1)), ")"])
        return self._leaf(op, args)

    def _all(self, op: str, args: list[Node]) -> Predicate:
        if not args:
            raise InvalidError(f"Expected something to combine by {op!r} in the filter, got nothing.")
        pieces: list[Predicate | str] = ["("]
        for number, arg in enumerate(args):
            pieces += [f" {op.upper()} "] * (number > 0) + [self.truth(arg)]
        return joined([*pieces, ")"])

    def _leaf(self, op: str, args: list[Node]) -> Predicate:
        if op in _COMPARISONS:
            one, other = self._pair(*_exactly(op, args, 2))
            return joined(["(", one.sql, f" {_COMPARISONS[op]} ", other.sql, ")"])
        if op in SPATIAL:
            return self._terms.spatial(op, *_exactly(op, args, 2))
        if op in TEMPORAL:
            return self._terms.temporal(op, *_exactly(op, args, 2))
        rest = {"between": self._between, "in": self._in, "like": self._like, "isnull": self._is_null}
        if op not in rest:
            known = sorted({"and", "or", "not", *_COMPARISONS, *rest, *SPATIAL, *TEMPORAL})
            raise InvalidError(f"Expected one of the operators {', '.join(known)} in the filter, got {op!r}.")
        return rest[op](args)

    def _pair(self, one: Node, other: Node) -> tuple[Term, Term]:
        left, right = self._terms.alike(one, other)
        if "geometry" in (left.kind, right.kind) or "interval" in (left.kind, right.kind):
            raise InvalidError(
                "Expected numbers, text or days to compare in the filter, got a geometry or an interval. "
                "Use S_INTERSECTS for places and T_INTERSECTS for times."
            )
        return left, right

    def _between(self, args: list[Node]) -> Predicate:
        value, low, high = _exactly("between", args, 3)
        first, least = self._pair(value, low)
        second, most = self._pair(value, high)
        return joined(["(", first.sql, " >= ", least.sql, " AND ", second.sql, " <= ", most.sql, ")"])

    def _in(self, args: list[Node]) -> Predicate:
        value, values = _exactly("in", args, 2)
        if not isinstance(values, list) or not 0 < len(values) <= _MAX_LIST:
            raise InvalidError(
                f"Expected 1 to {_MAX_LIST:,} values after IN in the filter, got {str(values)[:200]}."
            )
        pieces: list[Predicate | str] = []
        for each in values:
            one, other = self._pair(value, each)
            pieces += [", ", other.sql] if pieces else ["(", one.sql, " IN (", other.sql]
        return joined([*pieces, "))"])

    def _like(self, args: list[Node]) -> Predicate:
        value, pattern = (self._terms.as_text(arg) for arg in _exactly("like", args, 2))
        return joined(["(", value.sql, " LIKE ", pattern.sql, " ESCAPE '\\')"])

    def _is_null(self, args: list[Node]) -> Predicate:
        return joined(["(", self._terms.term(*_exactly("isNull", args, 1)).sql, " IS NULL)"])


def _exactly(op: str, args: Sequence[Node], count: int) -> Sequence[Node]:
    if len(args) != count:
        raise InvalidError(f"Expected {count} arguments of {op!r} in the filter, got {len(args)}.")
    return args
