"""A map as a cloud-optimised GeoTIFF: each pixel takes the class of the H3 cell or parcel that its centre lies in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import rasterio
import rasterio.features
import rasterio.shutil
import shapely
from rasterio.transform import Affine
from rasterio.windows import Window

from surco.api.refusals import ExportError
from surco.viewer import class_styles, rgb

if TYPE_CHECKING:
    from surco.api.maps import Predicted

__all__ = ["centres", "class_tags", "colour_table", "grid", "moved", "write_cog"]

_TILE = 512
_METRES_PER_DEGREE = 111_320.0
_MOST_CLASSES = 254
_MOST_PIXELS = 20_000_000_000

Codes = npt.NDArray[np.uint8]


def write_cog(predicted: Predicted, path: Path, pixel: float, tags: Mapping[str, object]) -> None:
    """Write class codes 1..K as uint8, 0 where nothing is known.

    The grid is UTM of the map's middle; a map wider than 12 degrees is in EPSG:4326 with pixels of the same size at the
    equator. Colours and names stand in the colour table and in the tags `class_<code>`.

    Args:
        predicted: the map.
        path: file to write.
        pixel: edge of a pixel in metres.
        tags: what else to write down, as the JSON tag `surco`.

    Raises:
        ExportError: more than 254 classes, or a pixel size that is not positive or makes too large a file.
    """
    if len(predicted.classes) > _MOST_CLASSES:
        raise ExportError(
            f"Expected at most {_MOST_CLASSES} classes in a .tif, got {len(predicted.classes)}. Write .parquet instead."
        )
    shapes = predicted.places.polygons()
    crs, transform, width, height = grid(shapely.total_bounds(shapes), pixel)
    draft = path.with_name(f"{path.stem}-strip.tif")
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "nodata": 0,
        "crs": crs,
        "transform": transform,
    }
    layout = {
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
        "compress": "deflate",
        "bigtiff": "if_safer",
    }
    painter = (
        _cell_painter(predicted) if predicted.unit == "cells" else _parcel_painter(predicted, shapes, crs)
    )
    try:
        with rasterio.open(draft, "w", width=width, height=height, **profile, **layout) as raster:
            for _, window in raster.block_windows(1):
                raster.write(painter(moved(transform, window), window, crs), 1, window=window)
            raster.write_colormap(1, colour_table(predicted.classes))
            raster.update_tags(surco=json.dumps(tags, ensure_ascii=False), **class_tags(predicted.classes))
        rasterio.shutil.copy(draft, path, driver="COG", compress="deflate", overview_resampling="mode")
    finally:
        draft.unlink(missing_ok=True)


def grid(bounds: Any, pixel: float) -> tuple[str, Affine, int, int]:
    """CRS, transform, width and height of the pixels over bounds in degrees; raises ExportError as `write_cog`."""
    west, south, east, north = (float(v) for v in bounds)
    if not pixel > 0:
        raise ExportError(f"Expected a pixel of more than 0 m, got {pixel}. Write 20 for 20 m.")
    crs, step = "EPSG:4326", pixel / _METRES_PER_DEGREE
    if east - west <= 12:
        zone = int(np.clip(((west + east) / 2 + 180) // 6 + 1, 1, 60))
        crs, step = f"EPSG:{(32600 if south + north > 0 else 32700) + zone}", pixel
        to_grid = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
        west, south, east, north = to_grid.transform_bounds(west, south, east, north)
    left, top = np.floor(west / step) * step, np.ceil(north / step) * step
    width, height = int(np.ceil((east - left) / step)), int(np.ceil((top - south) / step))
    if width * height > _MOST_PIXELS:
        raise ExportError(
            f"Expected at most {_MOST_PIXELS:,} pixels, got {width} x {height} at {pixel} m. Choose a larger pixel."
        )
    return crs, Affine(step, 0.0, left, 0.0, -step, top), width, height


def moved(transform: Affine, window: Window) -> Affine:
    """The transform of a window of the raster."""
    left = transform.c + window.col_off * transform.a
    return Affine(transform.a, 0.0, left, 0.0, transform.e, transform.f + window.row_off * transform.e)


def _cell_painter(predicted: Predicted) -> Any:
    cells = predicted.places.table["h3"].to_numpy()
    order = np.argsort(cells)
    cells, codes = cells[order], (predicted.class_index[order] + 1).astype(np.uint8)
    resolution = predicted.places.resolution

    def paint(transform: Affine, window: Window, crs: str) -> Codes:
        lon, lat = centres(transform, window, crs)
        wanted = pa.array(h3ronpy.vector.coordinates_to_cells(lat, lon, resolution)).to_numpy()
        at = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
        found = np.where(cells[at] == wanted, codes[at], 0).astype(np.uint8)
        return found.reshape(int(window.height), int(window.width))

    return paint


def centres(transform: Affine, window: Window, crs: str) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """Longitude and latitude of the window's pixel centres, row by row."""
    columns, rows = np.meshgrid(np.arange(window.width) + 0.5, np.arange(window.height) + 0.5)
    x, y = transform.c + transform.a * columns, transform.f + transform.e * rows
    lon, lat = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(x.ravel(), y.ravel())
    return pa.array(lon), pa.array(lat)


def _parcel_painter(predicted: Predicted, shapes: Any, crs: str) -> Any:
    to_grid = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    known = predicted.class_index >= 0
    outlines = shapely.transform(shapes[known], to_grid.transform, interleaved=False)
    codes = (predicted.class_index[known] + 1).tolist()
    tree = shapely.STRtree(outlines)

    def paint(transform: Affine, window: Window, crs: str) -> Codes:
        size = (int(window.height), int(window.width))
        right, bottom = transform.c + size[1] * transform.a, transform.f + size[0] * transform.e
        near = np.sort(tree.query(shapely.box(transform.c, bottom, right, transform.f)))
        pairs = [(outlines[i], codes[i]) for i in near.tolist()]
        if not pairs:
            return np.zeros(size, np.uint8)
        return np.asarray(
            rasterio.features.rasterize(pairs, size, transform=transform, dtype="uint8"), np.uint8
        )

    return paint


def colour_table(classes: tuple[str, ...]) -> dict[int, tuple[int, int, int, int]]:
    """Colours of codes 0..K: 0 is clear, the others as the viewer draws the classes."""
    styles = class_styles(classes)
    return {0: (0, 0, 0, 0)} | {i + 1: (*rgb(style.colour), 255) for i, style in enumerate(styles)}


def class_tags(classes: tuple[str, ...]) -> dict[str, str]:
    """Names of the classes as tags `class_<code>`."""
    return {f"class_{i + 1}": name for i, name in enumerate(classes)}
