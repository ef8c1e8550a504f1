"""SQL over a store: an in-memory DuckDB session that sees the store's tables and nothing else."""

from __future__ import annotations

import builtins
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb
import duckdb_extension_spatial
import pyarrow as pa

from surco.embedstore.blocks import DAMAGED
from surco.embedstore.column_functions import ColumnFunction, Macro, register
from surco.embedstore.errors import EmbedstoreError, QueryError, StoreError
from surco.embedstore.h3_functions import H3_FUNCTIONS
from surco.embedstore.readonly import PROTOCOL, UNREACHED, ReadOnlyFiles
from surco.embedstore.session_tables import create_tables
from surco.embedstore.store import Store
from surco.embedstore.vector_functions import vector_functions

__all__ = ["connect", "run_sql", "run_sql_on"]

_SETTINGS: Final[Mapping[str, str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    # Otherwise a query could read any Python variable by its name.
    "python_enable_replacements": "false",
    "temp_directory": "",
}
_GUARDS = (
    # `query_progress` of the session then knows, and prints nothing by itself.
    "enable_progress_bar = true",
    "enable_progress_bar_print = false",
    # A join with few keys, as those of nearest(), then reads the row groups that may hold them and no others.
    "dynamic_or_filter_threshold = 1000",
    f"allowed_directories = ['{PROTOCOL}://']",
    "enable_external_access = false",
    "lock_configuration = true",
)
_FROM_FUNCTION = re.compile(r"executing the UDF: (?:\w+\.)*(\w+): (.*?)\s*(?:\n\nAt:|$)", re.DOTALL)


def connect(
    store: Store,
    *,
    functions: Iterable[ColumnFunction | Macro] = (),
    memory_limit: str | None = None,
    threads: int | None = None,
    check_filter: Callable[[str], None] | None = None,
) -> duckdb.DuckDBPyConnection:
    """A DuckDB session on the store's version.

    Views `cells` and `parcels` hold every model, season and resolution, with the columns `model`, `season` (text)
    and, in `cells`, `res`; `cells_latest` and `parcels_latest` hold the latest season of each model and resolution;
    `labels` the parcels whose crop somebody named. Tables `seasons`, `models` and `adapters` (with their cards as JSON)
    say what there is. The code in `comuna` is named by `comuna_name`, `provincia` and `region`, and the table `comunas`
    lists all of them; these names are matched without accents and case.

    Spatial functions are loaded and `geometry` is a GEOMETRY. Functions, all described in docs/sql.md: `nearest`,
    `change`, `cosine`, `vector`, `vector_of`, and `h3_cell`, `h3_parent`, `h3_children`, `h3_disk`, `h3_boundary`,
    `h3_centre`, `h3_hectares`, `h3_resolution`, `h3_string`, `h3_parse`.

    The session reads the store's visible files and can read, write, attach, install or change nothing else. Use one
    session for many queries, and `.cursor()` of it in each thread.

    Args:
        store: any version of it.
        functions: further functions, as `surco.api.connect` adds the store's adapters.
        memory_limit: as DuckDB writes it, "2GB"; None leaves DuckDB's own.
        threads: None leaves DuckDB's own.
        check_filter: given every predicate of `nearest(filter := …)` before it becomes part of a query; it raises a
            ValueError of what it does not let pass.

    Raises:
        StoreError: a file that is damaged.
    """
    session = duckdb.connect(":memory:", config=_config(memory_limit, threads))
    session.load_extension(str(_spatial()))
    session.register_filesystem(ReadOnlyFiles(store.checked_files()))
    register(session, (*H3_FUNCTIONS, *vector_functions(store, check_filter), *functions))
    try:
        create_tables(session, store)
    except duckdb.Error as error:
        session.close()
        raise _explained(error, "views of the store's tables") from error
    for setting in _GUARDS:
        session.execute(f"SET {setting}")
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
        raise _explained(error, query) from error
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


def _explained(error: duckdb.Error, query: str) -> EmbedstoreError | duckdb.Error:
    if DAMAGED in str(error):
        return _damage(error)
    if UNREACHED in str(error):
        return StoreError(
            "every file of the store",
            str(error).partition(UNREACHED)[2].partition("\n")[0].strip(),
            "Repeat the query: what has arrived is not fetched again.",
        )
    raised = _FROM_FUNCTION.search(str(error))
    if raised is None:
        return QueryError("SQL that DuckDB can run", _short(query), f"DuckDB says: {error}")
    if hasattr(builtins, raised[1]):
        return error  # a mistake of ours, not of the query
    return QueryError("values that the query's functions take", _short(query), raised[2])


def _damage(error: duckdb.Error) -> StoreError:
    """DuckDB's message about a file, without the Python stack that it appends."""
    return StoreError(
        "a store's files as they were written",
        str(error).partition("\n\nAt:")[0],
        "Find all damaged files with `surco store verify`, and restore them from a copy.",
    )


def _short(query: str) -> str:
    return query if len(query) <= 200 else f"{query[:200]}…"
