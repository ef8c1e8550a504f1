"""Scenes of a synthetic valley: a season of Sentinel-2 and Sentinel-1 as a static STAC catalogue, with its truth."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from surco.encoder.errors import SimulationError
from surco.encoder.simulate.climate import CLIMATES
from surco.encoder.simulate.crops import CROPS
from surco.encoder.simulate.grid import check_place, grid_at
from surco.encoder.simulate.scene_series import Progress, write_area

__all__ = ["SimulatedArea", "simulate_scenes"]

GENERATOR = 2
"""Raised whenever the same arguments begin to give other scenes."""

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
        write_area(work, arguments, grid_at(center, size_m), progress)
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
