"""`surco plan`: regions, masks and rates as people write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from surco.api.encoding import as_of_day, parse_resolutions
from surco.api.errors import ApiError
from surco.embedstore import Season, find_region
from surco.encoder import load_encoder

if TYPE_CHECKING:
    from surco.encoder.plan import Ground, RunPlan
    from surco.encoder.plan.rates import Rates

__all__ = ["PlanAsked", "plan_asked"]

Progress = Callable[[int, int, str], None]

_STEP, _EVERY_PIXEL = 640, 10
_FILES = (".geojson", ".json", ".parquet")


@dataclass(frozen=True, slots=True)
class PlanAsked:
    """What a person asks to plan; fields as the command's options of the same names."""

    region: str
    season: str
    as_of: date | None = None
    cropland: Path | None = None
    cropland_classes: tuple[int, ...] = ()
    stac: tuple[str, ...] = ()
    parcels: Path | None = None
    erode: float = 0.0
    res: str = "9,11"
    model: str = "surco-nano"
    simulate: bool = False
    step: int | None = None
    seed: int | None = None


def plan_asked(asked: PlanAsked, rates: Rates, progress: Progress | None = None) -> RunPlan:
    """Make the plan that a person asks for.

    Raises:
        ApiError: options that do not go together or cannot be read.
        EncoderError: a region file, mask, catalogue, parcel file or model that cannot be used.
        EmbedstoreError: a region or season that is none.
    """
    from surco.encoder.plan.making import PlanRequest, make_plan
    from surco.encoder.plan.sources import SimulatedSource

    _check_simulated(asked)
    resolutions = tuple(sorted(set(parse_resolutions(asked.res)), reverse=True))
    season = as_of_day(_season(asked.season), asked.as_of)
    region, ground = _ground(asked)
    request = PlanRequest(
        region=region,
        ground=ground,
        season=season,
        model=asked.model,
        resolutions=resolutions,
        catalogues=asked.stac,
        simulated=SimulatedSource(1 if asked.seed is None else asked.seed) if asked.simulate else None,
        step=_step(asked),
        parcels=asked.parcels,
        erode=asked.erode,
        rates=rates,
    )
    return make_plan(request, load_encoder(asked.model), progress)


def _check_simulated(asked: PlanAsked) -> None:
    if asked.simulate and asked.stac:
        raise ApiError("Expected --stac or --simulate; got both. Leave one of them out.")
    if not asked.simulate and (asked.step is not None or asked.seed is not None):
        raise ApiError(
            "Expected --step and --seed only with --simulate; got none. Add it, or leave them out."
        )


def _step(asked: PlanAsked) -> int:
    if not asked.simulate:
        return _EVERY_PIXEL
    return _STEP if asked.step is None else asked.step


def _season(text: str) -> Season:
    """A season as START/END, or by its name, from May."""
    return Season.from_dates(text) if "/" in text else Season.parse(text)


def _ground(asked: PlanAsked) -> tuple[str, Ground]:
    """The region's name and its ground: a file's polygons as far as they are land of Chile, or a part of it by name."""
    from surco.encoder.plan import Cropland, Ground
    from surco.encoder.plan.region_files import read_region

    if asked.cropland_classes and asked.cropland is None:
        raise ApiError("Expected --cropland FILE with --cropland-class; got none. Name the raster.")
    mask = None if asked.cropland is None else Cropland.read(asked.cropland, asked.cropland_classes)
    path = Path(asked.region)
    if path.suffix.lower() in _FILES:
        return path.stem, Ground(find_region("chile").comunas, read_region(path), mask)
    region = find_region(asked.region)
    return region.name, Ground(region.comunas, None, mask)
