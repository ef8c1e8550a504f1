"""The process that looks for fields: started, listened to, and ended when it is late or nobody waits any more."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import IO, Any

from surco.api.refusals import TimedOutError
from surco.embedstore import Sentence

__all__ = ["SearchStep", "searching"]

_BEAT_S = 0.5  # so often somebody who waits hears of it, and somebody who went is missed
_CHUNK = 1 << 16
_KEPT_NAMES = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SURCO_WEIGHTS", "TMPDIR")


@dataclass(frozen=True, slots=True)
class SearchStep:
    """How far a search is: `done` of `total` windows of its part, "images" (encoded) or "fields"; seconds so far."""

    part: str = "start"
    done: int = 0
    total: int = 0
    seconds: float = 0.0


def searching(request: dict[str, Any], limit_s: float) -> Generator[SearchStep, None, dict[str, Any]]:
    """Run the search of `boundary_job`: a step twice a second, and what it answered as the iterator's value.

    Closing the iterator ends the process and whatever it started.

    Args:
        request: for the process, JSON values.
        limit_s: seconds after which it is ended.

    Raises:
        TimedOutError: it took longer.
    """
    # It knows none of the server's secrets.
    environment = {name: os.environ[name] for name in _KEPT_NAMES if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "surco.api.map_products.boundary_job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    began, step = time.monotonic(), SearchStep()
    try:
        _send(process, request)
        for line in _lines(process, began + limit_s):
            told: dict[str, Any] = {} if line is None else json.loads(line)
            if "refused" in told or "parcels" in told:
                return told
            step = SearchStep(
                told.get("part", step.part),
                told.get("done", step.done),
                told.get("total", step.total),
                time.monotonic() - began,
            )
            yield step
    finally:
        _end(process)
    if time.monotonic() - began >= limit_s:
        raise TimedOutError(
            Sentence(
                f"Expected parcels within {limit_s:g} s, got none yet. Ask for a smaller area, or use "
                "`surco boundaries`.",
                "fields-late",
                seconds=limit_s,
            )
        )
    raise RuntimeError(f"the finder of parcels ended with {process.returncode}")


def _send(process: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
    if process.stdin is None:
        raise RuntimeError("no way to the finder of parcels")
    process.stdin.write(json.dumps(request).encode())
    process.stdin.close()


def _lines(process: subprocess.Popen[bytes], deadline: float) -> Iterator[bytes | None]:
    """Lines that the process writes, None for each beat without one, until it ends or the time is up."""
    said: IO[bytes] | None = process.stdout
    if said is None:
        raise RuntimeError("no way from the finder of parcels")
    held = b""
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([said], [], [], min(_BEAT_S, left))
        if not ready:
            yield None
            continue
        more = os.read(said.fileno(), _CHUNK)
        if not more:
            return
        *whole, held = (held + more).split(b"\n")
        yield from whole


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
