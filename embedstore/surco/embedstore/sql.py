"""SQL over a store: an in-memory DuckDB session that sees the store's tables and nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import duckdb
import duckdb_extension_spatial
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from surco.embedstore.blocks import DAMAGED
from surco.embedstore.cells import FUNCTIONS
from surco.embedstore.errors import QueryError, StoreError
from surco.embedstore.place_names import create_comunas, name_columns
from surco.embedstore.readonly import PROTOCOL, ReadOnlyFiles
from surco.embedstore.schema import Table, cells_schema, parcels_schema
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo

__all__ = ["connect", "run_sql", "run_sql_on"]

_SETTINGS: Final[Mapping[str, str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    # Otherwise a query could read any Python variable by its name.
    "python_enable_replacements": "false",
    "temp_directory": "",
}
_MACROS = (
    # Cosine needs no scale: it is the same for embedding * scale.
    "cosine(a, b) AS list_cosine_similarity(a::FLOAT[], b::FLOAT[])",
    "vector(embedding, scale) AS list_transform(embedding, lambda value: value * scale)::FLOAT[]",
    "h3_string(h3) AS printf('%x', h3)",
    "h3_resolution(h3) AS ((h3 >> 52) & 15)::UTINYINT",
    "h3_boundary(h3) AS ST_GeomFromWKB(h3_boundary_wkb(h3))",
)
_SEASONS: Final[Mapping[str, pa.DataType]] = {
    "season": pa.string(),
    "table_name": pa.string(),
    "model": pa.string(),
    "res": pa.int32(),
    "rows": pa.int64(),
    "as_of": pa.date32(),
}


def connect(
    store: Store, *, memory_limit: str | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """A DuckDB session on the store's version.

    Views `cells` and `parcels` hold every model, season and resolution, with the columns `model`, `season` (text)
    and, in `cells`, `res`; tables `seasons`, `models` (with their cards as JSON) and `adapters` say what there is.
    The code in `comuna` is named by `comuna_name`, `provincia` and `region`, and the table `comunas` lists all of them;
    these names are matched without accents and case.
    Spatial functions are loaded and `geometry` is a GEOMETRY. Functions: `cosine(a, b)` of vectors as stored or as
    floats, `vector(embedding, scale)`, `h3_string(h3)`, `h3_resolution(h3)`, `h3_parent(h3, res)`,
    `h3_cell(lon, lat, res)`, `h3_parse(text)`, `h3_boundary(h3)`.

    The session reads the store's visible files and can read, write, attach, install or change nothing else. Use one
    session for many queries, and `.cursor()` of it in each thread.

    Args:
        store: any version of it.
        memory_limit: as DuckDB writes it, "2GB"; None leaves DuckDB's own.
        threads: None leaves DuckDB's own.
    """
    session = duckdb.connect(":memory:", config=_config(memory_limit, threads))
    session.load_extension(str(_spatial()))
    tables = store.tables()
    session.register_filesystem(ReadOnlyFiles(store.checked_files()))
    for function in FUNCTIONS:
        session.create_function(
            function.name,
            function.call,
            list(function.parameters),
            function.returns,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )
    for macro in _MACROS:
        session.execute(f"CREATE MACRO {macro}")
    try:
        for table in ("cells", "parcels"):
            _create_view(session, store, table, [info for info in tables if info.table == table])
    except duckdb.Error as error:
        session.close()
        raise _damage(error) from error
    create_comunas(session)
    _create_lists(session, store, tables)
    session.execute(f"SET allowed_directories = ['{PROTOCOL}://']")
    session.execute("SET enable_external_access = false")
    session.execute("SET lock_configuration = true")
    return session


def run_sql(
    store: Store, query: str, parameters: Sequence[object] = (), *, timeout_s: float | None = None
) -> pa.Table:
    """Run one query in a session of its own and return all rows.

    Raises:
        StoreError: a file that is damaged.
        QueryError: SQL that DuckDB refuses, more than one statement, a statement that returns no rows, or no end
            within `timeout_s` seconds.
    """
    with connect(store) as session:
        return run_sql_on(session, query, parameters, timeout_s=timeout_s)


def run_sql_on(
    session: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Sequence[object] = (),
    *,
    timeout_s: float | None = None,
) -> pa.Table:
    """As `run_sql`, in a session that `connect` made (or a cursor of it)."""
    timer = threading.Timer(timeout_s, session.interrupt) if timeout_s is not None else None
    try:
        statement = _only_statement(session, query)
        if timer is not None:
            timer.start()
        return session.execute(statement, list(parameters)).to_arrow_table()
    except duckdb.InterruptException as error:
        raise QueryError(
            f"an answer within {timeout_s} s",
            _short(query),
            "Ask for fewer rows: filter by season, res or place.",
        ) from error
    except duckdb.Error as error:
        if DAMAGED in str(error):
            raise _damage(error) from error
        raise QueryError("SQL that DuckDB can run", _short(query), f"DuckDB says: {error}") from error
    finally:
        if timer is not None:
            timer.cancel()


def _only_statement(session: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
    statements = session.extract_statements(query)
    returns_rows = [duckdb.ExpectedResultType.QUERY_RESULT]
    if len(statements) != 1 or statements[0].expected_result_type != returns_rows:
        raise QueryError(
            "one statement that returns rows (SELECT, DESCRIBE, SUMMARIZE, EXPLAIN)",
            f"{len(statements)} statements: {_short(query)}",
            "Ask one question at a time; the store cannot be changed by SQL.",
        )
    return statements[0]


def _config(memory_limit: str | None, threads: int | None) -> dict[str, str | bool | int | float | list[str]]:
    chosen = {"memory_limit": memory_limit, "threads": threads}
    return {**_SETTINGS, **{name: value for name, value in chosen.items() if value}}


def _spatial() -> Path:
    """The spatial extension in its wheel: no network, and the version that fits this DuckDB."""
    folder = Path(duckdb_extension_spatial.__path__[0])
    return folder / "extensions" / f"v{duckdb.__version__}" / "spatial.duckdb_extension"


def _create_view(
    session: duckdb.DuckDBPyConnection, store: Store, table: Table, tables: list[TableInfo]
) -> None:
    types = {"model": "VARCHAR", "season": "VARCHAR"} | ({"res": "INTEGER"} if table == "cells" else {})
    if not tables:
        _create_empty(session, table, types)
        _name_places(session, table, f"no_{table}")
        return
    places = [
        f"{PROTOCOL}://{file.relative_to(store.path).as_posix()}" for info in tables for file in info.files
    ]
    listed = ", ".join(f"'{place}'" for place in places)
    hive = ", ".join(f"'{name}': {kind}" for name, kind in types.items())
    read = f"read_parquet([{listed}], hive_partitioning = true, hive_types = {{{hive}}})"
    _name_places(session, table, read)


def _name_places(session: duckdb.DuckDBPyConnection, table: Table, source: str) -> None:
    # Paths and names in the source were checked by the manifest.
    session.execute(f"CREATE VIEW {table} AS SELECT *, {name_columns()} FROM {source}")  # noqa: S608


def _create_empty(session: duckdb.DuckDBPyConnection, table: Table, types: Mapping[str, str]) -> None:
    schema = cells_schema(64) if table == "cells" else parcels_schema(64)
    _create_table(session, "nothing", schema.empty_table())
    added = ", ".join(f"NULL::{kind} AS {name}" for name, kind in types.items())
    session.execute(
        f"CREATE TABLE no_{table} AS SELECT * REPLACE (ST_GeomFromWKB(geometry) AS geometry), {added} FROM nothing"  # noqa: S608
    )
    session.execute("DROP TABLE nothing")


def _create_lists(session: duckdb.DuckDBPyConnection, store: Store, tables: list[TableInfo]) -> None:
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
    cards = [json.dumps(store.model_card(name)) if name in store.cards() else None for name in store.models()]
    _create_table(
        session,
        "models",
        pa.table({"model": pa.array(store.models(), pa.string()), "card": pa.array(cards, pa.string())}),
    )
    _create_table(session, "adapters", pa.table({"adapter": pa.array(store.adapters(), pa.string())}))


def _create_table(session: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    session.register("incoming", rows)
    session.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")  # noqa: S608 - names of this module
    session.unregister("incoming")


def _damage(error: duckdb.Error) -> StoreError:
    """DuckDB's message about a file, without the Python stack that it appends."""
    return StoreError(
        "a store's files as they were written",
        str(error).partition("\n\nAt:")[0],
        "Find all damaged files with `surco store verify`, and restore them from a copy.",
    )


def _short(query: str) -> str:
    return query if len(query) <= 200 else f"{query[:200]}…"
