"""Ending a query that takes too long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

__all__ = ["interrupting"]

_AGAIN_S = 0.1


@contextmanager
def interrupting(session: duckdb.DuckDBPyConnection, after_s: float | None) -> Iterator[None]:
    """What runs in a session inside the block is interrupted after some seconds; None is never.

    DuckDB then raises `duckdb.InterruptException`.
    """
    if after_s is None:
        yield
        return
    done = threading.Event()
    watch = threading.Thread(target=_interrupt, args=(session, after_s, done), daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()


def _interrupt(session: duckdb.DuckDBPyConnection, after_s: float, done: threading.Event) -> None:
    """More than once: what comes between two queries, or while one is planned, is forgotten."""
    waiting = after_s
    while not done.wait(waiting):
        session.interrupt()
        waiting = _AGAIN_S
