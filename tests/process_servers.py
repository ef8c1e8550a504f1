"""Servers as people start them, `surco serve STORE --workers N`, in processes of their own; not a fixture."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from surco.api.serving_commands import DATABASE_URL

_COMMAND = "from surco.api.cli import main; main()"
_STARTS_WITHIN_S = 240.0


@dataclass
class Server:
    """A running server: its address, its process (with workers, their supervisor), and what it has said."""

    url: str
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def workers(self) -> list[int]:
        """Process ids of the workers that live."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def wait_for(self, true: Callable[[], bool], within_s: float = _STARTS_WITHIN_S) -> None:
        """Wait until something is so; fails with what the server said where it never is."""
        deadline = time.monotonic() + within_s
        while not true():
            assert self.process.poll() is None and time.monotonic() < deadline, "".join(self.said)
            time.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether somebody answers there."""
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def serving(store: Path, database: str | None, *options: str) -> Iterator[Server]:
    """A server that answers; with `--workers`, all of whose processes do. It is ended afterwards."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != DATABASE_URL}
    environment |= {"OMP_NUM_THREADS": "1"} | ({DATABASE_URL: database} if database else {})
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "serve", str(store), "--port", str(port), *options],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    server = Server(f"http://127.0.0.1:{port}", process)
    reader = threading.Thread(target=_read, args=(server,), daemon=True)
    reader.start()
    try:
        server.wait_for(lambda: any("Ctrl+C" in line for line in server.said) and answers(server.url))
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)


def _read(server: Server) -> None:
    assert server.process.stderr is not None
    with server.process.stderr as lines:
        for line in lines:
            server.said.append(line)
