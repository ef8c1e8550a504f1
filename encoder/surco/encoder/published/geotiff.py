"""GeoTIFFs of vectors: AlphaEarth's by its rule, floats as they are; and what their kin share.

AlphaEarth (and our own pixel COGs): int8, -128 = no data in every band, v = sign(q) (|q| / 127.5)^2, rows from north to
south or, as its published files, from south to north.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterWindow

from surco.encoder.area import project, reaches_degrees
from surco.encoder.errors import EncoderError
from surco.encoder.protocol import Floats

__all__ = [
    "LONGEST",
    "GeoTiff",
    "RasterError",
    "dequantize_squares",
    "open_geotiff",
    "placed",
    "unit_vectors",
    "unreadable",
]

_NODATA = -128
LONGEST = 4096
"""Numbers in a vector; more would not fit into memory window by window."""


class RasterError(EncoderError):
    """A raster of embeddings that cannot be read, placed or understood."""


class GeoTiff:
    """An open GeoTIFF as a `rasters.VectorRaster`; raises RasterError where it holds no vectors or no place."""

    def __init__(self, path: Path, source: rasterio.DatasetReader) -> None:
        self._source, self.files = source, (path,)
        kinds = set(source.dtypes)
        if kinds not in ({"int8"}, {"float32"}) or not 2 <= source.count <= LONGEST:
            raise RasterError(
                f"Expected a vector of int8 or float32 bands a pixel in {path}, got {source.count} bands of "
                f"{', '.join(sorted(kinds))}. Fetch the embeddings themselves, not a picture of them."
            )
        self._whole_numbers = kinds == {"int8"}
        self.crs, self.transform = placed(path, source)
        self.shape, self.dimension = source.shape, source.count
        self.block = source.block_shapes[0]

    def read(self, row: int, column: int, rows: int, columns: int) -> Floats:
        """See `rasters.VectorRaster.read`."""
        try:
            numbers = self._source.read(window=RasterWindow(column, row, columns, rows))
        except RasterioError as error:
            raise unreadable(self.files[0], error) from error
        numbers = numbers.reshape(self.dimension, -1).T
        if self._whole_numbers:
            return unit_vectors(dequantize_squares(numbers))
        nodata = self._source.nodata
        if nodata is not None and not np.isnan(nodata):
            numbers = np.where(numbers == np.float32(nodata), np.float32(np.nan), numbers)
        return unit_vectors(numbers)


def dequantize_squares(numbers: npt.NDArray[np.int8]) -> Floats:
    """AlphaEarth's rule: v = sign(q) (|q| / 127.5)^2; NaN where q is -128."""
    q = numbers.astype(np.float32) / np.float32(127.5)
    values: Floats = q * np.abs(q)
    values[numbers == _NODATA] = np.nan
    return values


def open_geotiff(path: Path) -> rasterio.DatasetReader:
    """Open as GeoTIFF and nothing else: a VRT, for one, can name any file of the machine."""
    try:
        with warnings.catch_warnings():
            # A raster without a place is refused with words of our own.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path, driver="GTiff")
    except (RasterioError, OSError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> RasterError:
    """The refusal of a file that its reader gave up on."""
    return RasterError(
        f"Expected embeddings as a whole GeoTIFF or .npy at {path}, got {type(error).__name__} "
        f"({str(error)[:200]}). Check the path, or fetch the file again."
    )


def placed(path: Path, source: rasterio.DatasetReader) -> tuple[str, Affine]:
    """CRS and transform of a GeoTIFF; raises RasterError where they say no place on the globe, or a rotated one."""
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
