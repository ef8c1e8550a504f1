"""Several server processes on one port: uvicorn's supervisor starts them, replaces dead ones and ends them.

They share the listening socket, so that a connection which waits while its process dies is taken by another one, and
what they must agree on lies in the store and the database. Each has its own threads, caches and workers for SQL.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surco.api.errors import ApiError
from surco.api.progress import console, progress_bar
from surco.api.settings import Settings
from surco.api.state.database import Database
from surco.embedstore import Store

if TYPE_CHECKING:
    from litestar import Litestar

__all__ = ["serve_in_processes", "share_of"]

_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Where the client of Prometheus keeps the counts of processes; read when it is imported."""

_FEWEST_CONNECTIONS = 5
# Work that takes the whole machine holds the interpreter for a while; a process is not dead because of it.
_ANSWERS_WITHIN_S = 90
_ENDS_WITHIN_S = 30


def serve_in_processes(settings: Settings, processes: int) -> None:
    """Serve a store by several processes until interrupted; says when all of them answer.

    SIGTERM and SIGINT end all once their answers are sent (half a minute at most), SIGHUP replaces one after another,
    SIGTTIN and SIGTTOU add one and take one away.

    Args:
        settings: of all of them; each gets its share of what one machine has to give (`share_of`).
        processes: how many, 2 or more.

    Raises:
        ApiError: a process that cannot start.
        EmbedstoreError, StateError: no store, no database.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    Store.open(settings.store)
    Database.open(
        settings.store, settings.database, _FEWEST_CONNECTIONS
    ).close()  # migrated before any starts
    each = share_of(settings, processes)
    started = multiprocessing.get_context("spawn").Semaphore(0)
    config = uvicorn.Config(
        _Application(each, started, os.getpid()),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=processes,
        log_level="warning",
        timeout_worker_healthcheck=_ANSWERS_WITHIN_S,
        timeout_graceful_shutdown=_ENDS_WITHIN_S,
    )
    with _shared_metrics(), config.bind_socket() as listening:
        supervisor = Multiprocess(config, sockets=[listening])
        _say_deaths()
        threading.Thread(target=_announce, args=(settings, processes, started), daemon=True).start()
        supervisor.run()
    if any(process.exitcode == uvicorn.config.STARTUP_FAILURE for process in supervisor.processes):
        raise ApiError(
            f"Expected {processes} processes to start, got one that did not; it says why above. "
            "Correct that, or try with one process."
        )


def share_of(settings: Settings, processes: int) -> Settings:
    """Settings of one of several processes on a machine, which together take about what one alone would.

    Drawn tiles in memory, queries of SQL at once and in line, and connections to the database are divided, none of
    them below what a process cannot do without. What is counted in the database holds for all together as it is.
    """
    return replace(
        settings,
        tile_cache=max(1, settings.tile_cache // processes),
        sql_workers=-(-settings.sql_workers // processes),
        sql_line=-(-settings.sql_line // processes),
        database_connections=max(_FEWEST_CONNECTIONS, settings.database_connections // processes),
    )


@dataclass(frozen=True, slots=True)
class _Application:
    """Makes the application inside a process; `started` is told when it can answer."""

    settings: Settings
    started: Any
    supervisor: int

    def __call__(self) -> Litestar:
        from surco.api.app import create_app
        from surco.api.sql_box.cage import die_with_parent
        from surco.api.warming import warm

        # Else a process whose supervisor was killed would keep the port from the next one.
        die_with_parent(self.supervisor, signal.SIGTERM)
        _forget_dead(Path(os.environ[_METRICS]))
        app = create_app(self.settings)
        warm(app.state.server)
        app.on_startup.append(self.started.release)
        return app


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder for the counts of all processes; those that start inside the block find it in their environment."""
    with tempfile.TemporaryDirectory(prefix="surco-metrics-") as folder:
        os.environ[_METRICS] = folder
        try:
            yield
        finally:
            del os.environ[_METRICS]


def _forget_dead(folder: Path) -> None:
    """Requests that a killed process had under way are not under way any more."""
    for file in folder.glob("gauge_live*_*.db"):
        if not Path(f"/proc/{file.stem.rpartition('_')[2]}").exists():
            file.unlink(missing_ok=True)


def _announce(settings: Settings, processes: int, started: Any) -> None:
    with progress_bar("processes") as report:
        for number in range(processes):
            report(number, processes, "start")
            started.acquire()
        report(processes, processes, "answer")
    console().print(
        f"Surco: [bold]http://{settings.host}:{settings.port}/[/]   ({processes} processes; Ctrl+C ends them)"
    )


def _say_deaths() -> None:
    """Of all that uvicorn's supervisor notes, say that a process died."""
    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.INFO)
    log.addFilter(lambda entry: entry.levelno > logging.INFO or entry.getMessage().endswith("died"))
