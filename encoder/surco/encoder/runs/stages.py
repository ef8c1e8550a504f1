"""The three functions that a window goes through, the same wherever they are called: read, encode, pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from surco.encoder.encode_tile import Gathered, encode_gathered, gather, sum_pixels
from surco.encoder.errors import CatalogError, SceneError
from surco.encoder.grid import Window
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.protocol import Encoder, Floats
from surco.encoder.rasters import raster_settings
from surco.encoder.reader import shared_reader
from surco.encoder.reading import ReadCounts, read_ahead
from surco.encoder.runs.work import Failure, Observer, Piece, Recipe, Result, RunTile, Task
from surco.encoder.staging import to_payload

__all__ = ["Stage", "Stages"]

Stage = Callable[[Task, str], None]
"""Told which window comes now, and what is done with it."""


class Stages:
    """Reads windows of a run and pools them, in one process; what encodes between is `encode_gathered`.

    Args:
        recipe: of the run.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._indices: dict[str, ParcelIndex] = {}
        self._counted = shared_reader().counts

    def read(self, tile: RunTile, source: Observer, window: Window) -> Gathered | Failure:
        """Composites of a window as series of its pixels; a failure where a scene cannot be read."""
        try:
            with raster_settings():
                composite = source.composite(tile, window, self._recipe.season)
        except (SceneError, CatalogError) as error:
            return Failure("scene", str(error))
        return gather(composite, window.lonlat(), tile.inside(window).ravel())

    def pool(self, window: Window, gathered: Gathered, vectors: Floats) -> bytes:
        """The sums of a window's cells and parcels, as `staging.to_payload` writes them."""
        index, level = self._index(window.crs), self._recipe.resolution
        return to_payload(sum_pixels(window, gathered, vectors, resolution=level, parcels=index))

    def do(
        self, piece: Piece, encoder: Encoder, stage: Stage | None = None, ahead: int = 0
    ) -> Iterator[Result]:
        """All three for each window of a piece; `stage` is told what is waited for.

        `ahead` of the next windows are read meanwhile. With 0 no window is begun before the one ahead of it is done, so
        that a process that dies does so over the first whose result is missing.
        """
        tell, windows = stage or _silent, list(piece.tile.windows())

        def read(task: Task) -> Gathered | Failure:
            return self.read(piece.tile, piece.source, windows[task.window])

        coming = read_ahead(piece.tasks, read, ahead) if ahead else ((t, read(t)) for t in piece.tasks)
        with closing(coming):
            for task in piece.tasks:
                tell(task, "composites")
                _, gathered = next(coming)
                if isinstance(gathered, Failure):
                    yield Result(task, gathered, self.read_since())
                    continue
                tell(task, "vectors")
                (vectors,) = encode_gathered(encoder, [gathered])
                sums = self.pool(windows[task.window], gathered, vectors)
                yield Result(task, sums, self.read_since())

    def read_since(self) -> ReadCounts:
        """What this process has read over a network since this was asked before, or this was made."""
        before, self._counted = self._counted, shared_reader().counts
        return self._counted - before

    def _index(self, crs: str) -> ParcelIndex | None:
        if self._recipe.parcels is not None and crs not in self._indices:
            self._indices[crs] = ParcelIndex(self._recipe.parcels, crs, self._recipe.erode)
        return self._indices.get(crs)


def _silent(task: Task, text: str) -> None:
    """Nobody asked."""
