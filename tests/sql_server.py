"""`/sql` as an application of its own, with what stands before every route of the server and no other route."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar

from surco.api.problems import problem_handlers
from surco.api.settings import Settings
from surco.api.sql_box.routes import sql_routes
from surco.api.state.database import Database
from surco.api.state.keys import KnownKeys
from surco.api.web.authentication import authentication
from surco.api.web.parameters import known_parameters
from surco.api.web.server import Server


@contextmanager
def serving_sql(store: Path, **limits: Any) -> Iterator[str]:
    """A running server of it; gives its address."""
    config = uvicorn.Config(sql_app(store, **limits), "127.0.0.1", 0, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def sql_app(store: Path, **limits: Any) -> Litestar:
    """The application over a store, with the limits given."""
    settings = Settings(store=store, **limits)
    server = Server(settings, Database.open(store, None))
    return Litestar(
        sql_routes(server),
        middleware=[authentication(KnownKeys(server.database), settings.anonymous)],
        guards=[known_parameters],
        exception_handlers=problem_handlers(store),
        on_shutdown=[server.close],
        openapi_config=None,
        logging_config=None,
    )
