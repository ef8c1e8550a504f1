"""One warm SQL session a process, for predicates over the store's tables; it is bounded in memory, threads and time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.kept import Kept
from surco.api.refusals import TimedOutError
from surco.embedstore import QueryError, Store, connect
from surco.embedstore.interrupting import interrupting
from surco.embedstore.predicate import passing_rows
from surco.embedstore.selection import rows_of
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import KEYS

__all__ = ["WarmSessions"]

_TIMEOUT_S = 20.0
_MEMORY = "512MB"
_THREADS = 2

Rows = npt.NDArray[np.int64]


class WarmSessions:
    """Sessions on the tables of the latest versions that were asked about; the newest two are kept.

    What it is asked is SQL of ours (`api.ogc` makes it of CQL2, with literals that cannot become anything else); it
    never takes a client's text.
    """

    def __init__(self) -> None:
        self._sessions: Kept[duckdb.DuckDBPyConnection] = Kept(2)
        self._files: Kept[tuple[Path, ...]] = Kept(8)

    def of(self, store: Store) -> duckdb.DuckDBPyConnection:
        """The session on a version's tables; use a cursor of it in each thread.

        Versions whose tables are the same files share one: who labels makes a version with every fit, and asks for
        the next place a moment later. So its `models` and `adapters` may be of an earlier version: nothing here asks.
        """
        version = (str(store.path), store.version)
        files = self._files.get(
            version, lambda: tuple(file for info in store.tables() for file in info.files)
        )
        made = (str(store.path), files)
        return self._sessions.get(made, lambda: connect(store, memory_limit=_MEMORY, threads=_THREADS))

    def passing(self, store: Store, source: Source, where: str) -> Rows:
        """(M,) rows of a table that pass a predicate, ascending; the session remembers the latest ones.

        Raises:
            TimedOutError: it takes too long.
            QueryError, StoreError: as `embedstore.predicate.passing_rows`.
        """
        try:
            return passing_rows(store, source, where, self.of(store), timeout_s=_TIMEOUT_S)
        except QueryError as error:
            if not isinstance(error.__cause__, duckdb.InterruptException):
                raise
            raise _too_slow() from error

    def run(self, store: Store, query: str, **tables: pa.Table) -> pa.Table:
        """Answer one query of ours, in which the given tables have their names.

        Raises:
            TimedOutError: it takes too long.
        """
        with self.of(store).cursor() as own:
            for name, table in tables.items():
                own.register(name, table)
            try:
                with interrupting(own, _TIMEOUT_S):
                    return own.execute(query).to_arrow_table()
            except duckdb.InterruptException as error:
                raise _too_slow() from error

    def columns(self, store: Store, source: Source, keys: pa.Array[Any], columns: str) -> pa.Table:
        """Some columns (SQL of ours) of the few rows with these keys, with the key first, in no order."""
        key = KEYS[source.table]
        # Names and literals are ours or were checked by the manifest.
        query = (
            f'SELECT "{key}", {columns} FROM {source.table} '  # noqa: S608
            f'WHERE {rows_of(source.info)} AND "{key}" IN (SELECT key FROM asked)'
        )
        return self.run(store, query, asked=pa.table({"key": keys}))


def _too_slow() -> TimedOutError:
    return TimedOutError(
        f"Expected a filter that takes at most {_TIMEOUT_S:g} s, got one that takes longer. "
        "Narrow it by comuna, region or bbox, or simplify its geometry."
    )
