"""The cells or parcels whose vectors are most like a given one, among those that an SQL predicate lets pass."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression

from surco.embedstore.asking import Wanted
from surco.embedstore.errors import QueryError
from surco.embedstore.schema import Table
from surco.embedstore.season import Season
from surco.embedstore.similar import similar
from surco.embedstore.sql import connect
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo
from surco.embedstore.vectors import KEYS, source_of

__all__ = ["nearest"]


def nearest(
    store: Store,
    what: Wanted,
    k: int,
    *,
    table: Table,
    season: str | Season | None = None,
    resolution: int | None = None,
    where: str | None = None,
    model_id: str | None = None,
    session: duckdb.DuckDBPyConnection | None = None,
    exact: bool | None = None,
) -> pa.Table:
    """The k rows most similar to an item of the table, to a vector, or to examples.

    Every row that passes `where` is compared, so that the answer has exactly the k best of them, however few pass. Only
    where nothing is filtered an index may be used (see `exact`). Similarity is the cosine, which quantisation's scale
    does not change.

    Args:
        store: what to search.
        what: an H3 cell (number, or text in hexadecimal), a parcel's id, a vector (D,) of the table's model, or a
            `Contrast` of examples.
        k: how many, 1 or more.
        table: "cells" or "parcels".
        season: name or Season; None is the latest.
        resolution: of cells; None is the finest.
        where: an SQL predicate over the table's columns, as `n_pixels > 50`; None lets all rows pass.
        model_id: needed where the store holds several models.
        session: of `connect(store)`, to save making one; used for `where`.
        exact: True compares all rows; False demands the index that `build_index` made; None uses it where there is one.
            More than 100 neighbours, and those under `where`, are always found exactly. `how_found` tells how.

    Returns:
        Columns `h3` or `id`, and `similarity` (float32, -1 to 1), most similar first, equal ones by key; at most k
        rows, fewer where fewer pass; never an item that was asked with. A row of zeros is nobody's neighbour.

    Raises:
        SearchError: k below 1, an item that is not in the table or is all zeros, a vector of another length, of zeros
            or not finite, examples that cancel out, no index where one is demanded.
        QueryError: a predicate that DuckDB refuses.
        StoreError: no such table, season or resolution, or a damaged file.
    """
    among = None
    if where is not None:
        source = source_of(store, table, season=season, resolution=resolution, model_id=model_id)
        among = _passing(store, source.info, where, session)
    return similar(
        store,
        what,
        k,
        table=table,
        season=season,
        resolution=resolution,
        model_id=model_id,
        among=among,
        exact=exact,
    )


def _passing(
    store: Store, info: TableInfo, where: str, session: duckdb.DuckDBPyConnection | None
) -> pa.Array[Any]:
    """Keys of the rows that pass the predicate."""
    own = session.cursor() if session is not None else connect(store)
    name = KEYS[info.table]
    meant = (ColumnExpression("model") == ConstantExpression(info.model_id)) & (
        ColumnExpression("season") == ConstantExpression(info.season)
    )
    if info.resolution is not None:
        meant &= ColumnExpression("res") == ConstantExpression(info.resolution)
    with own:
        try:
            # A relation's filter takes an expression and nothing else, so a predicate cannot become another query.
            # Not `sql(…, params=…)`: that runs at once, holding the interpreter's lock that our file system needs.
            rows = own.table(info.table).filter(meant).filter(where)
            found = rows.project(f'"{name}"').to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(
                f"an SQL predicate over the columns of {info.table}", repr(where), f"DuckDB says: {error}"
            ) from error
    return found.column(name).combine_chunks()
