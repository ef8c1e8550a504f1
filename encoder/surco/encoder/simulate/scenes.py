"""Scenes of a synthetic valley: a season of Sentinel-2 and Sentinel-1 as a static STAC catalogue, with its truth."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from surco.encoder.errors import SimulationError
from surco.encoder.simulate.acquisitions import Valley, optical_scene, radar_scene
from surco.encoder.simulate.climate import CLIMATES, Weather, draw_weather
from surco.encoder.simulate.crops import CROPS
from surco.encoder.simulate.grid import Grid, check_place, grid_at
from surco.encoder.simulate.landscape import Landscape, draw_landscape
from surco.encoder.simulate.management import Parcels, draw_parcels
from surco.encoder.simulate.rendering import GROUND_CLASSES, Canvas, lay_out, two_vigours
from surco.encoder.simulate.stac_files import Asset, CatalogWriter
from surco.encoder.simulate.truth import parcels_geojson, truth_of
from surco.encoder.simulate.yields import draw_yields

__all__ = ["Progress", "SimulatedArea", "simulate_scenes"]

Progress = Callable[[int, int, str], None]
"""Called with how many scenes are done, how many there are, and what was done last."""

GENERATOR = 2
"""Raised whenever the same arguments begin to give other scenes."""

_DESCRIPTIONS = {
    "sentinel-2-l2a": "Simulated Sentinel-2 L2A passes over a synthetic valley, with scene classification",
    "sentinel-1-rtc": "Simulated Sentinel-1 backscatter over the same valley, linear power",
    "cop-dem-glo-30": "Elevation of the same valley in metres",
}
_LONGEST_DAYS = 800


@dataclass(frozen=True, slots=True)
class SimulatedArea:
    """Where the scenes of a synthetic valley are, and what it holds.

    `path` is the catalogue's folder, `catalog`, `parcels` and `truth` the files in it; `bbox` is west, south, east,
    north in degrees; `hectares` by class; `optical` and `radar` count the scenes.
    """

    path: Path
    catalog: Path
    parcels: Path
    truth: Path
    epsg: int
    bbox: tuple[float, float, float, float]
    hectares: dict[str, float]
    optical: int
    radar: int


def simulate_scenes(
    out: Path | str,
    *,
    start: date,
    end: date,
    center: tuple[float, float],
    size_m: tuple[float, float] = (4000.0, 4000.0),
    seed: int,
    climate: str = "central",
    classes: Sequence[str] | None = None,
    elevation_m: float | None = None,
    orchards: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> SimulatedArea:
    """Writes a season of scenes; the same arguments give the same bytes.

    The folder appears when everything is in it, and not before: a run that is killed leaves no `out`. A second call
    with the same arguments finds it and returns at once.

    Args:
        out: folder of the catalogue; must not exist, or hold the result of the same arguments.
        start: first day that may have a scene.
        end: last day that may have a scene.
        center: longitude and latitude in degrees; south of the equator.
        size_m: width and height in metres, rounded to 20 m.
        seed: of every random draw.
        climate: "north", "central" or "south".
        classes: what grows in the fields; None draws up to ten classes.
        elevation_m: of the plain; None draws one of the climate's farmed land.
        orchards: hectares by class, as `place.orchard_hectares` has them; orchards are then drawn in proportion.
        progress: called after every scene.

    Raises:
        SimulationError: an unknown climate or class, a place or size that cannot be drawn, dates in the wrong order,
            or a folder that holds something else.
    """
    out = Path(out)
    _check(start, end, climate, classes, orchards)
    check_place(center, size_m)
    arguments: dict[str, Any] = {
        "generator": GENERATOR, "start": start.isoformat(), "end": end.isoformat(), "center": list(map(float, center)),
        "size_m": list(map(float, size_m)), "seed": seed, "climate": climate,
        "classes": None if classes is None else list(classes), "elevation_m": elevation_m,
        "orchards": None if orchards is None else dict(sorted(orchards.items())),
    }  # fmt: skip
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        return _found(out, arguments)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        _write_area(work, arguments, grid_at(center, size_m), progress)
        work.chmod(0o755)
        _publish(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return _found(out, arguments)


def _publish(work: Path, out: Path) -> None:
    """Gives the finished folder its name; where another run was faster, its folder stays and is judged as found."""
    try:
        work.rename(out)
    except OSError:
        if not out.exists():
            raise


def _check(
    start: date,
    end: date,
    climate: str,
    classes: Sequence[str] | None,
    orchards: Mapping[str, float] | None,
) -> None:
    if climate not in CLIMATES:
        raise SimulationError(
            f"expected a climate among {', '.join(CLIMATES)}; got {climate!r}; choose one of them"
        )
    unknown = [c for c in (*(classes or ()), *(orchards or ())) if c not in CROPS]
    if unknown or (classes is not None and len(classes) == 0):
        raise SimulationError(
            f"expected class names of the crop table; got {unknown or list(classes or ())}; "
            f"choose among {', '.join(CROPS)}"
        )
    if not 0 < (end - start).days <= _LONGEST_DAYS:
        raise SimulationError(
            f"expected a season that ends after it starts, of at most {_LONGEST_DAYS} days; "
            f"got {start} to {end}; give its first and last day"
        )


def _found(out: Path, arguments: dict[str, Any]) -> SimulatedArea:
    """The area that is in `out`, if it was made by the same arguments."""
    truth = out / "truth.json"
    made = _read_truth(truth)
    if made.get("arguments") != arguments:
        what = f"one made with {made['arguments']}" if "arguments" in made else "other files"
        raise SimulationError(
            f"expected an empty or new folder, or scenes of the same arguments; got {out} with {what}; "
            "choose another folder or delete this one"
        )
    hectares = {name: about["hectares"] for name, about in made["classes"].items()}
    return SimulatedArea(
        out, out / "catalog.json", out / "parcels.geojson", truth, made["epsg"], tuple(made["bbox"]), hectares,
        made["scenes"]["sentinel-2-l2a"], made["scenes"]["sentinel-1-rtc"],
    )  # fmt: skip


def _read_truth(path: Path) -> dict[str, Any]:
    """The truth of an area, or nothing where the file is none of ours."""
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return made if isinstance(made, dict) else {}


def _write_area(folder: Path, arguments: dict[str, Any], grid: Grid, progress: Progress | None) -> None:
    """Everything of one area into an empty folder."""
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
