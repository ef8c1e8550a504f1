"""TESSERA's tiles: arrays of int8 with scales, and where they lie.

`grid_LON_LAT.npy` (H, W, D) int8 and `grid_LON_LAT_scales.npy` (H, W) or (H, W, D), v = q * scale. The place is that of
the GeoTIFF of the same name, beside it or in the folder of land masks that GeoTessera keeps; where there is none
(version 2 of TESSERA has none), that which the name says (`tessera_place`).
"""

from __future__ import annotations

import re
from pathlib import Path
from tokenize import TokenError

import numpy as np
from affine import Affine
from rasterio.warp import transform_bounds

from surco.encoder.grid import PIXEL_M
from surco.encoder.protocol import Floats
from surco.encoder.published.geotiff import (
    LONGEST,
    RasterError,
    open_geotiff,
    placed,
    unit_vectors,
    unreadable,
)

__all__ = ["Tessera", "open_tessera", "tessera_place"]

_LAND_MASKS = ("global_0.1_degree_tiff_all", "landmasks")
_SCALES = "_scales.npy"
_TILE = re.compile(r"grid_(-?\d{1,3}(?:\.\d+)?)_(-?\d{1,2}(?:\.\d+)?)")
_TILE_DEGREES = 0.1


class Tessera:
    """A tile as a `rasters.VectorRaster`."""

    def __init__(self, path: Path, numbers: np.ndarray, scales: np.ndarray) -> None:
        self._numbers, self._scales = numbers, scales
        self.shape, self.dimension = (numbers.shape[0], numbers.shape[1]), numbers.shape[2]
        self.block = (1, numbers.shape[1])
        mask = _land_mask(path)
        placed = (
            _placed_by_name(path, self.shape) if mask is None else _placed_by_mask(mask, path, self.shape)
        )
        self.crs, self.transform = placed
        self.files = (path, _scales_of(path)) if mask is None else (path, _scales_of(path), mask)

    def read(self, row: int, column: int, rows: int, columns: int) -> Floats:
        """See `rasters.VectorRaster.read`."""
        inside = slice(row, row + rows), slice(column, column + columns)
        scales = np.asarray(self._scales[inside], np.float32)
        if scales.ndim == 2:
            scales = scales[..., None]
        vectors = self._numbers[inside].astype(np.float32) * scales
        return unit_vectors(vectors.reshape(-1, self.dimension))


def open_tessera(path: Path) -> Tessera:
    """Open a tile by its array of embeddings; raises RasterError for half of one, or one without a place."""
    if path.name.endswith(_SCALES):
        raise RasterError(
            f"Expected the .npy of the embeddings, got their scales {path}. Name {path.name.replace('_scales', '')}."
        )
    numbers, scales = _array(path), _array(_scales_of(path))
    fits = scales.shape in (numbers.shape, numbers.shape[:2]) and scales.dtype == np.float32
    if numbers.dtype != np.int8 or numbers.ndim != 3 or numbers.shape[2] > LONGEST or not fits:
        raise RasterError(
            f"Expected int8 (H, W, D) in {path} and float32 (H, W) or (H, W, D) in {_scales_of(path).name}, got "
            f"{numbers.dtype} {numbers.shape} and {scales.dtype} {scales.shape}. Fetch both files of one tile."
        )
    return Tessera(path, numbers, scales)


def _array(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TokenError) as error:
        raise unreadable(path, error) from error
    return array


def _scales_of(path: Path) -> Path:
    return path.with_name(path.stem + _SCALES)


def tessera_place(name: str) -> tuple[str, Affine, tuple[int, int]] | None:
    """CRS, transform and shape (rows, columns) of the tile `grid_LON_LAT`; None where the name is another.

    A tile is a square of 0.1 degrees round the place it is named after, on 10 m pixels of that place's UTM zone, from
    the upper left corner of the rectangle that holds the square (the layout of GeoTessera's tiles, which are said to
    keep to it without exception; the shape tells whether one does).
    """
    match = _TILE.fullmatch(name)
    if match is None or not (abs(float(match[1])) <= 180 and abs(float(match[2])) <= 84):
        return None
    lon, lat = float(match[1]), float(match[2])
    zone = min(int((lon + 180) // 6), 59) + 1
    crs = f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"
    half = _TILE_DEGREES / 2
    west, south, east, north = transform_bounds(
        "EPSG:4326", crs, lon - half, lat - half, lon + half, lat + half
    )
    shape = round((north - south) / PIXEL_M), round((east - west) / PIXEL_M)
    return crs, Affine(PIXEL_M, 0.0, west, 0.0, -PIXEL_M, north), shape


def _land_mask(path: Path) -> Path | None:
    beside = [path.with_suffix(suffix) for suffix in (".tif", ".tiff")]
    kept = [p / name / f"{path.stem}.tiff" for p in list(path.parents)[:5] for name in _LAND_MASKS]
    return next((place for place in (*beside, *kept) if place.is_file()), None)


def _placed_by_mask(mask: Path, path: Path, shape: tuple[int, int]) -> tuple[str, Affine]:
    with open_geotiff(mask) as source:
        if source.shape != shape:
            raise RasterError(
                f"Expected {mask} to have the {shape} pixels of {path}, got {source.shape}. "
                "Fetch the land mask of the same tile."
            )
        return placed(mask, source)


def _placed_by_name(path: Path, shape: tuple[int, int]) -> tuple[str, Affine]:
    named = tessera_place(path.stem)
    if named is not None and named[2] == shape:
        return named[0], named[1]
    said = "its name says no place" if named is None else f"by its name it would have {named[2]} pixels"
    raise RasterError(
        f"Expected the land mask {path.stem}.tiff, which says where {path} lies, beside it or in a folder "
        f"{_LAND_MASKS[0]} above; got none, and {said}, not {shape}. Fetch the tile's land mask."
    )
