"""Everything of one synthetic area, written: plan, terrain, and every pass of a season in order of date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from surco.encoder.simulate.acquisitions import Valley, optical_scene, radar_scene
from surco.encoder.simulate.climate import CLIMATES, Weather, draw_weather
from surco.encoder.simulate.grid import Grid
from surco.encoder.simulate.landscape import Landscape, draw_landscape
from surco.encoder.simulate.management import Parcels, draw_parcels
from surco.encoder.simulate.rendering import GROUND_CLASSES, Canvas, lay_out, two_vigours
from surco.encoder.simulate.stac_files import Asset, CatalogWriter
from surco.encoder.simulate.truth import parcels_geojson, truth_of
from surco.encoder.simulate.yields import draw_yields

__all__ = ["Progress", "write_area"]

Progress = Callable[[int, int, str], None]
"""Called with how many scenes are done, how many there are, and what was done last."""

_DESCRIPTIONS = {
    "sentinel-2-l2a": "Simulated Sentinel-2 L2A passes over a synthetic valley, with scene classification",
    "sentinel-1-rtc": "Simulated Sentinel-1 backscatter over the same valley, linear power",
    "cop-dem-glo-30": "Elevation of the same valley in metres",
}


def write_area(folder: Path, arguments: dict[str, Any], grid: Grid, progress: Progress | None) -> None:
    """Everything of one area into an empty folder; `arguments` are those of `simulate_scenes`, as plain JSON."""
    rng = np.random.default_rng([arguments["seed"], 0])
    plan = draw_landscape(
        grid.width, grid.height, arguments["climate"], arguments["classes"], rng, arguments["orchards"]
    )
    drawn = rng.uniform(*CLIMATES[arguments["climate"]].elevation)
    base = drawn if arguments["elevation_m"] is None else arguments["elevation_m"]
    canvas = lay_out(plan, grid.width, grid.height, base, rng)
    parcels, weather = _plant(plan, canvas, grid, arguments["climate"], rng)
    valley = Valley(canvas, two_vigours(parcels), weather, grid.center[1])
    first = date.fromisoformat(arguments["start"])
    crops = parcels.take(slice(0, len(plan.crops)))
    yields = draw_yields(crops, weather, grid.center[1], first, np.random.default_rng([arguments["seed"], 3]))
    name = f"{arguments['climate']}_{arguments['seed']}"
    writer = CatalogWriter(
        folder,
        f"surco_{name}",
        "A synthetic valley: simulated, not measured",
        grid.epsg,
        grid.left,
        grid.top,
        grid.bbox,
    )
    elevation = Asset("data", canvas.elevation, 10, -32768.0, {"unit": "metre"})
    writer.add("cop-dem-glo-30", f"DEM_{name}", datetime(2021, 4, 22, tzinfo=UTC), {"gsd": 10}, [elevation])
    counts = _write_scenes(writer, valley, name, arguments, progress)
    writer.close(_DESCRIPTIONS)
    (folder / "parcels.geojson").write_text(parcels_geojson(plan, yields, grid), encoding="utf-8")
    (folder / "truth.json").write_text(truth_of(plan, yields, grid, arguments, counts), encoding="utf-8")


def _plant(
    plan: Landscape, canvas: Canvas, grid: Grid, climate: str, rng: np.random.Generator
) -> tuple[Parcels, Weather]:
    """Parcels with their traits and a year's weather on the plan."""
    labels = np.array([*plan.crops, *GROUND_CLASSES])
    zone = np.zeros(len(labels), np.int64)
    parcels = draw_parcels([CLIMATES[climate]], zone, labels, rng, likeness=0.15)
    longitude, latitude = grid.center
    level = np.full(len(labels), float(canvas.elevation.mean()))
    for i, parcel in enumerate(plan.parcels):
        x, y = parcel.centroid.coords[0]
        row = min(int((grid.height - y) / 10), canvas.shape[0] - 1)
        level[i] = canvas.elevation[row, min(int(x / 10), canvas.shape[1] - 1)]
    parcels = replace(
        parcels,
        latitude=np.full(len(labels), latitude),
        longitude=np.full(len(labels), longitude),
        elevation=level,
    )
    return parcels, draw_weather([CLIMATES[climate]], rng)


def _write_scenes(
    writer: CatalogWriter, valley: Valley, name: str, arguments: dict[str, Any], progress: Progress | None
) -> dict[str, int]:
    """All scenes in order of date; every scene has random numbers of its own."""
    start, end = date.fromisoformat(arguments["start"]), date.fromisoformat(arguments["end"])
    passes = _passes(start, end, np.random.default_rng([arguments["seed"], 1]))
    counts = {"sentinel-2-l2a": 0, "sentinel-1-rtc": 0}
    for done, (day, collection) in enumerate(passes, start=1):
        rng = np.random.default_rng([arguments["seed"], 2, done])
        if collection == "sentinel-2-l2a":
            assets, cover = optical_scene(valley, day, rng)
            about = {"platform": "sentinel-2", "gsd": 10, "eo:cloud_cover": round(cover, 1)}
            moment, identifier = time(14, 40, tzinfo=UTC), f"S2_{name}_{day:%Y%m%d}"
        else:
            assets = radar_scene(valley, day, rng)
            about = {"platform": "sentinel-1", "sar:polarizations": ["VV", "VH"]}
            moment, identifier = time(10, 2, tzinfo=UTC), f"S1_{name}_{day:%Y%m%dT1002}"
        writer.add(collection, identifier, datetime.combine(day, moment), about, assets)
        counts[collection] += 1
        if progress is not None:
            progress(done, len(passes), identifier)
    return counts


def _passes(start: date, end: date, rng: np.random.Generator) -> list[tuple[date, str]]:
    """Optical passes every eight to ten days, radar every twelve."""
    out = []
    for collection, shortest, longest in (("sentinel-2-l2a", 8, 10), ("sentinel-1-rtc", 12, 12)):
        day = start + timedelta(days=int(rng.integers(0, 5)))
        while day <= end:
            out.append((day, collection))
            day += timedelta(days=int(rng.integers(shortest, longest + 1)))
    return sorted(out)
