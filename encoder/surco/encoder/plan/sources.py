"""Where a run's observations come from: scenes, or the synthetic country."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from surco.embedstore import Season
from surco.encoder.composite import Composite
from surco.encoder.grid import Window
from surco.encoder.kept_months import KeptMonths, compose_kept
from surco.encoder.plan.synthetic import synthetic_composite
from surco.encoder.plan.tiles import LandTile
from surco.encoder.scenes import Scene

__all__ = ["SceneSource", "SimulatedSource", "Source"]


@runtime_checkable
class Source(Protocol):
    """Gives a window's composites; can be sent to other processes, and gives the same in all of them."""

    def composite(self, tile: LandTile, window: Window, season: Season) -> Composite:
        """The composites of one window of a tile.

        Args:
            tile: of the national grid.
            window: one of `tile.windows()`.
            season: nothing after its `last_day` is looked at.

        Raises:
            EncoderError: something that cannot be read.
        """


@dataclass(frozen=True, slots=True)
class SceneSource:
    """Composites of scenes; none is read that does not touch a window, or for a window without a place that counts.

    Months are taken from `kept` where they are there.
    """

    scenes: Sequence[Scene]
    kept: KeptMonths | None = None

    def composite(self, tile: LandTile, window: Window, season: Season) -> Composite:
        """See `Source.composite`; raises SceneError for a scene that cannot be read."""
        return compose_kept(self.scenes if tile.inside(window).any() else (), window, season, self.kept)


@dataclass(frozen=True, slots=True)
class SimulatedSource:
    """Composites of a synthetic Chile, each pixel by its own place on the grid: no tile or order changes a bit.

    It teaches nothing about real land. It is there so that a run over the whole country can be tried without scenes;
    how sparsely it looks is said by the tiles' `step`.
    """

    seed: int = 1

    def composite(self, tile: LandTile, window: Window, season: Season) -> Composite:
        """See `Source.composite`; pixels that do not count are not valid."""
        return synthetic_composite(self.seed, tile, window, season)
