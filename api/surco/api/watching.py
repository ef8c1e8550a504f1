"""Running a query for a person: with progress where it takes long, stopped by Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import duckdb
import pyarrow as pa

from surco.api.errors import ApiError
from surco.api.progress import progress_bar
from surco.embedstore import run_sql_on

__all__ = ["StoppedError", "run_watched"]

_PATIENCE_S = 1.0
_STEP_S = 0.2


class StoppedError(ApiError):
    """A query that was stopped by the person who asked."""


def run_watched(session: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """As `run_sql_on`, with a progress bar on standard error from the second second on.

    Raises:
        EmbedstoreError: as `run_sql_on`.
        StoppedError: Ctrl-C was pressed.
    """
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_sql_on, session, query)
        try:
            _watch(running, session.query_progress)
        except KeyboardInterrupt as stop:
            session.interrupt()
            running.exception()
            raise StoppedError("Expected an answer, got Ctrl-C. The query was stopped.") from stop
        return running.result()


def _watch(running: Future[pa.Table], share: Callable[[], float]) -> None:
    """Wait for the end; DuckDB says how many of a hundred parts are done, or less than none."""
    began = time.monotonic()
    while not running.done() and time.monotonic() - began < _PATIENCE_S:
        _wait(running)
    if running.done():
        return
    with progress_bar("query") as report:
        while not running.done():
            report(round(max(share(), 0.0)), 100, "Ctrl-C stops it")
            _wait(running)


def _wait(running: Future[pa.Table]) -> None:
    try:
        running.exception(_STEP_S)
    except TimeoutError:
        return
