"""Reading one band of one scene onto a window of the grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from urllib.parse import urlparse

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window as RasterWindow

from surco.encoder.assets import Band
from surco.encoder.errors import SceneError
from surco.encoder.grid import Window
from surco.encoder.protocol import Floats
from surco.encoder.reader import RASTER_OPTIONS, Reader, shared_reader
from surco.encoder.reading.addresses import bare, is_remote, redacted
from surco.encoder.reading.failures import ChangedFailure

__all__ = ["raster_settings", "read_band"]

_COARSER, _ALMOST = 2.0, 1.001
"""From so many times the raster's own pixel on, an overview is read instead of its pixels."""


@contextmanager
def raster_settings() -> Iterator[None]:
    """GDAL as it should be while scenes are read: no listing of folders, a bounded cache."""
    with rasterio.Env(**RASTER_OPTIONS):
        yield


def read_band(
    band: Band,
    window: Window,
    scene: str,
    name: str,
    resampling: Resampling = Resampling.bilinear,
    reader: Reader | None = None,
) -> Floats:
    """Read a band's numbers on a window, resampled where its own grid is another.

    Of a raster elsewhere only the blocks of the window are asked for; of one that is twice as fine as the window's
    pixels, or finer, only those of the overview that fits.

    Args:
        band: where to read.
        window: of the grid; what the raster does not cover is NaN.
        scene: id of the scene, for messages.
        name: of the band, for messages.
        resampling: for a raster on another grid; weights of neighbours without data are left out.
        reader: who reads; that of the process where None is given.

    Returns:
        (H, W) float32 digital numbers (no scale applied), NaN where there is no data.

    Raises:
        SceneError: the raster cannot be read, after several attempts where these may help, or has no CRS.
    """
    work = partial(_read, band, window, scene, name, resampling, reader or shared_reader())
    try:
        return work()
    except (RasterioError, OSError) as failure:
        raise SceneError(
            f"Expected to read band {name} of scene {scene}; got {type(failure).__name__} from {bare(band.href)} "
            f"({redacted(str(failure))}). Check the file or the connection and run again: finished tiles are kept."
        ) from failure


def _read(
    band: Band, window: Window, scene: str, name: str, resampling: Resampling, reader: Reader
) -> Floats:
    try:
        return _read_once(band, window, scene, name, resampling, reader)
    except (RasterioError, ChangedFailure):
        if not is_remote(band.href):
            raise
        # Bytes that came spoilt, or a file that was replaced meanwhile: from its beginning, once.
        reader.forget(band.href)
        return _read_once(band, window, scene, name, resampling, reader)


def _read_once(
    band: Band, window: Window, scene: str, name: str, resampling: Resampling, reader: Reader
) -> Floats:
    driver = _driver(band.href)
    with reader.open(band.href, band.public, driver=driver) as source:
        if source.crs is None:
            raise SceneError(
                f"Expected a CRS in the raster of band {name} of scene {scene}; got none in {bare(band.href)}. "
                "Georeference it (gdal_edit -a_srs EPSG:...), or use terrain-corrected scenes."
            )
        nodata = source.nodata if band.nodata is None else band.nodata
        offsets = _offsets(source, window)
        if offsets is not None:
            return _read_aligned(source, window, offsets, nodata)
        level = _overview(source, window)
        if level is None:
            return _read_warped(source, window, nodata, resampling)
    with reader.open(band.href, band.public, driver=driver, overview_level=level) as coarser:
        return _read_warped(coarser, window, nodata, resampling)


def _overview(source: rasterio.DatasetReader, window: Window) -> int | None:
    """The coarsest overview that is still as fine as the window's pixels; None where the raster itself is wanted."""
    factors = source.overviews(1)
    times = _times_coarser(source, window) if factors else 0.0
    fitting = [level for level, factor in enumerate(factors) if factor <= times * _ALMOST]
    return fitting[-1] if times * _ALMOST >= _COARSER and fitting else None


def _times_coarser(source: rasterio.DatasetReader, window: Window) -> float:
    """How many of the raster's pixels lie across one of the window's."""
    left, bottom, right, top = window.bounds
    if source.crs != _crs(window.crs):
        left, bottom, right, top = transform_bounds(_crs(window.crs), source.crs, left, bottom, right, top)
    times = (right - left) / window.width / abs(source.transform.a)
    return times if np.isfinite(times) else 0.0


@cache
def _crs(text: str) -> rasterio.CRS:
    return rasterio.CRS.from_user_input(text)


def _driver(href: str) -> str:
    """One of two formats that are pixels and nothing else: a VRT, for one, can name any file of the machine."""
    return "JP2OpenJPEG" if urlparse(href).path.lower().endswith((".jp2", ".j2k")) else "GTiff"


def _offsets(source: rasterio.DatasetReader, window: Window) -> tuple[int, int] | None:
    """Column and row of the window's corner in the raster where both grids agree, else None."""
    transform, wanted = source.transform, window.transform
    if (transform.a, transform.b, transform.d, transform.e) != (wanted.a, wanted.b, wanted.d, wanted.e):
        return None
    column, row = (wanted.c - transform.c) / transform.a, (wanted.f - transform.f) / transform.e
    agree = abs(column - round(column)) < 1e-6 and abs(row - round(row)) < 1e-6
    if not agree or source.crs != _crs(window.crs):
        return None
    return round(column), round(row)


def _read_aligned(
    source: rasterio.DatasetReader, window: Window, offsets: tuple[int, int], nodata: float | None
) -> Floats:
    column, row = offsets
    out = np.full((window.height, window.width), np.nan, np.float32)
    first_column, first_row = max(column, 0), max(row, 0)
    columns = min(column + window.width, source.width) - first_column
    rows = min(row + window.height, source.height) - first_row
    if columns > 0 and rows > 0:
        numbers = source.read(1, window=RasterWindow(first_column, first_row, columns, rows))
        target = out[first_row - row :, first_column - column :][:rows, :columns]
        target[...] = _without_nodata(numbers, nodata)
    return out


def _read_warped(
    source: rasterio.DatasetReader, window: Window, nodata: float | None, resampling: Resampling
) -> Floats:
    """Through GDAL's warper, as float32 with NaN as nodata, so that no number is taken for a gap."""
    options = {
        "crs": window.crs, "transform": window.transform, "width": window.width, "height": window.height,
        "resampling": resampling, "src_nodata": nodata, "nodata": float("nan"), "dtype": "float32",
    }  # fmt: skip
    with WarpedVRT(source, **options) as warped:
        out: Floats = warped.read(1)
    return _without_nodata(out, nodata)


def _without_nodata(numbers: np.ndarray, nodata: float | None) -> Floats:
    values = numbers.astype(np.float32)
    if nodata is not None and not np.isnan(nodata):
        values[values == np.float32(nodata)] = np.nan
    return values
