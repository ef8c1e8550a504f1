"""A filter taken apart: what needs predictions, what does not, and the ground outside of which nothing passes."""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from surco.api.ogc.cql2_parsing import Language, parse
from surco.api.ogc.cql2_sql import predicate_of
from surco.api.ogc.cql2_values import Reproject, geometry_of
from surco.api.ogc.predicates import Predicate
from surco.api.ogc.queryables import Queryable
from surco.api.ogc.regions import Box, boxes_of

__all__ = ["EVERYTHING", "RowFilter", "row_filter"]

# A feature in one of these relations to a geometry shares a place with it.
_SHARING = ("s_intersects", "s_within", "s_contains", "s_equals", "s_touches", "s_overlaps", "s_crosses")

_PLACES = {"comuna", "comuna_name", "provincia", "region"}


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A filter of a table's rows.

    Attributes:
        places: what the comuna alone decides; None where nothing.
        plain: what the table's other columns decide; None where nothing.
        predicted: what needs an adapter's answer; None where nothing.
        grounds: boxes (west, south, east, north) by the geometries that a row must meet, one list for each.
    """

    places: Predicate | None = None
    plain: Predicate | None = None
    predicted: Predicate | None = None
    grounds: tuple[tuple[Box, ...], ...] = ()


EVERYTHING = RowFilter()
"""The filter that lets all rows pass."""


def row_filter(
    text: str | Mapping[str, Any],
    lang: Language | None,
    queryables: Mapping[str, Queryable],
    dear: Names[str],
    reproject: Reproject | None = None,
) -> RowFilter:
    """Translate a filter.

    Args:
        text: in CQL2.
        lang: which of its two languages; None tells by the first character.
        queryables: what it may name.
        dear: which of these an adapter has to predict.
        reproject: from the filter's reference system to longitude and latitude.

    Raises:
        InvalidError: as `cql2_sql.where_of`.
    """
    parts = list(_conjuncts(parse(text, lang)))
    predicted = [part for part in parts if _named(part) & set(dear)]
    places = [part for part in parts if _named(part) and _named(part) <= _PLACES]
    plain = [part for part in parts if part not in predicted and part not in places]
    grounds = (tuple(boxes_of(shape)) for shape in _shapes(parts, queryables, reproject))

    def predicate(some: list[Any]) -> Predicate | None:
        return predicate_of(_all(some), queryables, reproject) if some else None

    return RowFilter(predicate(places), predicate(plain), predicate(predicted), tuple(grounds))


def _conjuncts(tree: Any) -> Iterator[Any]:
    if (
        isinstance(tree, dict)
        and tree.get("op") == "and"
        and isinstance(tree.get("args"), list)
        and tree["args"]
    ):
        for part in tree["args"]:
            yield from _conjuncts(part)
    else:
        yield tree


def _all(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else {"op": "and", "args": parts}


def _named(tree: Any) -> set[str]:
    """Names of the properties in a tree."""
    found: set[str] = set()
    rest = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, dict):
            if isinstance(node.get("property"), str):
                found.add(node["property"])
            rest.extend(node.values())
        elif isinstance(node, list):
            rest.extend(node)
    return found


def _shapes(
    parts: list[Any], queryables: Mapping[str, Queryable], reproject: Reproject | None
) -> Iterator[Any]:
    for part in parts:
        args = part.get("args") if isinstance(part, dict) and part.get("op") in _SHARING else None
        if not isinstance(args, list) or len(args) != 2:
            continue
        named = [isinstance(arg, dict) and _is_geometry(arg.get("property"), queryables) for arg in args]
        written = [arg for arg in args if isinstance(arg, dict) and ("type" in arg or "bbox" in arg)]
        if any(named) and written:
            yield geometry_of(written[0], reproject)


def _is_geometry(name: Any, queryables: Mapping[str, Queryable]) -> bool:
    return isinstance(name, str) and name in queryables and queryables[name].kind == "geometry"
