"""Reading one band of one scene onto a window of the grid."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlparse

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterWindow

from surco.encoder.assets import Band
from surco.encoder.errors import SceneError
from surco.encoder.grid import Window
from surco.encoder.protocol import Floats

__all__ = ["raster_settings", "read_band"]

_ATTEMPTS = 4
_FIRST_WAIT_S = 0.5

_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "VSI_CACHE": "TRUE",
    "GDAL_CACHEMAX": 256,
}


@contextmanager
def raster_settings() -> Iterator[None]:
    """GDAL as it should be while scenes are read: no listing of folders, time limits, a bounded cache."""
    with rasterio.Env(**_SETTINGS):
        yield


def read_band(
    band: Band, window: Window, scene: str, name: str, resampling: Resampling = Resampling.bilinear
) -> Floats:
    """Read a band's numbers on a window, resampled where its own grid is another.

    Args:
        band: where to read.
        window: of the grid; what the raster does not cover is NaN.
        scene: id of the scene, for messages.
        name: of the band, for messages.
        resampling: for a raster on another grid; weights of neighbours without data are left out.

    Returns:
        (H, W) float32 digital numbers (no scale applied), NaN where there is no data.

    Raises:
        SceneError: the raster cannot be read after several attempts, or has no CRS.
    """
    remote = band.href.startswith(("http://", "https://"))
    for attempt in range(_ATTEMPTS if remote else 1):
        if attempt:
            time.sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            return _read(band, window, scene, name, resampling)
        except (RasterioError, OSError) as error:
            failure = error
    raise SceneError(
        f"Expected to read band {name} of scene {scene}; got {type(failure).__name__} from {band.href} "
        f"({failure}). Check the file or the connection and run again: finished tiles are kept."
    ) from failure


def _read(band: Band, window: Window, scene: str, name: str, resampling: Resampling) -> Floats:
    with rasterio.open(band.href, driver=_driver(band.href)) as source:
        if source.crs is None:
            raise SceneError(
                f"Expected a CRS in the raster of band {name} of scene {scene}; got none in {band.href}. "
                "Georeference it (gdal_edit -a_srs EPSG:...), or use terrain-corrected scenes."
            )
        nodata = source.nodata if band.nodata is None else band.nodata
        offsets = _offsets(source, window)
        if offsets is not None:
            return _read_aligned(source, window, offsets, nodata)
        return _read_warped(source, window, nodata, resampling)


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
    if not agree or source.crs != rasterio.CRS.from_user_input(window.crs):
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
