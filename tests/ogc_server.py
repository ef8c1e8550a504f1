"""A real server of OGC API Features over a store, in a process of its own: GDAL holds the interpreter while it waits.

Alone: `python tests/ogc_server.py STORE PORT [LOG]`.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from litestar import Litestar

from surco.api import Settings, create_app
from surco.api.ogc.routes import ogc_routes
from surco.api.state.database import Database
from surco.api.web.server import Server

_PROCESSES: dict[str, int] = {}
_LOGS: dict[str, Path] = {}


def ogc_app(store: Path) -> Litestar:
    """The whole application over a store, its OGC routes included."""
    settings = Settings(store, requests_per_minute=1_000_000)
    app = create_app(settings)
    if not any(route.path == "/collections" for route in app.routes):
        for handler in ogc_routes(Server(settings, Database.open(store, None))):
            app.register(handler)
    return app


@contextmanager
def running(store: Path, *, noting: bool = False) -> Iterator[str]:
    """The address of a server on loopback that is stopped at the end; `noting` keeps what `requests_of` gives."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = store.with_name(f"requests-{port}.txt")
    command = [sys.executable, __file__, str(store), str(port), *([str(log)] if noting else [])]
    with subprocess.Popen(command) as server:
        _PROCESSES[address], _LOGS[address] = server.pid, log
        try:
            _wait_for(address, server)
            yield address
        finally:
            server.terminate()


def process_of(address: str) -> int:
    """Id of the process of a server that `running` started."""
    return _PROCESSES[address]


def requests_of(address: str) -> list[str]:
    """Path and query of each request that a server of `running` has had, as it was written."""
    return _LOGS[address].read_text(encoding="utf-8").splitlines()


def _logged(app: Any, log: Path) -> Any:
    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{scope['path']}?{scope['query_string'].decode()}\n")
        await app(scope, receive, send)

    return noting


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
    served: Any = ogc_app(Path(sys.argv[1]))
    if len(sys.argv) > 3:
        served = _logged(served, Path(sys.argv[3]))
    uvicorn.run(served, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
