"""`surco simulate`: a synthetic place as people ask for it, and what was drawn in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely

from surco.api.encoding import parse_season
from surco.encoder.area import project, read_area
from surco.encoder.simulate import Place, SimulatedArea, orchard_hectares, place_at, simulate_scenes

__all__ = ["SimulateRequest", "describe_area", "simulate_into"]


@dataclass(frozen=True, slots=True)
class SimulateRequest:
    """What to draw, and where; fields as the command's options of the same names."""

    aoi: str
    season: str
    out: Path
    climate: str | None = None
    seed: int = 1


def simulate_into(
    request: SimulateRequest, progress: Callable[[int, int, str], None] | None = None
) -> tuple[Place, SimulatedArea]:
    """Draw a season of scenes, parcels and yields of a place in Chile; see `encoder.simulate.simulate_scenes`.

    The climate is that of the place where none is given, and orchards are drawn in proportion to the survey of its
    region. The rectangle round the area is drawn, in the UTM zone of its middle.

    Raises:
        EncoderError: an area that cannot be read, is not in Chile, too small or too large; an unknown climate; a
            folder that holds something else.
        EmbedstoreError: no season.
    """
    season = parse_season(request.season, request.out / "no store")
    area = read_area(request.aoi)
    center = area.envelope.centroid
    place = place_at(center.x, center.y)
    drawn = simulate_scenes(
        request.out,
        start=season.start,
        end=season.last_day,
        center=(round(center.x, 6), round(center.y, 6)),
        size_m=_size(area, center),
        seed=request.seed,
        climate=request.climate or place.climate,
        elevation_m=place.elevation,
        orchards=orchard_hectares(place.code) or None,
        progress=progress,
    )
    return place, drawn


def describe_area(place: Place, area: SimulatedArea) -> str:
    """What was drawn, for people."""
    crops = sorted(area.hectares.items(), key=lambda row: -row[1])
    west, south, east, north = area.bbox
    return "\n".join([
        f"A synthetic place in {place.region}, {west:.4f},{south:.4f},{east:.4f},{north:.4f} (EPSG:{area.epsg}): "
        f"{area.optical} optical and {area.radar} radar dates -> {area.path}",
        *(f"  {name:32} {hectares:10,.1f} ha" for name, hectares in crops),
        f"Parcels, classes and yields: {area.parcels}. Simulated, not measured: no evidence for real land.",
    ])  # fmt: skip


def _size(area: shapely.Geometry, center: Any) -> tuple[float, float]:
    """Width and height in m of the rectangle round an area in degrees, to the metre."""
    flat = f"+proj=aeqd +lat_0={center.y} +lon_0={center.x} +datum=WGS84 +units=m"
    west, south, east, north = project(area.envelope, "OGC:CRS84", flat).bounds
    return float(round(east - west)), float(round(north - south))
