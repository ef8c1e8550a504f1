"""Run as a process of its own: a real server of a store on a free port; `ready PORT` on stdout when it answers."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from surco.api import Settings, create_app


def main(store: Path) -> None:
    """Serve until killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(store, requests_per_minute=100_000_000)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), "127.0.0.1", port, log_level="warning"))

    async def run() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print("ready", port, flush=True)
        await task

    asyncio.run(run())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
