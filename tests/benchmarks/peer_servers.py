"""The servers that are compared, each in processes of its own: where they answer, what they use."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

TILE_SERVER = Path(__file__).with_name("tile_server.py")


@dataclass(frozen=True)
class PeerServer:
    """A server that answers at `address`; `roots` are the processes that, with their children, do its work."""

    address: str
    roots: tuple[int, ...]

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.address.rpartition(":")[2])

    def processor_s(self) -> float:
        """Seconds of processors used so far by all its processes and by their children that have ended."""
        ticks = 0
        for pid in _family(self.roots):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> tuple[float, float]:
        """Memory of all its processes now, what they share counted once; and the part that is no mapped file."""
        total = own = 0
        for pid in _family(self.roots):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
            held = {line.split(":")[0]: int(line.split()[1]) for line in lines}
            total += held["Pss"]
            own += held["Pss_Anon"] + held["Pss_Shmem"]
        return total / 1024, own / 1024


@contextmanager
def surco_server(store: Path) -> Iterator[PeerServer]:
    """`surco serve` of a store, without its limit of requests a minute."""
    with subprocess.Popen(
        [sys.executable, str(TILE_SERVER), str(store)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words, "Surco's server has ended"
        try:
            yield PeerServer(f"http://127.0.0.1:{words[1]}", (process.pid,))
        finally:
            process.terminate()


@contextmanager
def started(
    command: Sequence[str], port: int, environment: Mapping[str, str], log: Path, also: Iterable[int] = ()
) -> Iterator[PeerServer]:
    """A peer's server that `command` starts on a port; `also` are processes that work for it."""
    with (
        log.open("w") as out,
        subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=out, stderr=out, cwd=log.parent
        ) as process,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process, log)
            yield PeerServer(address, (process.pid, *also))
        finally:
            process.terminate()


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{address}/conformance?f=json", timeout=60).raise_for_status()
        except httpx.TransportError:
            assert process.poll() is None, f"the server has ended: {log.read_text()[-2000:]}"
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server does not answer: {log.read_text()[-2000:]}")


def _family(roots: Iterable[int]) -> list[int]:
    """Processes and all that descend from them."""
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        try:
            children = [
                child
                for task in Path(f"/proc/{pid}/task").iterdir()
                for child in (task / "children").read_text().split()
            ]
        except OSError:
            continue  # it has ended meanwhile
        found.append(pid)
        waiting += map(int, children)
    return found
