"""Doing what is missing, in rounds: what failed is tried again later, and given up after some rounds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from surco.encoder.errors import SceneError
from surco.encoder.reading import ReadCounts
from surco.encoder.runs.assembling import Assembler
from surco.encoder.runs.errors import CancelledRunError
from surco.encoder.runs.folder import DeadLetter, RunFolder
from surco.encoder.runs.state import Driver
from surco.encoder.runs.work import Executor, Failure, MakeEncoder, Task, Work

__all__ = ["Patience", "do_all"]

Progress = Callable[[int, int, str], None]
_TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Patience:
    """How failures are met.

    Attributes:
        attempts: how often a window is tried before its tile is given up.
        wait_s: before the second attempt.
        factor: by which each later wait is longer.
        give_up: whether a tile that cannot be read is given up at all; otherwise it ends the run.
    """

    attempts: int = 4
    wait_s: float = 5.0
    factor: float = 6.0
    give_up: bool = True


def do_all(
    work: Work,
    folder: RunFolder,
    executor: Executor,
    make_encoder: MakeEncoder,
    driver: Driver,
    patience: Patience,
    progress: Progress,
) -> int:
    """Do every tile that is not there and was not given up; returns how many were there before.

    Raises:
        CancelledRunError: somebody stopped the run.
        SceneError: a scene that cannot be read, where nothing is given up.
        EncoderError: see `work.Executor`.
    """
    rounds = _Rounds(work, folder, driver, patience, progress)
    before = rounds.assembler.tiles_done
    missing = rounds.missing
    for attempt in range(patience.attempts):
        if missing and attempt:
            rounds.wait(patience.wait_s * patience.factor ** (attempt - 1), len(missing))
        missing = rounds.play(executor, make_encoder, missing) if missing else []
    return before


class _Rounds:
    """What was tried and how often."""

    def __init__(
        self, work: Work, folder: RunFolder, driver: Driver, patience: Patience, progress: Progress
    ) -> None:
        self.assembler = Assembler(work, folder, progress)
        self._work, self._folder, self._driver = work, folder, driver
        self._patience, self._progress = patience, progress
        self._attempts: Counter[Task] = Counter()
        self._reading = ReadCounts()
        self._dead = {letter.tile: letter for letter in folder.dead_letters()}
        windows, left = self.assembler.windows, self.assembler.windows_left
        driver.tell(tiles=len(work.tiles), windows=windows, windows_before=windows - left)
        self._tell()

    @property
    def missing(self) -> list[Task]:
        """Windows to do: those of tiles that were given up are not."""
        return [task for task in self.assembler.missing if self._name(task) not in self._dead]

    def play(self, executor: Executor, make_encoder: MakeEncoder, tasks: Sequence[Task]) -> list[Task]:
        """Try each window once; those that are to be tried again."""
        self._driver.tell(phase="encoding")
        failed: dict[Task, Failure] = {}
        results = executor.results(self._work, make_encoder, tasks)
        try:
            for result in results:
                self._stop_if_asked()
                if result is None:
                    continue
                task, outcome, reading = result
                self._reading += reading
                if isinstance(outcome, Failure):
                    failed[task] = outcome
                    self._fail(task, outcome)
                else:
                    failed.pop(task, None)
                    self._take(task, outcome)
        finally:
            results.close()
        return [task for task in failed if self._attempts[task] < self._patience.attempts]

    def wait(self, seconds: float, windows: int) -> None:
        """Let some time pass: what could not be read may be readable then."""
        self._driver.tell(phase="waiting")
        self._tell(f"{windows} windows failed and are tried again in {seconds:.0f} s")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._stop_if_asked()
            time.sleep(min(_TICK_S, seconds))

    def _take(self, task: Task, payload: bytes) -> None:
        finished = self.assembler.take(task, payload)
        self._tell(f"{self._name(task)} done" if finished else "")

    def _fail(self, task: Task, failure: Failure) -> None:
        if not self._patience.give_up:
            raise SceneError(failure.reason)
        self._attempts[task] += 1
        if self._attempts[task] == self._patience.attempts:
            name = self._name(task)
            self._dead[name] = self._letter(name, task, failure)
            self._folder.bury(self._dead[name])
            self._tell(f"{name} given up")

    def _letter(self, name: str, task: Task, failure: Failure) -> DeadLetter:
        others = self._dead[name].windows if name in self._dead else ()
        windows, now = tuple(sorted({*others, task.window})), datetime.now(UTC).isoformat(timespec="seconds")
        return DeadLetter(name, windows, failure.kind, failure.reason, self._attempts[task], now)

    def _tell(self, text: str = "") -> None:
        done, windows = self.assembler.tiles_done, self.assembler.windows - self.assembler.windows_left
        read = {name: getattr(self._reading, name) for name in ("requests", "bytes_read", "retries")}
        self._driver.tell(tiles_done=done, tiles_failed=len(self._dead), windows_done=windows, **read)
        self._progress(done, len(self._work.tiles), text)

    def _stop_if_asked(self) -> None:
        if self._folder.cancelled:
            raise CancelledRunError(
                f"Expected run {self._folder.key} to go on; got a request to stop it. "
                "What is done is kept: surco run resume goes on from there."
            )

    def _name(self, task: Task) -> str:
        return self._work.tiles[task.tile].name
