"""The table function `nearest` of SQL.

DuckDB has no table functions in Python. But its `query` runs the text that a function of constants gives while the
query is planned. So `nearest` is a macro over a function that looks its examples up and writes SQL: which rows pass the
filter is asked of DuckDB, and handed to the search as all that it may choose from; whatever the filter, none that
passes is missed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from surco.embedstore.column_functions import Column, ColumnFunction, Macro, row_function, whole
from surco.embedstore.errors import QueryError, SearchError
from surco.embedstore.likeness import KEYS, Likeness, direction, read_likeness
from surco.embedstore.schema import Table
from surco.embedstore.selection import literal, rows_of, searched_table
from surco.embedstore.similar import similar
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo

__all__ = ["nearest_functions"]

_ARGUMENTS = ("VARCHAR", "BIGINT", "VARCHAR", "VARCHAR", "VARCHAR", "INTEGER", "VARCHAR", "BOOLEAN")
_MOST = 1_000_000
"""Neighbours at a time."""

_QUESTION = {"season", "resolution", "model_id", "what", "k", "exact", "without"}


def nearest_functions(
    held: Store, check_filter: Callable[[str], None] | None = None
) -> tuple[ColumnFunction | Macro, ...]:
    """`nearest`, and the functions behind it, on a store that stays at its version; `check_filter` as in `connect`."""
    return (
        row_function("nearest_query", partial(_nearest_query, held, check_filter), _ARGUMENTS, "VARCHAR"),
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
    )


def _nearest_query(
    store: Store,
    check_filter: Callable[[str], None] | None,
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
    info = searched_table(store, likeness, unit, season, resolution, model)
    question = {
        "season": info.season,
        "resolution": info.resolution,
        "model_id": info.model_id,
        "what": direction(store, likeness, info).tolist(),
        "k": k,
        "exact": exact,
        "without": _examples(likeness, info),
    }
    key, rows = KEYS[info.table], f"FROM {info.table} WHERE {rows_of(info)}"
    passing = "NULL"
    if predicate is not None:
        if check_filter is not None:
            check_filter(predicate)
        # The line break ends a comment that a predicate may end with; no row at all is not every row.
        passing = f"(SELECT coalesce(list({key}), []) {rows} AND ({_checked_predicate(predicate, info)}\n))"
    found = f"unnest(nearest_{info.table}({literal(json.dumps(question))}, {passing}), recursive := true)"
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
