"""Making a plan: from what is asked for to the tiles, the scenes and the estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from surco.embedstore import ISO_CODES, Season, comunas
from surco.encoder.errors import EncoderError
from surco.encoder.parcels import read_parcels
from surco.encoder.plan.document import ParcelFile, PlannedModel, RunPlan
from surco.encoder.plan.estimates import Estimate, SceneCounts, estimate
from surco.encoder.plan.ground import Ground
from surco.encoder.plan.rates import Rates
from surco.encoder.plan.scene_counts import counts_by_orbits, counts_of_scenes
from surco.encoder.plan.scene_search import find_scenes
from surco.encoder.plan.sources import SimulatedSource
from surco.encoder.plan.survey import SurveyedTile, survey
from surco.encoder.protocol import Encoder
from surco.encoder.reading.addresses import bare

__all__ = ["PlanRequest", "make_plan"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What to plan.

    Attributes:
        region: its name, for people.
        ground: the places that count, with comunas.
        season: with `as_of` where it still grows.
        model: name of the encoder, as `load_encoder` takes it.
        resolutions: of the H3 cells, finest first.
        catalogues: to look for scenes in; empty for an estimate by the orbits alone.
        simulated: a synthetic country in place of scenes.
        step: metres between the pixels that are looked at; more than 10 only makes sense with `simulated`.
        parcels: to pool besides the cells, shrunk by `erode` metres.
        rates: to estimate with.
    """

    region: str
    ground: Ground
    season: Season
    model: str
    resolutions: tuple[int, ...]
    catalogues: tuple[str, ...] = ()
    simulated: SimulatedSource | None = None
    step: int = 10
    parcels: Path | None = None
    erode: float = 0.0
    rates: Rates = field(default_factory=Rates)


def make_plan(request: PlanRequest, encoder: Encoder, progress: Progress | None = None) -> RunPlan:
    """Make a plan.

    Args:
        request: what to plan.
        encoder: of the request's model.
        progress: called as `progress(done, total, text)`.

    Raises:
        PlanError: nothing of the ground is land that counts, or a mask or parcel file that cannot be read.
        CatalogError: a catalogue that cannot be read, or none with a scene there.
    """
    surveyed = survey(request.ground, step=request.step, progress=progress)
    tiles = tuple(one.tile for one in surveyed)
    scenes = find_scenes(request.catalogues, request.season, tiles, progress)
    if scenes:
        counts = counts_of_scenes(tiles, scenes)
    else:
        counts = counts_by_orbits(tiles, request.season, synthetic=request.simulated is not None)
    windows = [one.windows for one in surveyed]
    made = estimate(tiles, _regions(surveyed), windows, counts, request.resolutions, request.rates)
    return RunPlan(
        region=request.region,
        season=request.season,
        tiles=tiles,
        model=PlannedModel.of(request.model, encoder),
        resolutions=request.resolutions,
        catalogues=tuple(map(_named, request.catalogues)),
        scenes=scenes,
        simulated=request.simulated,
        parcels=None if request.parcels is None else _parcels(request.parcels, request.erode),
        estimate={**_in_order(made).document(), "scenes": _by_tile(counts)},
    )


def _regions(surveyed: Sequence[SurveyedTile]) -> list[str]:
    names = {row["region_cut"]: row["region"] for row in comunas().to_pylist()}
    return [names[one.region] for one in surveyed]


def _named(catalogue: str) -> str:
    """A catalogue's address without secrets; of a local one only the name, not where it lies: tables repeat it."""
    return bare(catalogue) if "://" in catalogue else Path(catalogue).resolve().name


def _in_order(figures: Estimate) -> Estimate:
    """With the regions from north to south, as the country lies."""
    names = {row["region_cut"]: row["region"] for row in comunas().to_pylist()}
    order = [names[code] for code in ISO_CODES]
    return replace(figures, regions=tuple(sorted(figures.regions, key=lambda share: order.index(share.name))))


def _by_tile(counts: SceneCounts) -> dict[str, list[float]]:
    """Scenes of each tile, in the order of the tiles."""
    return {"optical": counts.optical.round(1).tolist(), "radar": counts.radar.round(1).tolist()}


def _parcels(path: Path, erode: float) -> ParcelFile:
    if erode < 0:
        raise EncoderError(f"Expected --erode of 0 m or more; got {erode:g}. Correct it.")
    return ParcelFile(str(path.resolve()), read_parcels(path).digest, erode)
