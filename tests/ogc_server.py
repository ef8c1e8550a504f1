"""A real server of OGC API Features over a small store, for clients of every kind."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from litestar import Litestar

from surco.api import Settings, create_app
from surco.api.ogc.routes import ogc_routes
from surco.api.state.database import Database
from surco.api.web.server import Server


def ogc_app(store: Path) -> Litestar:
    """The whole application over a store, its OGC routes included."""
    settings = Settings(store)
    app = create_app(settings)
    if not any(route.path == "/collections" for route in app.routes):
        for handler in ogc_routes(Server(settings, Database.open(store, None))):
            app.register(handler)
    return app


@contextmanager
def running(app: Litestar) -> Iterator[str]:
    """The address of a server on loopback that is stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
