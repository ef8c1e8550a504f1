"""Published embedding rasters as unit vectors of pixels: AlphaEarth's GeoTIFFs and TESSERA's arrays.

AlphaEarth (and our own pixel COGs): int8, -128 = no data in every band, v = sign(q) (|q| / 127.5)^2, rows from north to
south or, as its published files, from south to north. GeoTIFFs of floats are vectors as they are.
TESSERA: `grid_LON_LAT.npy` (H, W, D) int8 and `grid_LON_LAT_scales.npy` (H, W) or (H, W, D), v = q * scale; the place
is that of the GeoTIFF of the same name, beside it or in the folder of land masks that GeoTessera keeps; where there is
none (version 2 of TESSERA has none), that which the name says (`tessera_place`).
Vectors are brought to unit length: AlphaEarth's have it but for rounding, TESSERA's have not.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Protocol

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.warp import transform_bounds
from rasterio.windows import Window as RasterWindow

from surco.encoder.area import project, reaches_degrees
from surco.encoder.errors import EncoderError
from surco.encoder.grid import PIXEL_M
from surco.encoder.protocol import Floats

__all__ = [
    "RasterError",
    "VectorRaster",
    "dequantize_squares",
    "open_raster",
    "tessera_place",
    "unit_vectors",
]

_NODATA = -128
_LONGEST = 4096
"""Numbers in a vector; more would not fit into memory window by window."""

_LAND_MASKS = ("global_0.1_degree_tiff_all", "landmasks")
_SCALES = "_scales.npy"
_TILE = re.compile(r"grid_(-?\d{1,3}(?:\.\d+)?)_(-?\d{1,2}(?:\.\d+)?)")
_TILE_DEGREES = 0.1


class RasterError(EncoderError):
    """A raster of embeddings that cannot be read, placed or understood."""


class VectorRaster(Protocol):
    """A raster with one vector a pixel.

    `crs` as text, `transform` from pixel to `crs` without rotation, `shape` (rows, columns), `dimension` of a vector,
    `block` (rows, columns) that are stored together.
    """

    crs: str
    transform: Affine
    shape: tuple[int, int]
    dimension: int
    block: tuple[int, int]

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from, the vectors first."""

    def read(self, row: int, column: int, rows: int, columns: int) -> Floats:
        """Unit vectors of a rectangle, (rows * columns, D) float32 row by row; NaN where there is no data."""


@contextmanager
def open_raster(path: Path) -> Iterator[VectorRaster]:
    """Open a GeoTIFF, or the `.npy` of TESSERA's pair.

    Raises:
        RasterError: no such file, no vectors in it, or no place for it.
    """
    if path.suffix.lower() == ".npy":
        yield _open_tessera(path)
        return
    with _open_geotiff(path) as source:
        yield _GeoTiff(path, source)


def dequantize_squares(numbers: npt.NDArray[np.int8]) -> Floats:
    """AlphaEarth's rule: v = sign(q) (|q| / 127.5)^2; NaN where q is -128."""
    q = numbers.astype(np.float32) / np.float32(127.5)
    values: Floats = q * np.abs(q)
    values[numbers == _NODATA] = np.nan
    return values


