"""Windows done by a Ray cluster: read by many, encoded by a few that keep the encoder, pooled by many.

Machines may come and go. What was on one that died Ray makes again; where it cannot, or stays silent, all of the round
that is missing is begun anew.
"""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import time
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from surco.encoder.errors import EncoderError
from surco.encoder.reading import ReadCounts
from surco.encoder.runs.cluster_data import Ask, Told, serve
from surco.encoder.runs.cluster_stages import COUNTS, REFUSED
from surco.encoder.runs.errors import RunError
from surco.encoder.runs.work import Failure, MakeEncoder, Result, Task, Work

__all__ = ["RayExecutor"]

_TICK_S = 1.0
_BEGINNINGS = 3
"""A round is begun so often without one result in between before it is an error."""
_PATIENCE_S = 5.0


class RayExecutor:
    """Does windows on a Ray cluster.

    Args:
        address: of the cluster, such as `10.0.0.5:6379`; `auto` takes the one that this machine belongs to, or makes
            one of this machine alone.
        silence_s: without any result for so long, what is missing is begun anew.
        batch_windows: encoded in one call; None takes as many as make 131,072 pixels, at most 64.

    Raises:
        RunError: Ray is not installed.
    """

    def __init__(
        self, address: str = "auto", silence_s: float = 900.0, batch_windows: int | None = None
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise RunError(
                "Expected Ray, for --ray; got a Python without it. Install it: pip install 'surco[ray]'."
            )
        self._address, self._silence, self._batch = address, silence_s, batch_windows

    def __str__(self) -> str:
        return f"Ray at {self._address}"

    def results(
        self, work: Work, make_encoder: MakeEncoder, tasks: Sequence[Task]
    ) -> Generator[Result | None, None, None]:
        """See `work.Executor`."""
        missing = dict.fromkeys(tasks)
        beginnings = 0
        while missing:
            beginnings += 1
            ask = Ask(self._address, work, make_encoder, list(missing), self._batch)
            try:
                for result in _listened(ask, self._silence):
                    if result is not None and result.task in missing:
                        del missing[result.task]
                        beginnings = 0
                    yield result
            except _LostError as error:
                if beginnings >= _BEGINNINGS:
                    raise RunError(
                        f"Expected results of the Ray cluster at {self._address}; got none in {beginnings} beginnings: "
                        f"{error} See the cluster's logs; what is done is kept."
                    ) from error
                logging.getLogger("surco.encoder").warning("begun anew: %s", error)


class _LostError(Exception):
    """The cluster lost what it cannot make again, or says nothing any more."""


def _listened(ask: Ask, silence_s: float) -> Iterator[Result | None]:
    """Results of one process that speaks to the cluster, None while there are none."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(theirs, ask), daemon=False)
    process.start()
    theirs.close()
    try:
        yield from _heard(ours, ask.address, silence_s)
    finally:
        ours.close()
        _end(process)


def _heard(pipe: Connection, address: str, silence_s: float) -> Iterator[Result | None]:
    last = time.monotonic()
    while True:
        if not pipe.poll(_TICK_S):
            if time.monotonic() - last > silence_s:
                raise _LostError(f"no result for {silence_s:.0f} s.")
            yield None
            continue
        last = time.monotonic()
        try:
            said = pipe.recv()
        except (EOFError, OSError) as error:
            raise _LostError("the process that spoke to it ended.") from error
        if isinstance(said, Told):
            _check(said, address)
            return
        yield from map(_result, said)


def _check(told: Told, address: str) -> None:
    """Raise what a dataset ended with, unless it was done."""
    if told.how == "absent":
        raise RunError(
            f"Expected a Ray cluster at {address}; got {told.words}. Start one with ray start, or name another."
        )
    if told.how == "lost":
        raise _LostError(told.words[:500])
    if told.how == "fault":
        raise RuntimeError(f"a worker failed:\n{told.words}")


def _result(row: dict[str, Any]) -> Result:
    if row["kind"] == REFUSED:
        raise EncoderError(row["reason"])
    task = Task(int(row["tile"]), int(row["window"]))
    reading = ReadCounts(**{name: int(row[name]) for name in COUNTS})
    return Result(task, Failure(row["kind"], row["reason"]) if row["kind"] else row["body"], reading)


def _end(process: BaseProcess) -> None:
    """End a process, gently first: one that made a cluster of this machine takes it down."""
    process.join(_PATIENCE_S if process.exitcode is None else 0)
    if process.is_alive():
        process.terminate()
        process.join(_PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()
