"""Which rows of a table pass an SQL predicate; a session remembers the latest ones, for more searches under them."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from weakref import WeakKeyDictionary

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression

from surco.embedstore.blocks import DAMAGED
from surco.embedstore.errors import QueryError, StoreError
from surco.embedstore.interrupting import interrupting
from surco.embedstore.place_names import name_columns
from surco.embedstore.similar import rows_in
from surco.embedstore.sql import connect
from surco.embedstore.store import Store
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import KEYS, Rows, table_vectors

__all__ = ["passing_comunas", "passing_rows"]

_KEPT = 4
# A predicate of these may pass other rows the next time: another table's, or what chance and the clock say.
_FLEETING = re.compile(
    r"\b(select|from|table|exists|random|setseed|uuid\w*|gen_random_uuid|now|today|current_\w+|get_current_\w+|transaction\w*"
    r"|nextval|currval|getvariable|query|age)\b|\$",
    re.IGNORECASE,
)

_Remembered = OrderedDict[tuple[str, str], Rows]

_SESSIONS: WeakKeyDictionary[duckdb.DuckDBPyConnection, _Remembered] = WeakKeyDictionary()
_WRITING = threading.Lock()


def passing_comunas(
    store: Store,
    source: Source,
    where: str,
    session: duckdb.DuckDBPyConnection | None = None,
    *,
    timeout_s: float | None = None,
) -> frozenset[int] | None:
    """Codes of the comunas of a table all of whose rows pass, 0 where unknown; None where `where` asks for more.

    Arguments and errors as of `passing_rows`.
    """
    if _FLEETING.search(where):
        return None
    if session is None:
        with connect(store) as own, _stopping(own, timeout_s):
            return _comunas(own, source, where)
    with session.cursor() as own, _stopping(own, timeout_s):
        return _comunas(own, source, where)


def passing_rows(
    store: Store,
    source: Source,
    where: str,
    session: duckdb.DuckDBPyConnection | None = None,
    *,
    timeout_s: float | None = None,
) -> Rows:
    """(M,) rows of a table that pass a predicate, ascending.

    Args:
        store: what holds the table.
        source: the table.
        where: an SQL predicate over its columns.
        session: of `connect(store)`; None makes one.
        timeout_s: how long DuckDB may take; None is as long as it needs.

    Raises:
        QueryError: a predicate that DuckDB refuses, or that is not done within `timeout_s`.
        StoreError: a damaged file.
    """
    if session is None:
        with connect(store) as own, _stopping(own, timeout_s):
            return _asked(own, source, where)
    asked = (source.digest, where)
    with _WRITING:
        known = _SESSIONS.setdefault(session, OrderedDict())
        if asked in known:
            known.move_to_end(asked)
            return known[asked]
    with session.cursor() as own, _stopping(own, timeout_s):
        rows = _asked(own, source, where)
    if not _FLEETING.search(where):
        with _WRITING:
            known[asked] = rows
            while len(known) > _KEPT:
                known.popitem(last=False)
    return rows


@contextmanager
def _stopping(session: duckdb.DuckDBPyConnection, timeout_s: float | None) -> Iterator[None]:
    """What runs in the session inside the block and takes longer is a QueryError."""
    try:
        with interrupting(session, timeout_s):
            yield
    except duckdb.InterruptException as error:
        raise QueryError(
            f"a predicate that takes at most {timeout_s} s",
            "one that takes longer",
            "Filter by fewer columns.",
        ) from error


def _asked(session: duckdb.DuckDBPyConnection, source: Source, where: str) -> Rows:
    comunas = None if _FLEETING.search(where) else _comunas(session, source, where)
    return _by_row(session, source, where) if comunas is None else rows_in(table_vectors(source), comunas)


def _comunas(session: duckdb.DuckDBPyConnection, source: Source, where: str) -> frozenset[int] | None:
    """The comunas that pass, by asking once for each comuna; None where the predicate needs other columns."""
    held = _comunas_held(source)
    codes = pa.array(held.astype(np.uint16), mask=held == 0)
    try:
        named = session.from_arrow(pa.table({"comuna": codes})).project(_place_columns())
        passing = named.filter(where).project("comuna").fetchall()
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return None
    return frozenset(code or 0 for (code,) in passing)


@lru_cache(maxsize=8)
def _comunas_held(source: Source) -> npt.NDArray[np.intp]:
    """Codes that a table has, 0 where unknown."""
    return np.flatnonzero(np.bincount(table_vectors(source).comuna))


@cache
def _place_columns() -> str:
    """Code and names; writing the 346 down takes longer than asking."""
    return f"comuna, {name_columns()}"


def _by_row(session: duckdb.DuckDBPyConnection, source: Source, where: str) -> Rows:
    name, info = KEYS[source.table], source.info
    meant = (ColumnExpression("model") == ConstantExpression(info.model_id)) & (
        ColumnExpression("season") == ConstantExpression(info.season)
    )
    if info.resolution is not None:
        meant &= ColumnExpression("res") == ConstantExpression(info.resolution)
    try:
        # A relation's filter takes an expression and nothing else, so a predicate cannot become another query.
        # Not `sql(…, params=…)`: that runs at once, holding the interpreter's lock that our file system needs.
        rows = session.table(source.table).filter(meant).filter(where)
        found: pa.Table = rows.project(f'"{name}"').to_arrow_table()
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        if DAMAGED in str(error):
            raise StoreError(
                "a table as it was written",
                str(error),
                "Find all damaged files with `surco store verify`, and restore them from a copy.",
            ) from error
        raise QueryError(
            f"an SQL predicate over the columns of {source.table}", repr(where), f"DuckDB says: {error}"
        ) from error
    return np.asarray(table_vectors(source).rows_of(found.column(name).combine_chunks()))