def _open_geotiff(path: Path) -> rasterio.DatasetReader:
    """Open as GeoTIFF and nothing else: a VRT, for one, can name any file of the machine."""
    try:
        with warnings.catch_warnings():
            # A raster without a place is refused with words of our own.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path, driver="GTiff")
    except (RasterioError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> RasterError:
    return RasterError(
        f"Expected embeddings as a whole GeoTIFF or .npy at {path}, got {type(error).__name__} "
        f"({str(error)[:200]}). Check the path, or fetch the file again."
    )


class _GeoTiff:
    def __init__(self, path: Path, source: rasterio.DatasetReader) -> None:
        self._source, self.files = source, (path,)
        kinds = set(source.dtypes)
        if kinds not in ({"int8"}, {"float32"}) or not 2 <= source.count <= _LONGEST:
            raise RasterError(
                f"Expected a vector of int8 or float32 bands a pixel in {path}, got {source.count} bands of "
                f"{', '.join(sorted(kinds))}. Fetch the embeddings themselves, not a picture of them."
            )
        self._whole_numbers = kinds == {"int8"}
        self.crs, self.transform = _placed(path, source)
        self.shape, self.dimension = source.shape, source.count
        self.block = source.block_shapes[0]

    def read(self, row: int, column: int, rows: int, columns: int) -> Floats:
        try:
            numbers = self._source.read(window=RasterWindow(column, row, columns, rows))
        except RasterioError as error:
            raise _unreadable(self.files[0], error) from error
        numbers = numbers.reshape(self.dimension, -1).T
        if self._whole_numbers:
            return unit_vectors(dequantize_squares(numbers))
        nodata = self._source.nodata
        if nodata is not None and not np.isnan(nodata):
            numbers = np.where(numbers == np.float32(nodata), np.float32(np.nan), numbers)
        return unit_vectors(numbers)


class _Tessera:
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
        inside = slice(row, row + rows), slice(column, column + columns)
        scales = np.asarray(self._scales[inside], np.float32)
        if scales.ndim == 2:
            scales = scales[..., None]
        vectors = self._numbers[inside].astype(np.float32) * scales
        return unit_vectors(vectors.reshape(-1, self.dimension))


def _open_tessera(path: Path) -> _Tessera:
    if path.name.endswith(_SCALES):
        raise RasterError(
            f"Expected the .npy of the embeddings, got their scales {path}. Name {path.name.replace('_scales', '')}."
        )
    numbers, scales = _array(path), _array(_scales_of(path))
    fits = scales.shape in (numbers.shape, numbers.shape[:2]) and scales.dtype == np.float32
    if numbers.dtype != np.int8 or numbers.ndim != 3 or numbers.shape[2] > _LONGEST or not fits:
        raise RasterError(
            f"Expected int8 (H, W, D) in {path} and float32 (H, W) or (H, W, D) in {_scales_of(path).name}, got "
            f"{numbers.dtype} {numbers.shape} and {scales.dtype} {scales.shape}. Fetch both files of one tile."
        )
    return _Tessera(path, numbers, scales)


def _array(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TokenError) as error:
        raise _unreadable(path, error) from error
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
    with _open_geotiff(mask) as source:
        if source.shape != shape:
            raise RasterError(
                f"Expected {mask} to have the {shape} pixels of {path}, got {source.shape}. "
                "Fetch the land mask of the same tile."
            )
        return _placed(mask, source)


def _placed_by_name(path: Path, shape: tuple[int, int]) -> tuple[str, Affine]:
    named = tessera_place(path.stem)
    if named is not None and named[2] == shape:
        return named[0], named[1]
    said = "its name says no place" if named is None else f"by its name it would have {named[2]} pixels"
    raise RasterError(
        f"Expected the land mask {path.stem}.tiff, which says where {path} lies, beside it or in a folder "
        f"{_LAND_MASKS[0]} above; got none, and {said}, not {shape}. Fetch the tile's land mask."
    )


def _placed(path: Path, source: rasterio.DatasetReader) -> tuple[str, Affine]:
    transform: Affine = source.transform
    if source.crs is None or transform.b or transform.d or transform.is_identity:
        raise RasterError(
            f"Expected a georeferenced raster without rotation at {path}, got CRS {source.crs} and "
            f"{tuple(transform)[:6]}. Warp it to a grid of a known CRS."
        )
    if not reaches_degrees(source.crs.to_wkt()):
        raise RasterError(
            f"Expected a known CRS of the Earth at {path}, got {source.crs.to_string()[:200]}. Warp it to such a CRS."
        )
    crs = source.crs.to_string()
    sides = np.array(project(shapely.box(*source.bounds), crs, "OGC:CRS84").bounds)
    if not (np.abs(sides) <= (180, 90, 180, 90)).all():
        raise RasterError(
            f"Expected a raster on the globe at {path}, got one from {tuple(source.bounds)} in {crs}. "
            "Fetch the file again, or correct its place."
        )
    return crs, transform


def unit_vectors(vectors: Floats) -> Floats:
    """Rows (N, D) of unit length; NaN where a number is missing or all are zero."""
    with np.errstate(over="ignore"):
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
    out: Floats = np.full(vectors.shape, np.nan, np.float32)
    np.divide(vectors, length, out=out, where=np.isfinite(length) & (length > 0))
    return out
