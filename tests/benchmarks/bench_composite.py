"""Monthly composites: how fast a season of scenes becomes a tile."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
from benchmarks.measure import measure, print_table, rate
from stac_catalogs import CRS, LEFT, TOP, Item, optical, radar, write_catalog

from surco.embedstore import Season
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import compose
from surco.encoder.grid import make_grid
from surco.encoder.rasters import raster_settings

SIDE, CLOUDS, EVERY_OPTICAL, EVERY_RADAR = 256, 8, 10, 12
SEASON = Season(2024)


def season_items() -> list[Item]:
    """37 optical dates, a third of each clouded, and 31 radar dates, with noise so that medians have work."""
    rng = np.random.default_rng(0)
    items = []
    for day in range(0, 365, EVERY_OPTICAL):
        clouds = rng.choice([4, 9], (CLOUDS, CLOUDS), p=[2 / 3, 1 / 3])
        scl = np.kron(clouds, np.ones((SIDE // 2 // CLOUDS,) * 2, int))
        bands = {name: rng.integers(500, 3000, (SIDE, SIDE)) for name in ("blue", "green", "red", "nir")}
        items.append(optical(f"s2-{day}", str(SEASON.start + timedelta(day)), bands, pixels=SIDE, scl=scl))
    for day in range(0, 365, EVERY_RADAR):
        vv, vh = rng.gamma(4, 0.02, (2, SIDE, SIDE))
        items.append(radar(f"s1-{day}", str(SEASON.start + timedelta(day)), vv, vh, pixels=SIDE))
    return items


def test_composite_of_a_tile(tmp_path: Path) -> None:
    """Every optical and radar date is in the composites."""
    items = season_items()
    scenes = read_scenes(
        str(write_catalog(tmp_path / "stac", items)), date(2024, 5, 1), date(2025, 4, 30), None
    )
    (window,) = make_grid(scenes).windows()
    assert (window.crs, window.transform.c, window.transform.f) == (CRS, LEFT, TOP)
    with raster_settings():
        ((seconds, composite),) = measure(lambda: compose(scenes, window, SEASON), repeats=3)
    assert composite.n_radar.max() == sum(item.collection == "sentinel-1-rtc" for item in items)
    optical_dates = sum(item.collection == "sentinel-2-l2a" for item in items)
    assert 0.4 < composite.n_optical.mean() / optical_dates < 2 / 3
    rows = [[f"{len(scenes)} scenes", f"{seconds:.2f} s", rate(SIDE**2, seconds), rate(len(scenes), seconds)]]
    print_table(
        f"A season's composites of {SIDE} x {SIDE} pixels, files on this machine",
        ["", "time", "pixels/s", "scenes/s"],
        rows,
    )
