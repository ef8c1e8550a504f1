"""What a session finds by name: views of the store's tables, and tables of what there is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Final

import duckdb
import pyarrow as pa

from surco.embedstore.place_names import create_comunas, name_columns
from surco.embedstore.readonly import PROTOCOL
from surco.embedstore.schema import Table, cells_schema, parcels_schema
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo

__all__ = ["create_tables"]

_SEASONS: Final[Mapping[str, pa.DataType]] = {
    "season": pa.string(),
    "table_name": pa.string(),
    "model": pa.string(),
    "res": pa.int32(),
    "rows": pa.int64(),
    "as_of": pa.date32(),
}


def create_tables(session: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Create the views and tables that `connect` speaks of.

    Raises:
        duckdb.Error: a file that is damaged.
    """
    tables = store.tables()
    for table in ("cells", "parcels"):
        held = [info for info in tables if info.table == table]
        _create_view(session, store, table, table, held)
        _create_view(session, store, f"{table}_latest", table, _latest(held))
    session.execute(
        'CREATE VIEW labels AS SELECT id, "crop:name" AS label, season, model, geometry, "metrics:area" / 1e4 AS '
        'hectares, comuna, comuna_name, provincia, region FROM parcels WHERE "crop:name" IS NOT NULL'
    )
    create_comunas(session)
    _create_seasons(session, tables)
    _create_cards(session, store)


def _latest(tables: list[TableInfo]) -> list[TableInfo]:
    """The table of the latest season for each model and resolution."""
    kinds = {(info.model_id, info.resolution): info for info in sorted(tables, key=lambda info: info.season)}
    return list(kinds.values())


def _create_view(
    session: duckdb.DuckDBPyConnection, store: Store, view: str, table: Table, tables: list[TableInfo]
) -> None:
    types = {"model": "VARCHAR", "season": "VARCHAR"} | ({"res": "VARCHAR"} if table == "cells" else {})
    if tables:
        names = [name for info in tables for name in info.names]
        listed = ", ".join(f"'{PROTOCOL}://{name}'" for name in names)
        hive = ", ".join(f"'{column}': {kind}" for column, kind in types.items())
        source = f"read_parquet([{listed}], hive_partitioning = true, hive_types = {{{hive}}})"
    else:
        source = f"no_{view}"
        _create_empty(session, source, table, types)
    # Bare columns of a folder's name crash min() and max() in DuckDB 1.5.5 (its issue 25629). Files are still left out
    # by filters on these expressions, which cost nothing: their value is one constant a file.
    of_folder = [
        "model || '' AS model",
        "season || '' AS season",
        *(["res::INTEGER AS res"] * ("res" in types)),
    ]
    # Paths and names in the source were checked by the manifest.
    session.execute(
        f"CREATE VIEW {view} AS SELECT * REPLACE ({', '.join(of_folder)}), {name_columns()} FROM {source}"  # noqa: S608
    )


def _create_empty(
    session: duckdb.DuckDBPyConnection, name: str, table: Table, types: Mapping[str, str]
) -> None:
    schema = cells_schema(64) if table == "cells" else parcels_schema(64)
    _create_table(session, "nothing", schema.empty_table())
    added = ", ".join(f"NULL::{kind} AS {column}" for column, kind in types.items())
    session.execute(
        f"CREATE TABLE {name} AS SELECT * REPLACE (ST_GeomFromWKB(geometry) AS geometry), {added} FROM nothing"  # noqa: S608
    )
    session.execute("DROP TABLE nothing")


def _create_seasons(session: duckdb.DuckDBPyConnection, tables: list[TableInfo]) -> None:
    rows: list[dict[str, str | int | date | None]] = [
        {
            "season": info.season,
            "table_name": info.table,
            "model": info.model_id,
            "res": info.resolution,
            "rows": info.rows,
            "as_of": info.as_of,
        }
        for info in tables
    ]
    _create_table(session, "seasons", pa.Table.from_pylist(rows, schema=pa.schema(_SEASONS)))


def _create_cards(session: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Tables `models` and `adapters`, with their cards as JSON text, null where there is none."""
    models = {name: json.dumps(store.model_card(name)) for name in store.cards()}
    _create_table(session, "models", _cards("model", {name: models.get(name) for name in store.models()}))
    adapters: dict[str, str | None] = {}
    for name in store.adapters():
        card = store.adapter_dir(name) / "card.json"
        adapters[name] = card.read_text(encoding="utf-8") if card.is_file() else None
    _create_table(session, "adapters", _cards("adapter", adapters))


def _cards(column: str, cards: Mapping[str, str | None]) -> pa.Table:
    names, texts = pa.array(list(cards), pa.string()), pa.array(list(cards.values()), pa.string())
    return pa.table({column: names, "card": texts})


def _create_table(session: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    session.register("incoming", rows)
    session.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")  # noqa: S608 - names of this module
    session.unregister("incoming")
