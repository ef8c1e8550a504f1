"""What a run is made of, and what goes between its processes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, NamedTuple, Protocol

from surco.embedstore import Season
from surco.encoder.composite import Composite
from surco.encoder.grid import Window
from surco.encoder.parcels import Parcels
from surco.encoder.protocol import Bools, Encoder
from surco.encoder.reading import ReadCounts

__all__ = [
    "Executor", "Failure", "MakeEncoder", "Observer", "Piece", "Recipe", "Result", "RunTile", "Task", "Work",
]  # fmt: skip

MakeEncoder = Callable[[], Encoder]
"""Makes the encoder in the process that uses it; can be sent there."""


class RunTile(Protocol):
    """A piece of land that is finished, or given up, as a whole."""

    @property
    def name(self) -> str:
        """Of its file: each tile's own."""

    def windows(self) -> Iterable[Window]:
        """What is read and encoded at a time, always the same ones in the same order."""

    def inside(self, window: Window) -> Bools:
        """Which pixels of a window count, (H, W)."""


class Observer(Protocol):
    """Where observations come from."""

    def composite(self, tile: Any, window: Window, season: Season) -> Composite:
        """The composites of a window of a tile; raises SceneError for what cannot be read."""


class Task(NamedTuple):
    """A window to do: the number of its tile in `Work.tiles`, and its own among the tile's windows."""

    tile: int
    window: int


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """What all windows of a run have in common; sent once to each process.

    Attributes:
        season: of the run.
        resolution: of the cells to sum by.
        parcels: to sum by as well.
        erode: metres by which parcels are shrunk.
    """

    season: Season
    resolution: int
    parcels: Parcels | None = None
    erode: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some windows of one tile, with all that a process needs to do them."""

    number: int
    windows: tuple[int, ...]
    tile: RunTile
    source: Observer

    @property
    def tasks(self) -> list[Task]:
        """A task for each window."""
        return [Task(self.number, window) for window in self.windows]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """All of a run; stays with its driver.

    Attributes:
        recipe: of all windows.
        tiles: with at least one window each.
        source: a tile's observations.
    """

    recipe: Recipe
    tiles: Sequence[RunTile]
    source: Callable[[Any], Observer]

    def pieces(self, tasks: Iterable[Task], most: int) -> Iterator[Piece]:
        """Tasks, those of a tile together, as pieces of at most so many windows."""
        for number, group in groupby(tasks, lambda task: task.tile):
            tile, windows = self.tiles[number], [task.window for task in group]
            for start in range(0, len(windows), most):
                yield Piece(number, tuple(windows[start : start + most]), tile, self.source(tile))


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a window was not done: what could not be read, or a worker that died over it again and again."""

    kind: Literal["scene", "worker"]
    reason: str


class Result(NamedTuple):
    """What became of a window: a tile's payload (`staging.to_payload`), or why there is none.

    `reading` is what its process read over a network since its result before: for later windows too, where it reads
    ahead. What a process read that died is told by nobody.
    """

    task: Task
    outcome: bytes | Failure
    reading: ReadCounts = ReadCounts()


class Executor(Protocol):
    """Does windows somewhere: here, in other processes, on other machines."""

    def results(
        self, work: Work, make_encoder: MakeEncoder, tasks: Sequence[Task]
    ) -> Generator[Result | None, None, None]:
        """Do all tasks, in any order; None now and then means that nothing has gone wrong.

        A task may come back twice, with the same outcome. Closing the generator ends all work.

        Raises:
            EncoderError: what makes every window fail, as an encoder that breaks its promise.
            RuntimeError: a fault of the program, with the tile's name.
        """
