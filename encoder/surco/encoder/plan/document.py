"""The plan of a run: everything that decides what its tables will hold, frozen, and kept as one JSON document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely

from surco.embedstore import Season
from surco.encoder.levels import require_levels
from surco.encoder.plan.errors import PlanError
from surco.encoder.plan.ground import Ground
from surco.encoder.plan.sources import SceneSource, SimulatedSource, Source
from surco.encoder.plan.tiles import LandTile
from surco.encoder.protocol import Encoder
from surco.encoder.runkey import RECIPE, describe_scene
from surco.encoder.scenes import Scene

__all__ = ["ParcelFile", "PlannedModel", "RunPlan"]

_NEAR_DEGREES = 0.002
"""Around a tile: footprints are drawn roughly."""


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """The encoder of a run: the name that `load_encoder` takes, its id, a digest of what else tells weights apart."""

    name: str
    id: str
    digest: str

    @classmethod
    def of(cls, name: str, encoder: Encoder) -> PlannedModel:
        """The loaded encoder of a name."""
        return cls(name, encoder.model_id, _digest([encoder.dimension, getattr(encoder, "card", None)]))


@dataclass(frozen=True, slots=True)
class ParcelFile:
    """Parcels to pool besides the cells: where they are, the file's SHA-256, and metres by which they are shrunk."""

    path: str
    digest: str
    erode: float = 0.0


@dataclass(frozen=True, eq=False)
class RunPlan:
    """What a run is to do.

    Attributes:
        region: its name, for people.
        season: with `as_of` where it still grows.
        tiles: of the national grid, from north to south, each with the same ground and step.
        model: the encoder.
        resolutions: of the H3 cells, finest first.
        catalogues: names of those in which the scenes were found; empty where none was asked.
        scenes: of the season that touch the tiles, in order of time.
        simulated: the synthetic country in place of scenes; None for a run over scenes.
        parcels: to pool besides the cells.
        estimate: what the run will take, as `estimates.Estimate.document`; no part of what the run makes.

    Raises:
        PlanError: no tiles, tiles of two grounds or steps, resolutions that no table can have, or scenes and a
            synthetic country at once.
    """

    region: str
    season: Season
    tiles: tuple[LandTile, ...]
    model: PlannedModel
    resolutions: tuple[int, ...]
    catalogues: tuple[str, ...] = ()
    scenes: tuple[Scene, ...] = ()
    simulated: SimulatedSource | None = None
    parcels: ParcelFile | None = None
    estimate: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len({(tile.ground, tile.step) for tile in self.tiles}) != 1:
            raise PlanError(
                f"Expected a plan of tiles that share one ground and step; got {len(self.tiles)} tiles. "
                "Make one plan for each region."
            )
        require_levels(self.resolutions, PlanError)
        if self.simulated and self.scenes:
            raise PlanError(
                f"Expected scenes or a synthetic country; got {len(self.scenes)} scenes and --simulate. "
                "Leave one of them out."
            )

    @property
    def ground(self) -> Ground:
        """The places that count."""
        return self.tiles[0].ground

    @property
    def step(self) -> int:
        """Metres from one pixel that is looked at to the next; 10 for all."""
        return self.tiles[0].step

    @property
    def runnable(self) -> bool:
        """Whether the plan says where observations come from; one without can only be read."""
        return self.simulated is not None or bool(self.scenes)

    @cached_property
    def key(self) -> str:
        """SHA-256 over all that shapes the tables, 32 hexadecimal digits.

        Scenes on this machine count with size and time of change, so that one replaced in place makes another run.
        Names of people and places on disk do not count, contents do.
        """
        mask = self.ground.cropland
        parts = {
            "recipe": RECIPE,
            "season": [self.season.start.isoformat(), self.season.last_day.isoformat()],
            "ground": [self.ground.comunas, (self.ground.polygon or b"").hex()],
            "cropland": None if mask is None else [mask.digest, mask.classes],
            "tiles": [[tile.name, tile.occupied] for tile in self.tiles],
            "step": self.step,
            "model": [self.model.id, self.model.digest],
            "resolutions": sorted(self.resolutions),
            "scenes": [describe_scene(scene) for scene in self.scenes],
            "seed": None if self.simulated is None else self.simulated.seed,
            "parcels": None if self.parcels is None else [self.parcels.digest, float(self.parcels.erode)],
        }
        return _digest(parts)[:32]

    def scenes_of(self, tile: LandTile) -> tuple[Scene, ...]:
        """The scenes that may touch a tile, in order of time."""
        near = self._footprints.query(shapely.box(*tile.bbox).buffer(_NEAR_DEGREES), predicate="intersects")
        return tuple(self.scenes[number] for number in np.sort(near).tolist())

    def source(self, tile: LandTile) -> Source:
        """Where a tile's observations come from: small enough to be sent with it.

        Raises:
            PlanError: a plan without scenes that is no simulation.
        """
        if self.simulated is not None:
            return self.simulated
        if not self.scenes:
            raise PlanError(
                f"Expected scenes in the plan of {self.region}; got none, as no catalogue was named. "
                "Plan again with --stac CATALOG, or with --simulate."
            )
        return SceneSource(self.scenes_of(tile))

    def check_encoder(self, encoder: Encoder) -> None:
        """Refuse an encoder other than the one that the plan was made for; raises PlanError."""
        found = PlannedModel.of(self.model.name, encoder)
        if (found.id, found.digest) != (self.model.id, self.model.digest):
            raise PlanError(
                f"Expected the encoder {self.model.id} of the plan; got {found.id} with other weights or settings. "
                "Run with the plan's model, or plan again."
            )

    @cached_property
    def _footprints(self) -> shapely.STRtree:
        return shapely.STRtree([scene.footprint for scene in self.scenes])


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
