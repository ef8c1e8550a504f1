"""Which rows of a block pass a predicate: asked of DuckDB over Arrow columns in memory, without a file."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import duckdb
import duckdb_extension_spatial
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.ogc.predicates import Predicate
from surco.api.refusals import InvalidError
from surco.embedstore import comunas
from surco.embedstore.column_functions import register
from surco.embedstore.h3_functions import H3_FUNCTIONS
from surco.embedstore.place_names import name_columns

__all__ = ["passing", "passing_comunas"]

_NAMES: Final = ("comuna_name", "provincia", "region")
_CURSORS = threading.local()
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "threads": 2,
    "memory_limit": "512MB",
}


def passing(
    columns: Mapping[str, Any], constants: Mapping[str, str], predicate: Predicate
) -> npt.NDArray[np.int64]:
    """Positions of the rows that pass, ascending.

    Args:
        columns: of one block, Arrow arrays of one length; `geometry`, where it is there, is WKB.
        constants: columns that have one value, as the season.
        predicate: over these and, where there is a code `comuna`, the names that go with it.

    Raises:
        InvalidError: values that the predicate's functions cannot take.
    """
    sql = predicate.sql
    # Only what the predicate names: building a column of names for nothing takes longer than the rest.
    used = {name: column for name, column in columns.items() if f'"{name}"' in sql or name == "comuna"}
    rows = next(iter(columns.values()))
    table = pa.table({**used, "_row": pa.array(np.arange(len(rows)))})
    cursor = _cursor()
    cursor.register("block", table)
    asked = f"SELECT _row FROM ({_source(used, constants, sql)}) WHERE {sql}"  # noqa: S608 - SQL of ours, with `?`
    try:
        found = cursor.execute(asked, _values(constants, sql, predicate)).fetchnumpy()
        return np.sort(np.asarray(found["_row"], np.int64))
    except duckdb.Error as error:
        raise InvalidError(
            f"Expected a filter that can be computed for every feature, got one that cannot: {str(error)[:300]}. "
            "Correct its values."
        ) from error
    finally:
        cursor.unregister("block")


@lru_cache(maxsize=256)
def passing_comunas(predicate: Predicate) -> npt.NDArray[np.bool_]:
    """Which codes of comunas pass a predicate over the code and its names, asked once for each.

    Returns:
        (65536,) by code; 0 is a place of no comuna.

    Raises:
        InvalidError: as `passing`.
    """
    names = comunas()
    codes = pa.concat_arrays([names["cut"].combine_chunks().cast(pa.uint16()), pa.nulls(1, pa.uint16())])
    columns = {
        "comuna": codes,
        **{
            column: pa.concat_arrays([names[name].combine_chunks(), pa.nulls(1, names[name].type)])
            for column, name in zip(_NAMES, ("comuna", "provincia", "region"), strict=True)
        },
    }
    allowed = np.zeros(1 << 16, np.bool_)
    allowed[codes.fill_null(0).to_numpy(zero_copy_only=False)[passing(columns, {}, predicate)]] = True
    return allowed


def _source(used: Mapping[str, Any], constants: Mapping[str, str], sql: str) -> str:
    shapes = " REPLACE (ST_GeomFromWKB(geometry) AS geometry)" if "geometry" in used else ""
    added = [f'? AS "{name}"' for name in constants if f'"{name}"' in sql]
    if "comuna" in used and not set(_NAMES) & set(used) and any(f'"{name}"' in sql for name in _NAMES):
        added.append(_name_columns())
    return f"SELECT *{shapes}{''.join(f', {each}' for each in added)} FROM block"  # noqa: S608


def _values(constants: Mapping[str, str], sql: str, predicate: Predicate) -> list[Any]:
    return [*(value for name, value in constants.items() if f'"{name}"' in sql), *predicate.parameters]


@lru_cache(maxsize=1)
def _name_columns() -> str:
    return name_columns()


def _cursor() -> duckdb.DuckDBPyConnection:
    """Kept for each thread: a cursor serves one at a time."""
    if not hasattr(_CURSORS, "cursor"):
        _CURSORS.cursor = _session().cursor()
    cursor: duckdb.DuckDBPyConnection = _CURSORS.cursor
    return cursor


@lru_cache(maxsize=1)
def _session() -> duckdb.DuckDBPyConnection:
    session = duckdb.connect(":memory:", config=_CONFIG)
    folder = Path(duckdb_extension_spatial.__path__[0]) / "extensions" / f"v{duckdb.__version__}"
    session.load_extension(str(folder / "spatial.duckdb_extension"))
    register(session, H3_FUNCTIONS)
    for setting in ("enable_external_access = false", "lock_configuration = true"):
        session.execute(f"SET {setting}")
    return session
