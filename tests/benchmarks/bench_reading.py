"""A season of scenes over HTTP with 50 ms to each answer: composites a window, bytes, and how long an encoder waits.

Beside ours, in the same run: the same threads with GDAL's own HTTP, and one thread with it, as it was before.
The server is a process of this machine, in Python: the figures say what latency costs, not what a network carries.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from cog_scenes import as_cog
from range_server import RangeServer
from scipy.ndimage import gaussian_filter
from stac_catalogs import BANDS_10M, BANDS_20M, Item, optical, radar, write_catalog

from surco.embedstore import Season
from surco.encoder import load_encoder
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import Composite, compose
from surco.encoder.encode_tile import encode_pixels
from surco.encoder.grid import Window, make_grid
from surco.encoder.reader import RASTER_OPTIONS, Reader, ReadSettings
from surco.encoder.reading import read_ahead
from surco.encoder.scenes import Scene

PIXELS, BLOCK, LATENCY_S = 1024, 512, 0.05
SEASON = Season(2024)
OPTICAL, RADAR = 18, 16
"""Acquisitions, half as many as a year has; every third optical one is cloudy."""


class GdalReader(Reader):
    """The same threads; GDAL asks by itself."""

    def open(self, href: str, public: bool, **options: Any) -> AbstractContextManager[Any]:
        """By GDAL's own HTTP, with as large a cache."""
        return rasterio.open(href, **options)


def smooth(pixels: int, seed: int, scale: float) -> np.ndarray:
    """Land-like numbers, which compress as such."""
    rng = np.random.default_rng(seed)
    rough = (
        gaussian_filter(rng.normal(size=(pixels, pixels)), 3) * 2 + rng.normal(size=(pixels, pixels)) * 0.01
    )
    return np.clip(rough + 0.5, 0.02, 1) * scale


def season(folder: Path) -> None:
    """Scenes of two kinds, again and again, as cloud-optimised GeoTIFFs that share their bytes on the disk."""
    items: list[Item] = []
    for number, day in enumerate(np.linspace(2, 360, OPTICAL)):
        sizes = {name: PIXELS if name in BANDS_10M else PIXELS // 2 for name in (*BANDS_10M, *BANDS_20M)}
        bands = {
            name: smooth(size, place + 20 * (number % 2), 3000)
            for place, (name, size) in enumerate(sizes.items())
        }
        days = date(2024, 5, 1) + timedelta(int(day))
        items.append(optical(f"o{number}", str(days), bands, pixels=PIXELS, scl=9 if number % 3 == 2 else 4))
    for number, day in enumerate(np.linspace(3, 361, RADAR)):
        power = smooth(PIXELS, 100 + number % 2, 0.3).astype(np.float32)
        items.append(
            radar(f"r{number}", str(date(2024, 5, 1) + timedelta(int(day))), power, power / 5, pixels=PIXELS)
        )
    height = smooth(PIXELS, 200, 500).astype(np.float32)
    write_catalog(folder, [*items, Item("dem", "2011-01-01", "cop-dem-glo-30", rasters={"data": height})])
    made: dict[int, Path] = {}
    for path in sorted(folder.rglob("*.tif")):
        key = hash(path.read_bytes())
        if key in made:
            path.unlink()
            path.hardlink_to(made[key])
        else:
            made[key] = path
            as_cog(path, BLOCK)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder at an address, by a process of its own."""
    command = [sys.executable, __file__, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def measure(name: str, scenes: Sequence[Scene], windows: Sequence[Window], reader: Reader, work: Any) -> str:
    """Compose and work on each window; prints seconds, waits and what was read. A digest of all composites."""
    waited, digest, began = [], 0, time.monotonic()
    coming = read_ahead(windows, lambda window: compose(scenes, window, SEASON, reader))
    for _ in windows:
        asked = time.monotonic()
        window, composite = next(coming)
        waited.append(time.monotonic() - asked)
        work(composite, window)
        digest ^= hash((window.row, window.column, composite.tile.values.tobytes()))
    took = time.monotonic() - began
    share = sum(waited[1:]) / max(took - waited[0], 1e-9)
    print(
        f"{name:24} {took / len(windows):6.2f} s/window, waiting {share:4.0%} after the first, {reader.counts}"
    )
    return str(digest)


def block_bytes(folder: Path, scenes: Sequence[Scene]) -> int:
    """Compressed bytes of all blocks that the season's windows need: of cloudy scenes the classification only."""
    total = 0
    for scene in scenes:
        cloudy = scene.sensor == "sentinel-2" and int(scene.id[1:]) % 3 == 2
        for name, band in scene.bands.items():
            if cloudy and name != "scl":
                continue
            with rasterio.open(folder / band.href.split("/", 3)[3]) as source:
                for row, column in np.ndindex(*(-(-size // BLOCK) for size in source.shape)):
                    total += int(source.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1))
    return total


def test_a_season_over_http(tmp_path: Path) -> None:
    """Ours, GDAL's in the same threads, GDAL's alone: the same bits; then beside the shipped encoder."""
    season(tmp_path)
    encoder = load_encoder()

    def rest(composite: Composite, window: Window) -> None:
        """Nothing: reading alone."""

    def encode(composite: Composite, window: Window) -> None:
        encode_pixels(encoder, composite, window.lonlat(), np.ones(window.width * window.height, bool))

    with served(tmp_path) as address, rasterio.Env(**RASTER_OPTIONS, CPL_VSIL_CURL_CACHE_SIZE=512_000_000):
        scenes = read_scenes(f"{address}/catalog.json", SEASON.start, SEASON.end)
        windows = list(make_grid(scenes).windows())
        print(f"\nblocks of all {len(windows)} windows: {block_bytes(tmp_path, scenes) / 1e6:.1f} MB")
        near = [window for window in windows if window.row < 2 and window.column < 2]
        with Reader() as ours, GdalReader() as curl, GdalReader(ReadSettings(scenes=1, bands=1)) as alone:
            found = {
                measure("ours", scenes, near, ours, rest), measure("GDAL, same threads", scenes, near, curl, rest)
            }  # fmt: skip
            # By another name, or GDAL has it all already: its cache is the process's.
            elsewhere = f"{address.replace('127.0.0.1', 'localhost')}/catalog.json"
            cold = read_scenes(elsewhere, SEASON.start, SEASON.end)
            measure("GDAL, one raster a time", cold, near[:1], alone, rest)
        with Reader() as again:
            measure("ours, all windows", scenes, windows, again, rest)
        with Reader() as beside:
            measure(f"beside {encoder.model_id}", scenes, near, beside, encode)
    assert len(found) == 1


if __name__ == "__main__":
    with RangeServer(Path(sys.argv[1]), latency=LATENCY_S) as server:
        print(server.address, flush=True)
        server.closing.wait()
