"""The process that speaks to a Ray cluster for a run: a dataset over windows, its results into a pipe.

It is a process of its own because a dataset may hang where a machine has died, and only a process can be ended then.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from surco.encoder.runs.cluster_stages import EncodeRows, Shared, pool_row, read_row
from surco.encoder.runs.work import MakeEncoder, RunTile, Task, Work

__all__ = ["Ask", "Told", "serve"]

_BATCH_PIXELS = 131_072
_MOST_WINDOWS = 64
_READS, _ENCODES, _POOLS = 0.5, 0.45, 0.05
"""Of a core: a reader, which waits for the network, an encoder without a GPU, and pooling. One core has room for all
three, and readers and encoders of unlike shares are never put into one process by Ray."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """What a process is to have done: windows of a run, by the cluster at an address, so many encoded in one call."""

    address: str
    work: Work
    make_encoder: MakeEncoder
    tasks: Sequence[Task]
    batch_windows: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """How a dataset ended: `done`, `lost` (machines, or what was on them), `absent` (no cluster), or a `fault`."""

    how: str
    words: str = ""


def serve(pipe: Connection, ask: Ask) -> None:
    """The process's whole life: rows as lists of dicts, then a `Told`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Ray is an extra, and seconds to import.
    import ray
    import ray.data

    # Who asked may be gone, and all of this with him.
    with suppress(BrokenPipeError, ConnectionResetError):
        try:
            _connect(ray, ask.address)
        except (ConnectionError, ValueError) as error:
            pipe.send(Told("absent", str(error)))
            return
        try:
            for batch in _rows(ray, ask).iter_batches(
                batch_size=None, batch_format="pyarrow", prefetch_batches=0
            ):
                pipe.send(batch.to_pylist())
            pipe.send(Told("done"))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:
            pipe.send(_told(error, ray.exceptions))
    ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    """Without an address Ray takes the cluster that this machine belongs to, or makes one."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.init(
        None if address == "auto" else address,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _rows(ray: Any, ask: Ask) -> Any:
    """The stages of Ray Data over some windows; nothing is done before it is iterated over."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    numbers = sorted({task.tile for task in ask.tasks})
    tiles = {number: (ask.work.tiles[number], ask.work.source(ask.work.tiles[number])) for number in numbers}
    shared = {"shared": Shared(ray.put((ask.work.recipe, tiles)))}
    rows = ray.data.from_items([task._asdict() for task in ask.tasks], override_num_blocks=len(numbers))
    return (
        rows.map(read_row, fn_kwargs=shared, num_cpus=_READS)
        .map_batches(
            EncodeRows,
            fn_constructor_args=(ask.make_encoder,),
            batch_size=ask.batch_windows or _batch_of(ask.work.tiles[numbers[0]]),
            batch_format="numpy",
            **_encoders(ray),
        )
        .map(pool_row, fn_kwargs=shared, num_cpus=_POOLS)
    )


def _batch_of(tile: RunTile) -> int:
    window = next(iter(tile.windows()))
    return max(1, min(_MOST_WINDOWS, _BATCH_PIXELS // (window.width * window.height)))


def _encoders(ray: Any) -> dict[str, Any]:
    """How many encoders, and what each takes: every GPU one, or a half of the cores where there is none."""
    there: dict[str, float] = ray.cluster_resources()
    gpus, cores = int(there.get("GPU", 0)), int(there.get("CPU", 1))
    strategy = ray.data.ActorPoolStrategy
    if gpus:
        return {"compute": strategy(min_size=1, max_size=gpus), "num_gpus": 1, "num_cpus": 0}
    return {"compute": strategy(min_size=1, max_size=max(1, cores // 2)), "num_cpus": _ENCODES}


def _told(error: Exception, errors: Any) -> Told:
    """Whether machines were lost, or the program has a fault: that is what a task itself raised."""
    cause = getattr(error, "cause", None)
    raised = isinstance(error, errors.RayTaskError) and not isinstance(cause, errors.RayError)
    lost = isinstance(error, (errors.RayError, ConnectionError, TimeoutError)) and not raised
    return Told("lost" if lost else "fault", f"{type(error).__name__}: {error}")
