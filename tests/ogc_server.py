"""A real server of OGC API Features over a store, in a process of its own: GDAL holds the interpreter while it waits.

Alone: `python tests/ogc_server.py STORE PORT`.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from litestar import Litestar

from surco.api import Settings, create_app
from surco.api.ogc.routes import ogc_routes
from surco.api.state.database import Database
from surco.api.web.server import Server

_PROCESSES: dict[str, int] = {}


def ogc_app(store: Path) -> Litestar:
    """The whole application over a store, its OGC routes included."""
    settings = Settings(store, requests_per_minute=1_000_000)
    app = create_app(settings)
    if not any(route.path == "/collections" for route in app.routes):
        for handler in ogc_routes(Server(settings, Database.open(store, None))):
            app.register(handler)
    return app


@contextmanager
def running(store: Path) -> Iterator[str]:
    """The address of a server on loopback that is stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([sys.executable, __file__, str(store), str(port)]) as server:
        address = f"http://127.0.0.1:{port}"
        _PROCESSES[address] = server.pid
        try:
            _wait_for(address, server)
            yield address
        finally:
            server.terminate()


def process_of(address: str) -> int:
    """Id of the process of a server that `running` started."""
    return _PROCESSES[address]


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{address}/conformance").raise_for_status()
        except httpx.TransportError:
            assert server.poll() is None, "the server has ended"
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server does not answer")


if __name__ == "__main__":
    uvicorn.run(ogc_app(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
