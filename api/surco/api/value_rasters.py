"""Values of cells or parcels as a cloud-optimised GeoTIFF of float32 bands: each pixel takes those of its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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

from surco.api.maps import Places
from surco.api.rasters import centres, grid, moved

__all__ = ["write_value_cog"]

_TILE = 512
Rows = npt.NDArray[np.int64]
# Row of the table (height, width) at each pixel of a window, -1 where there is none.
Finder = Callable[[Affine, Window], Rows]


def write_value_cog(
    places: Places,
    bands: Mapping[str, npt.NDArray[np.float32]],
    path: Path,
    pixel: float,
    tags: Mapping[str, object],
) -> None:
    """Write one float32 band for each of `bands`, by name, NaN where nothing is known.

    Args:
        places: the cells or parcels.
        bands: (N,) values of the places, NaN where there is none.
        path: file to write.
        pixel: edge of a pixel in metres.
        tags: what else to write down, as the JSON tag `surco`.

    Raises:
        ExportError: a pixel size that is not positive or makes too large a file.
    """
    shapes = places.polygons()
    crs, transform, width, height = grid(shapely.total_bounds(shapes), pixel)
    find = _cell_finder(places, crs) if places.unit == "cells" else _parcel_finder(shapes, crs)
    values = np.stack([*bands.values()], axis=1)
    draft = path.with_name(f"{path.stem}-strip.tif")
    profile = {"driver": "GTiff", "dtype": "float32", "count": len(bands), "nodata": float("nan"), "crs": crs}
    layout = {
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
        "compress": "deflate",
        "bigtiff": "if_safer",
    }
    try:
        with rasterio.open(
            draft, "w", width=width, height=height, transform=transform, **profile, **layout
        ) as raster:
            for _, window in raster.block_windows(1):
                rows = find(moved(transform, window), window)
                found = np.where(rows[..., None] >= 0, values[np.maximum(rows, 0)], np.float32(np.nan))
                raster.write(np.moveaxis(found, -1, 0), window=window)
            for number, name in enumerate(bands, 1):
                raster.set_band_description(number, name)
            raster.update_tags(surco=json.dumps(tags, ensure_ascii=False))
        rasterio.shutil.copy(draft, path, driver="COG", compress="deflate", overview_resampling="nearest")
    finally:
        draft.unlink(missing_ok=True)


def _cell_finder(places: Places, crs: str) -> Finder:
    cells = places.table["h3"].to_numpy()
    order = np.argsort(cells)
    ordered = cells[order]

    def find(transform: Affine, window: Window) -> Rows:
        lon, lat = centres(transform, window, crs)
        wanted = pa.array(h3ronpy.vector.coordinates_to_cells(lat, lon, places.resolution)).to_numpy()
        at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        rows = np.where(ordered[at] == wanted, order[at], -1)
        return np.asarray(rows.reshape(int(window.height), int(window.width)), np.int64)

    return find


def _parcel_finder(shapes: Any, crs: str) -> Finder:
    to_grid = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    outlines = shapely.transform(shapes, to_grid.transform, interleaved=False)
    tree = shapely.STRtree(outlines)

    def find(transform: Affine, window: Window) -> Rows:
        size = (int(window.height), int(window.width))
        right, bottom = transform.c + size[1] * transform.a, transform.f + size[0] * transform.e
        near = np.sort(tree.query(shapely.box(transform.c, bottom, right, transform.f)))
        if not len(near):
            return np.full(size, -1, np.int64)
        pairs = [(outlines[i], i) for i in near.tolist()]
        burnt = rasterio.features.rasterize(pairs, size, fill=-1, transform=transform, dtype="int32")
        return np.asarray(burnt, np.int64)

    return find
