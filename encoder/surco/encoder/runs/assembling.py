"""Windows put together to tiles, by the one process that writes to a run's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from surco.encoder.pool import merge
from surco.encoder.runs.folder import RunFolder
from surco.encoder.runs.work import Task, Work
from surco.encoder.staging import TileSums, to_payload

__all__ = ["Assembler"]

Progress = Callable[[int, int, str], None]
_EVERY = 100


class Assembler:
    """Keeps finished windows until all of a tile are there, then writes the tile, which marks it as done.

    Windows wait on disk: memory holds one tile, and a run that was stopped finds them again.

    Args:
        work: of the run.
        folder: of the run.
        progress: called as `progress(done, total, text)`, in tiles, while those that are there are looked at: a
            country's take minutes.

    Attributes:
        windows_left: windows that are not there.
    """

    def __init__(self, work: Work, folder: RunFolder, progress: Progress) -> None:
        self._folder = folder
        self._names = [tile.name for tile in work.tiles]
        self._windows = [sum(1 for _ in tile.windows()) for tile in work.tiles]
        self._missing: dict[int, set[int]] = {}
        for number, name in enumerate(self._names):
            if not folder.tiles.has(name):
                self._missing[number] = set(range(self._windows[number]))
                self._find_parts(number)
            elif not number % _EVERY:
                progress(number, len(self._names), "looking at what is done")
        self.windows_left = sum(len(waiting) for waiting in self._missing.values())

    @property
    def windows(self) -> int:
        """Of all tiles."""
        return sum(self._windows)

    @property
    def missing(self) -> list[Task]:
        """Windows that are not there yet, in the order of the tiles."""
        return [
            Task(tile, window) for tile in sorted(self._missing) for window in sorted(self._missing[tile])
        ]

    @property
    def tiles_done(self) -> int:
        """Tiles that are there."""
        return len(self._names) - len(self._missing)

    def take(self, task: Task, payload: bytes) -> bool:
        """Keep a window; whether it was the last one of its tile. One that is there already changes nothing."""
        waiting = self._missing.get(task.tile)
        if waiting is None or task.window not in waiting:
            return False
        name = self._names[task.tile]
        if self._windows[task.tile] == 1:
            self._folder.tiles.save(name, payload)
        else:
            self._folder.parts.save(_part(name, task.window), payload, durable=False)
        waiting.discard(task.window)
        self.windows_left -= 1
        return self._finish(task.tile)

    def _find_parts(self, tile: int) -> None:
        """Windows of a tile that an earlier driver left."""
        name, waiting = self._names[tile], self._missing[tile]
        waiting -= {window for window in waiting if self._folder.parts.has(_part(name, window))}
        self._finish(tile)

    def _finish(self, tile: int) -> bool:
        if self._missing[tile]:
            return False
        del self._missing[tile]
        if self._windows[tile] > 1:
            parts = [_part(self._names[tile], window) for window in range(self._windows[tile])]
            joined = _joined([self._folder.parts.load(part) for part in parts])
            self._folder.tiles.save(self._names[tile], to_payload(joined))
            for part in parts:
                self._folder.parts.remove(part)
        return True


def _part(tile: str, window: int) -> str:
    return f"{tile}.{window:02d}"


def _joined(parts: Sequence[TileSums]) -> TileSums:
    """Whole numbers: the order of the windows changes no bit."""
    months = np.array([(part.optical, part.radar) for part in parts], np.int64).sum(axis=0).tolist()
    return TileSums(
        merge([part.cells for part in parts]),
        merge([part.parcels for part in parts]),
        sum(part.pixels for part in parts),
        tuple(months[0]),
        tuple(months[1]),
    )
