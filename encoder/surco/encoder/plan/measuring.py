"""Measuring a machine for a minute: reading, encoding and pooling as a run does them, on synthetic land."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from surco.embedstore import Season, Store, find_region
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import Composite, compose
from surco.encoder.encode_tile import Gathered, encode_gathered, gather, sum_pixels
from surco.encoder.grid import Window, make_grid
from surco.encoder.plan.ground import Ground
from surco.encoder.plan.rates import Rates
from surco.encoder.plan.sources import SimulatedSource
from surco.encoder.plan.tiles import LandTile
from surco.encoder.pool import Sums
from surco.encoder.protocol import Encoder
from surco.encoder.rasters import raster_settings
from surco.encoder.simulate import simulate_scenes
from surco.encoder.tables import cell_batches

__all__ = ["measure_rates"]

Progress = Callable[[int, int, str], None]

_TALCA = (-71.65, -35.43)
_TILE = LandTile(19, 25, 594)
_SEASON = Season(2024)
_SCENES = (date(2024, 9, 1), date(2024, 12, 31))
"""Four months of passes: some 24 optical and 20 radar ones, drawn in seconds."""
_SIDE_M = 2560.0
_LEVEL = 11
_STEPS = 5


def measure_rates(
    encoder: Encoder, rates: Rates, *, seconds: float = 20.0, progress: Progress | None = None
) -> Rates:
    """Measure this machine, in this process, on as many threads as the libraries are given.

    Sizes of the archive's scenes, its blocks and prices cannot be measured here and stay as they are in `rates`.

    Args:
        encoder: whose speed counts.
        rates: what is not measured is taken from here.
        seconds: for which the encoder runs, at least one block of pixels.
        progress: called as `progress(done, total, text)`.
    """
    tell = progress or _silent
    tell(0, _STEPS, "drawing scenes")
    with tempfile.TemporaryDirectory(prefix="surco-measure-") as folder:
        read = _reading(Path(folder), tell)
        tell(2, _STEPS, "vectors")
        composite, window = _composite()
        gathered = gather(composite, window.lonlat(), np.ones(window.height * window.width, np.bool_))
        encode = _encoding(encoder, gathered, seconds)
        tell(3, _STEPS, "cells")
        pooled, sums = _pooling(encoder, gathered, window)
        tell(4, _STEPS, "tables")
        row = _row_bytes(sums, encoder, Path(folder))
    tell(_STEPS, _STEPS, "done")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    name = f"{platform.node()}: {platform.machine()}, {platform.processor() or platform.system()}"
    return replace(rates, machine=name, cores=cores, read=read, encode=encode, pool=pooled, row_bytes=row)


def _reading(folder: Path, tell: Progress) -> float:
    """Scene pixels of 10 m a second: a window of real GeoTIFFs on this machine's disk, read and composited."""
    area = simulate_scenes(
        folder / "valley", start=_SCENES[0], end=_SCENES[1], center=_TALCA, size_m=(_SIDE_M, _SIDE_M), seed=1
    )
    tell(1, _STEPS, "reading")
    scenes = read_scenes(area.path, *_SCENES)
    window = next(make_grid(scenes).windows())
    passes = sum(scene.sensor != "dem" for scene in scenes)
    with raster_settings():
        began = time.process_time()
        compose(scenes, window, _SEASON)
        spent = time.process_time() - began
    return passes * window.width * window.height / spent


def _composite() -> tuple[Composite, Window]:
    window = _TILE.window(0, 0)
    return SimulatedSource().composite(_TILE, window, _SEASON), window


def _encoding(encoder: Encoder, gathered: Gathered, seconds: float) -> float:
    """Pixels a second, by the time of a wall clock over the cores that were busy."""
    block = slice(0, 8192)
    one = replace(
        gathered,
        rows=gathered.rows[block], values=gathered.values[block], valid=gathered.valid[block],
        place=gathered.place[block], static=gathered.static[block],
    )  # fmt: skip
    encode_gathered(encoder, [one])
    began, busy, pixels = time.monotonic(), time.process_time(), 0
    while not pixels or time.monotonic() - began < seconds:
        encode_gathered(encoder, [one])
        pixels += len(one.rows)
    return pixels / (time.process_time() - busy)


def _pooling(encoder: Encoder, gathered: Gathered, window: Window) -> tuple[float, Sums]:
    """Pixels a second into cells, with the mask of the region's land, and the sums."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((window.height * window.width, encoder.dimension), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    land = replace(_TILE, ground=Ground(find_region("chile").comunas))
    land.inside(window)  # the facts are read once
    began = time.process_time()
    land.inside(window)
    sums = sum_pixels(window, gathered, vectors, resolution=_LEVEL, parcels=None)
    return len(vectors) / (time.process_time() - began), sums.cells


def _row_bytes(sums: Sums, encoder: Encoder, folder: Path) -> float:
    """Bytes of a cell's row in a store's table."""
    store = Store.create(folder / "store", _SEASON.start_month)
    with store.transaction() as transaction:
        transaction.put_cells(
            cell_batches(sums),
            model_id=encoder.model_id,
            season=_SEASON,
            resolution=_LEVEL,
            sources=["measured"],
        )
    (table,) = Store.open(folder / "store").tables()
    return sum(path.stat().st_size for path in table.files) / table.rows


def _silent(done: int, total: int, text: str) -> None:
    """Nobody asked."""
