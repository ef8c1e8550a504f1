"""Catalogues of cloud-optimised GeoTIFFs for tests of reading, and readers that do not wait long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from range_server import RangeServer
from rasterio.io import MemoryFile
from stac_catalogs import CRS, LEFT, TOP, Item, optical, radar, write_catalog, write_raster

from surco.embedstore import Season
from surco.encoder.assets import Band
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import Composite
from surco.encoder.grid import Window
from surco.encoder.providers import Access
from surco.encoder.rasters import read_band
from surco.encoder.reader import Reader, ReadSettings
from surco.encoder.reading import Patience
from surco.encoder.scenes import Scene

SEASON = Season(2024)
PIXELS = 512
HASTE = Patience(
    attempts=3, first_wait_s=0.01, longest_wait_s=0.2, connect_s=2.0, stall_s=0.7, slowest=200_000.0
)


def hasty(access: Access | None = None, cache_bytes: int = 50_000_000) -> Reader:
    """A reader that gives up soon."""
    return Reader(ReadSettings(scenes=4, bands=8, cache_bytes=cache_bytes, patience=HASTE), access)


def speckled(pixels: int, seed: int, low: int = 200, high: int = 4000) -> np.ndarray:
    """Numbers (pixels, pixels) uint16 of which no two blocks are alike."""
    return np.random.default_rng(seed).integers(low, high, (pixels, pixels)).astype(np.uint16)


def as_cog(path: Path, block: int = 128) -> None:
    """Make a GeoTIFF a cloud-optimised one in its place, with overviews."""
    with rasterio.open(path) as source:
        profile = {**source.profile, "driver": "COG", "blocksize": block, "compress": "deflate"}
        numbers = source.read()
    profile = {
        k: v for k, v in profile.items() if k not in ("tiled", "blockxsize", "blockysize", "interleave")
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(numbers)
        path.write_bytes(memory.read())


def cog_catalog(folder: Path, items: Sequence[Item], block: int = 128) -> Path:
    """A static catalogue whose rasters are cloud-optimised."""
    write_catalog(folder, items)
    for path in folder.rglob("*.tif"):
        as_cog(path, block)
    return folder


def season_items(pixels: int = 256, cloudy: Sequence[str] = ()) -> list[Item]:
    """Four Sentinel-2 scenes (those named cloudy wholly so), two Sentinel-1, an elevation model."""
    days = {"a": "2024-06-03", "b": "2024-06-13", "c": "2024-09-01", "d": "2025-01-15"}
    made = []
    for number, (name, day) in enumerate(days.items()):
        bands = {
            band: speckled(
                pixels // (1 if band in ("blue", "green", "red", "nir") else 2), 10 * number + place
            )
            for place, band in enumerate(
                (
                    "blue",
                    "green",
                    "red",
                    "nir",
                    "rededge1",
                    "rededge2",
                    "rededge3",
                    "nir08",
                    "swir16",
                    "swir22",
                )
            )
        }
        made.append(optical(name, day, bands, pixels=pixels, scl=9 if name in cloudy else 4))
    for number, day in enumerate(("2024-06-05", "2024-11-20")):
        power = speckled(pixels, 90 + number).astype(np.float32) / 1e4
        made.append(radar(f"r{number}", day, power, power / 5, pixels=pixels))
    height = speckled(pixels, 99).astype(np.float32)
    made.append(Item("dem", "2011-01-01", "cop-dem-glo-30", rasters={"data": height}))
    return made


def window_at(row: int = 0, column: int = 0, size: int = 64, metres: float = 10.0) -> Window:
    """A window of the scenes' grid, by pixels from the corner."""
    transform = Affine(metres, 0, LEFT + column * metres, 0, -metres, TOP - row * metres)
    return Window(row, column, CRS, transform, size, size)


def raster(folder: Path, name: str = "a.tif", pixels: int = PIXELS) -> np.ndarray:
    """One COG of random numbers, in blocks of 128."""
    numbers = speckled(pixels, 7)
    write_raster(folder / name, numbers, Affine(10, 0, LEFT, 0, -10, TOP), CRS)
    as_cog(folder / name)
    return numbers


def band_of(server: RangeServer, name: str = "a.tif") -> Band:
    """The band at a server."""
    return Band(f"{server.address}/{name}")


def over(server: RangeServer, reader: Reader, size: int = 64, at: int = 0, name: str = "a.tif") -> np.ndarray:
    """A window of it."""
    return read_band(band_of(server, name), window_at(at, at, size), "s", "red", reader=reader)


def assert_same(one: Composite, other: Composite) -> None:
    """Every bit."""
    for name in ("values", "valid", "dates", "static"):
        np.testing.assert_array_equal(getattr(one.tile, name), getattr(other.tile, name))
    np.testing.assert_array_equal(one.n_optical, other.n_optical)
    np.testing.assert_array_equal(one.n_radar, other.n_radar)


def scenes_of(place: str | Path) -> list[Scene]:
    """The scenes of a catalogue in the season."""
    return read_scenes(place, SEASON.start, SEASON.end)
