"""Windows done on this machine: in this process, or by processes of their own that may die."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import traceback
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from threadpoolctl import threadpool_limits

from surco.encoder.errors import EncoderError
from surco.encoder.runs.errors import RunError
from surco.encoder.runs.stages import Stage, Stages
from surco.encoder.runs.work import Failure, MakeEncoder, Piece, Recipe, Result, Task, Work

__all__ = ["InProcess", "LocalPool"]

_MOST_WINDOWS = 16
"""Of a piece: those of one tile, which read the same scenes."""
_AHEAD = 2
"""Windows that are read while one is encoded; a composite of the next takes some 50 MB."""
_PIECES = 4
"""A worker gets at least so many of a round, where there are windows enough: none is left with all the rest."""
_DEATHS = 3
"""A window over which this many workers died is given up for this round, with what is left of its piece."""
_TICK_S = 1.0


class InProcess:
    """Does windows one after another in the process that asks.

    Args:
        stage: told which window comes now, and what is done with it.
    """

    def __init__(self, stage: Stage | None = None) -> None:
        self._stage = stage

    def results(
        self, work: Work, make_encoder: MakeEncoder, tasks: Sequence[Task]
    ) -> Generator[Result | None, None, None]:
        """See `work.Executor`."""
        stages, encoder = Stages(work.recipe), make_encoder()
        for piece in work.pieces(tasks, _MOST_WINDOWS):
            yield from stages.do(piece, encoder, self._stage, ahead=_AHEAD)


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, the driver's end of the only pipe to it, and what it holds: its piece, and the tasks left of it.

    It reads so many windows `ahead` of the one that it is at.
    """

    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    piece: Piece | None = None
    ahead: int = 0
    left: deque[Task] = field(default_factory=deque)

    @property
    def begun_several(self) -> bool:
        """Whether it may have begun more than one window, so that nobody can tell over which it dies."""
        return self.ahead > 0 and len(self.left) > 1


class LocalPool:
    """Does windows by processes of their own; one that dies, whatever killed it, is replaced, its windows redone.

    Each has a pipe that nobody else holds an end of: none can leave a lock behind, and all end when the driver does.
    While one encodes a window it reads the next ones of its piece; what is left of a piece over which a worker died is
    begun a window at a time, so that the next death tells which window is deadly.

    Args:
        workers: processes, 1 or more.
        threads: of each, for arithmetic.
    """

    def __init__(self, workers: int, threads: int = 1) -> None:
        if workers < 1:
            raise RunError(f"Expected at least 1 worker; got {workers}. Give a number of processes.")
        self._count, self._threads = workers, threads

    def __str__(self) -> str:
        return f"{self._count} processes"

    def results(
        self, work: Work, make_encoder: MakeEncoder, tasks: Sequence[Task]
    ) -> Generator[Result | None, None, None]:
        """See `work.Executor`."""
        most = min(_MOST_WINDOWS, max(1, len(tasks) // (self._count * _PIECES)))
        crew = _Crew(work, tasks, most, (work.recipe, make_encoder, self._threads))
        try:
            crew.grow(min(self._count, len(tasks)))
            while crew.busy:
                yield from crew.step()
        finally:
            crew.end()


class _Crew:
    """The workers of one round, and what is left to do."""

    def __init__(
        self, work: Work, tasks: Sequence[Task], most: int, arguments: tuple[Recipe, MakeEncoder, int]
    ) -> None:
        self._work, self._arguments = work, arguments
        self._pieces = work.pieces(tasks, most)
        self._again: deque[Piece] = deque()
        self._workers: list[_Worker] = []
        self._deaths: Counter[Task | None] = Counter()
        self._left = len(tasks)

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return self._left > 0

    def grow(self, count: int) -> None:
        """Start workers."""
        context = multiprocessing.get_context("spawn")
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
            process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours))

    def step(self) -> Iterator[Result | None]:
        """Wait a little for what comes back."""
        ready = wait([worker.pipe for worker in self._workers], _TICK_S)
        if not ready:
            yield None
        for worker in [each for each in self._workers if each.pipe in ready]:
            yield from self._hear(worker)

    def end(self) -> None:
        """Stop all workers at once; what they were doing is lost."""
        for worker in self._workers:
            worker.process.kill()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()
            worker.process.close()
        self._workers.clear()

    def _hand(self, worker: _Worker) -> None:
        """Give a worker that waits its next piece; it reads at once, so that this never waits long."""
        worker.ahead = 0 if self._again else _AHEAD
        worker.piece = self._again.popleft() if self._again else next(self._pieces, None)
        if worker.piece is not None:
            worker.left = deque(worker.piece.tasks)
            # Of a worker that has just died its pipe tells.
            with suppress(OSError):
                worker.pipe.send((worker.piece, worker.ahead))

    def _hear(self, worker: _Worker) -> Iterator[Result]:
        try:
            said = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._replace(worker)
            return
        if isinstance(said, EncoderError):
            raise said
        if isinstance(said, str):
            raise RuntimeError(f"a worker failed at {self._name(worker)}:\n{said}")
        if isinstance(said, Result):
            worker.left.remove(said.task)
            self._left -= 1
            yield said
        if not worker.left:
            self._hand(worker)

    def _replace(self, worker: _Worker) -> Iterator[Result]:
        """Another worker for one that died; its windows are done again, unless the one it was at killed several."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        code = worker.process.exitcode
        worker.process.close()
        task = worker.left[0] if worker.left else None
        self._deaths[task] += not worker.begun_several
        if self._deaths[task] >= _DEATHS:
            yield from self._given_up(worker, code)
        elif worker.piece is not None and worker.left:
            again = tuple(task.window for task in worker.left)
            self._again.append(Piece(worker.piece.number, again, worker.piece.tile, worker.piece.source))
        self.grow(1)

    def _given_up(self, worker: _Worker, code: int | None) -> Iterator[Result]:
        if not worker.left:
            raise RunError(
                f"Expected workers that start; got {_DEATHS} that ended before their first window, the last "
                f"with code {code}. See what they wrote; where they were killed (-9), use fewer."
            )
        failure = Failure("worker", f"{_DEATHS} workers died over it, the last with code {code}.")
        self._left -= len(worker.left)
        yield from [Result(task, failure) for task in worker.left]

    def _name(self, worker: _Worker) -> str:
        if worker.piece is None or not worker.left:
            return "its start"
        return f"window {worker.left[0].window} of tile {worker.piece.tile.name}"


def _serve(pipe: Connection, recipe: Recipe, make_encoder: MakeEncoder, threads: int) -> None:
    """A worker's whole life: pieces in, results out, until the driver's end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError), threadpool_limits(threads):
        try:
            stages, encoder = Stages(recipe), make_encoder()
            _limit_torch(threads)
            pipe.send(None)
            while True:
                piece, ahead = pipe.recv()
                for result in stages.do(piece, encoder, ahead=ahead):
                    pipe.send(result)
        except EncoderError as error:
            pipe.send(error)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception:
            pipe.send(traceback.format_exc())


def _limit_torch(threads: int) -> None:
    """PyTorch, where an encoder has imported it, does not listen to others' limits."""
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
