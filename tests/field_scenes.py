"""Small scenes of fields whose places are known, for tests: each has a season of its own; not a fixture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from scipy.spatial import cKDTree
from stac_catalogs import CRS, LEFT, TOP, optical, write_catalog

DAYS = ("2024-05-12", "2024-08-04", "2024-11-02", "2025-02-10")
BANDS = ("blue", "green", "red", "nir", "rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22")


def field_numbers(pixels: int, fields: int, seed: int = 0) -> np.ndarray:
    """(pixels, pixels) numbers 1..fields of the nearest of as many places that lie apart."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0, pixels, (40 * fields, 2))
    places = spread[:1]
    while len(places) < fields:
        away = cKDTree(places).query(spread)[0]
        places = np.vstack([places, spread[away.argmax()]])
    grid = np.stack(np.mgrid[:pixels, :pixels], -1).reshape(-1, 2)
    return cKDTree(places).query(grid)[1].reshape(pixels, pixels).astype(np.int32) + 1


def season_of(numbers: np.ndarray, crops: int = 16, seed: int = 1, noise: float = 20.0) -> np.ndarray:
    """Reflectance (dates, bands, H, W) in ten-thousandths: field n grows crop n % crops, each a bit its own."""
    rng = np.random.default_rng(seed)
    curve = rng.uniform(400, 4500, (crops, len(DAYS), len(BANDS)))
    own = rng.normal(0, 250, (numbers.max() + 1, len(DAYS), len(BANDS)))
    level = (curve[np.arange(numbers.max() + 1) % crops] + own)[numbers].transpose(2, 3, 0, 1)
    return np.clip(level + rng.normal(0, noise, level.shape), 1, 9000)


def field_catalog(
    folder: Path, numbers: np.ndarray, crops: int = 16, seed: int = 1, noise: float = 20.0
) -> Path:
    """A catalogue of four clear scenes of the fields, at the corner of `stac_catalogs`."""
    values = season_of(numbers, crops, seed, noise)
    size = len(numbers)
    items = []
    for day, bands in zip(DAYS, values, strict=True):
        by_name = {
            name: band if name in ("blue", "green", "red", "nir") else band[::2, ::2]
            for name, band in zip(BANDS, bands, strict=True)
        }
        items.append(optical(day, day, by_name, pixels=size))
    return write_catalog(folder, items)


def true_fields(numbers: np.ndarray) -> np.ndarray:
    """(n,) squares' unions of each field, in the scenes' CRS."""
    pixels = np.array(
        [[shapely.box(LEFT + 10 * c, TOP - 10 * r - 10, LEFT + 10 * c + 10, TOP - 10 * r) for c in range(len(numbers))]
         for r in range(len(numbers))], object,
    )  # fmt: skip
    return np.array([shapely.union_all(pixels[numbers == n]) for n in range(1, numbers.max() + 1)], object)


def best_overlaps(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(n,) intersection over union of each true field with what fits it best."""
    tree = shapely.STRtree(found)
    best = np.zeros(len(truth))
    for number, field in enumerate(truth):
        near = found[tree.query(field, predicate="intersects")]
        shared = shapely.area(shapely.intersection(near, field))
        best[number] = (shared / (shapely.area(near) + field.area - shared)).max(initial=0)
    return best


__all__ = ["CRS", "best_overlaps", "field_catalog", "field_numbers", "season_of", "true_fields"]
