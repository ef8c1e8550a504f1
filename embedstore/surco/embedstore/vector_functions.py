"""Similarity in SQL: `cosine`, `vector`, `vector_of`, and the table functions `nearest` and `change`.

DuckDB has no table functions in Python. But its `query` runs the text that a function of constants gives while the
query is planned. So `nearest` is a macro over a function that looks its examples up and writes SQL: which rows pass the
filter is asked of DuckDB, and handed to the search as all that it may choose from; whatever the filter, none that
passes is missed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from inspect import Parameter, Signature
from typing import Any, get_args

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from surco.embedstore.column_functions import Column, ColumnFunction, Macro, whole
from surco.embedstore.errors import QueryError, SearchError
from surco.embedstore.likeness import KEYS, Likeness, direction, read_likeness
from surco.embedstore.schema import Table
from surco.embedstore.similar import similar
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo

__all__ = ["vector_functions"]

_MOST = 1_000_000
"""Neighbours at a time."""

_QUESTION = {"season", "resolution", "model_id", "what", "k", "exact", "without"}


def vector_functions(store: Store) -> tuple[ColumnFunction | Macro, ...]:
    """Functions on the vectors of a store at the version it has now."""
    # A transaction of the caller's object would move it to another version than the session's.
    held = copy.copy(store)
    return (
        # Cosine needs no scale: it is the same for embedding * scale.
        Macro("cosine(a, b) AS list_cosine_similarity(a::FLOAT[], b::FLOAT[])"),
        Macro("vector(embedding, scale) AS list_transform(embedding, lambda value: value * scale)::FLOAT[]"),
        _by_row("vector_of_json", partial(_vector, held), ("VARCHAR",) * 3, "FLOAT[]"),
        Macro(
            "vector_of(what) AS vector_of_json(to_json(what)::VARCHAR, NULL, NULL), "
            "(what, season) AS vector_of_json(to_json(what)::VARCHAR, season, NULL), "
            "(what, season, model) AS vector_of_json(to_json(what)::VARCHAR, season, model)"
        ),
        _by_row("nearest_query", partial(_nearest_query, held), _NEAREST, "VARCHAR"),
        ColumnFunction(
            "nearest_cells",
            partial(_nearest_rows, held, "cells"),
            ("VARCHAR", "UBIGINT[]"),
            "STRUCT(h3 UBIGINT, similarity FLOAT)[]",
        ),
        ColumnFunction(
            "nearest_parcels",
            partial(_nearest_rows, held, "parcels"),
            ("VARCHAR", "VARCHAR[]"),
            "STRUCT(id VARCHAR, similarity FLOAT)[]",
        ),
        Macro(
            "nearest(what, k, unit := NULL, filter := NULL, season := NULL, res := NULL, model := NULL, exact := NULL) "
            "AS TABLE FROM query("
            "nearest_query(to_json(what)::VARCHAR, k, unit, filter, season, res, model, exact))"
        ),
        _by_row("change_query", partial(_change_query, held), _CHANGE, "VARCHAR"),
        Macro(
            "change(earlier, later, unit := NULL, res := NULL, model := NULL) AS TABLE "
            "FROM query(change_query(earlier, later, unit, res, model))"
        ),
    )


_NEAREST = ("VARCHAR", "BIGINT", "VARCHAR", "VARCHAR", "VARCHAR", "INTEGER", "VARCHAR", "BOOLEAN")
_CHANGE = ("VARCHAR", "VARCHAR", "VARCHAR", "INTEGER", "VARCHAR")


def _by_row(name: str, call: Callable[..., Any], parameters: tuple[str, ...], returns: str) -> ColumnFunction:
    """A function of SQL from one of single values, called once for each combination of arguments in a block."""

    def columns(*arguments: Column) -> Column:
        rows = list(zip(*(whole(argument).to_pylist() for argument in arguments), strict=True))
        values = {row: call(*row) for row in dict.fromkeys(rows)}
        kind = pa.list_(pa.float32()) if returns == "FLOAT[]" else pa.string()
        return pa.array([values[row] for row in rows], kind)

    # DuckDB counts a function's parameters by its signature.
    named = [Parameter(f"a{i}", Parameter.POSITIONAL_ONLY) for i in range(len(parameters))]
    columns.__signature__ = Signature(named)  # type: ignore[attr-defined]
    return ColumnFunction(name, columns, parameters, returns)


def _vector(store: Store, what: str | None, season: str | None, model: str | None) -> list[float] | None:
    """The direction of an item or of examples; null of null."""
    if what is None:
        return None
    likeness = read_likeness(what)
    info = _searched(store, likeness, None, season, None, model)
    values: list[float] = direction(store, likeness, info).tolist()
    return values


def _nearest_query(
    store: Store,
    what: str | None,
    k: int | None,
    unit: str | None,
    predicate: str | None,
    season: str | None,
    resolution: int | None,
    model: str | None,
    exact: bool | None,
) -> str:
    """SQL of the k rows most similar to an item, a vector or examples, among those that pass a predicate."""
    if k is None or not 1 <= k <= _MOST:
        raise SearchError(f"k from 1 to {_MOST:,}", f"{k}", "Ask for at least one neighbour.")
    likeness = read_likeness("null" if what is None else what)
    info = _searched(store, likeness, unit, season, resolution, model)
    question = {
        "season": info.season,
        "resolution": info.resolution,
        "model_id": info.model_id,
        "what": direction(store, likeness, info).tolist(),
        "k": k,
        "exact": exact,
        "without": _examples(likeness, info),
    }
    key, rows = KEYS[info.table], f"FROM {info.table} WHERE {_rows_of(info)}"
    passing = "NULL"
    if predicate is not None:
        # The line break ends a comment that a predicate may end with; no row at all is not every row.
        passing = f"(SELECT coalesce(list({key}), []) {rows} AND ({_checked_predicate(predicate, info)}\n))"
    found = f"unnest(nearest_{info.table}({_literal(json.dumps(question))}, {passing}), recursive := true)"
    return (
        f"SELECT found.{key}, found.similarity, held.* EXCLUDE ({key}) FROM (SELECT {found}) found "  # noqa: S608
        f"JOIN (SELECT * {rows}) held ON held.{key} = found.{key} ORDER BY found.similarity DESC, found.{key}"
    )


def _nearest_rows(store: Store, table: Table, question: Column, passing: Column) -> Column:
    """Keys and similarities of the rows that a question asks for, among the `passing` keys; null is all of them."""
    answers = []
    for text, among in zip(whole(question).to_pylist(), whole(passing), strict=True):
        asked = _read_question(text)
        without = pa.array(asked.pop("without"), among.type.value_type)
        k = asked.pop("k")
        found = similar(store, k=k + len(without), table=table, among=among.values, **asked)
        others = pc.invert(pc.is_in(found.column(0), value_set=without))
        answers.append(found.filter(others).slice(0, k).combine_chunks())
    columns = [pa.concat_arrays(part.column(i).combine_chunks() for part in answers) for i in (0, 1)]
    rows: Any = pa.StructArray.from_arrays(columns, answers[0].column_names)
    ends: Any = pa.array(np.cumsum([0, *(part.num_rows for part in answers)]).astype(np.int32))
    return pa.ListArray.from_arrays(ends, rows)


def _read_question(text: str | None) -> dict[str, Any]:
    """What `_nearest_query` wrote; anybody may call the function with a text of their own."""
    try:
        asked = json.loads(text or "null")
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or set(asked) != _QUESTION or not isinstance(asked["k"], int):
        raise SearchError("a question that nearest() wrote", f"{text!r:.80}", "Use nearest().")
    return asked


def _change_query(
    store: Store,
    earlier: str | None,
    later: str | None,
    unit: str | None,
    resolution: int | None,
    model: str | None,
) -> str:
    """SQL of the rows that two seasons share, with the similarity of their vectors."""
    if earlier is None or later is None or earlier == later:
        raise SearchError(
            f"two of the seasons {store.seasons()}", f"{earlier} and {later}", "Name two different ones."
        )
    table = _unit(store, unit)
    new = store.find(table, season=later, resolution=resolution, model_id=model)
    old = store.find(table, season=earlier, resolution=new.resolution, model_id=new.model_id)
    key = KEYS[table]
    vectors = ("embedding", "embedding_scale", "ndvi")
    named = ", ".join(f"{side}.{name} AS {name}_{side}" for side in ("earlier", "later") for name in vectors)
    both = "earlier.embedding_scale > 0 AND later.embedding_scale > 0"
    cosine = "list_cosine_similarity(earlier.embedding::FLOAT[], later.embedding::FLOAT[])"
    sides = [f"(SELECT * FROM {table} WHERE {_rows_of(info)})" for info in (new, old)]  # noqa: S608
    return (
        f"SELECT later.{key}, CASE WHEN {both} THEN {cosine} END AS similarity, "  # noqa: S608
        f"earlier.season AS season_earlier, later.season AS season_later, {named}, "
        f"later.* EXCLUDE ({key}, season, spread, spread_scale, {', '.join(vectors)}) "
        f"FROM {sides[0]} later JOIN {sides[1]} earlier ON later.{key} = earlier.{key}"
    )


def _searched(
    store: Store,
    likeness: Likeness,
    unit: str | None,
    season: str | None,
    resolution: int | None,
    model: str | None,
) -> TableInfo:
    """The table meant: parcels for parcels, else cells, of the resolution of the cells that it shall be like."""
    tables = {item.table for item in likeness.like}
    table = _unit(store, "parcels" if unit is None and tables == {"parcels"} else unit)
    if table == "cells" and resolution is None:
        resolution = next((item.resolution for item in likeness.like if item.resolution is not None), None)
    return store.find(table, season=season, resolution=resolution, model_id=model)


def _unit(store: Store, unit: str | None) -> Table:
    """The table of that name; None is cells, or parcels in a store without cells."""
    for table in get_args(Table):
        if table == unit:
            return table  # type: ignore[no-any-return]
    if unit is not None:
        raise SearchError("unit 'cells' or 'parcels'", repr(unit), "Name one of the two.")
    held = {info.table for info in store.tables()}
    return "parcels" if held == {"parcels"} else "cells"


def _rows_of(info: TableInfo) -> str:
    level = "" if info.resolution is None else f" AND res = {info.resolution}"
    return f"model = {_literal(info.model_id)} AND season = {_literal(info.season)}{level}"


def _examples(likeness: Likeness, info: TableInfo) -> list[int | str]:
    """Keys of the examples that are rows of the table, which the answer leaves out."""
    if likeness.season not in (None, info.season):
        return []
    return [item.key for item in likeness.items if item.table == info.table and item.key is not None]


def _checked_predicate(predicate: str, info: TableInfo) -> str:
    try:
        duckdb.SQLExpression(predicate)
    except duckdb.Error as error:
        raise QueryError(
            f"an SQL predicate over the columns of {info.table}", repr(predicate), f"DuckDB says: {error}"
        ) from error
    return predicate


def _literal(value: int | str) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
