"""Classes of pixels as a cloud-optimised GeoTIFF on the grid of their vectors, written window by window."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from surco.adapters.boundaries.windows import OverlappingWindow
from surco.api.pixel_areas import PixelArea
from surco.api.rasters import class_tags, colour_table
from surco.api.refusals import ExportError
from surco.api.whole_file import whole_file

__all__ = ["write_pixel_map"]

_TILE = 256
_MOST_CLASSES = 254


def write_pixel_map(
    classified: Iterable[tuple[OverlappingWindow, npt.NDArray[np.int32]]],
    pixels: PixelArea,
    classes: tuple[str, ...],
    out: Path,
    tags: Mapping[str, object],
) -> npt.NDArray[np.int64]:
    """Write class codes 1..K as uint8, 0 where nothing was seen, with colours and names as `rasters.write_cog`.

    Args:
        classified: windows that tile the area, and the class positions of their inner parts, -1 where nothing was seen.
        pixels: the area.
        classes: names of the K classes.
        out: `.tif`; a file of that name is replaced only when the new one is complete.
        tags: what else to write down, as the JSON tag `surco`.

    Returns:
        (K,) pixels by class.

    Raises:
        ExportError: more than 254 classes, or a disk or folder that refuses.
    """
    if len(classes) > _MOST_CLASSES:
        raise ExportError(
            f"Expected at most {_MOST_CLASSES} classes in a .tif, got {len(classes)}. Classify --parcels instead."
        )
    height, width = pixels.shape
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": 0, "crs": pixels.crs, "transform": pixels.transform,
        "width": width, "height": height, "tiled": True, "blockxsize": _TILE, "blockysize": _TILE,
        "compress": "deflate", "bigtiff": "if_safer",
    }  # fmt: skip
    counts = np.zeros(len(classes) + 1, np.int64)
    try:
        with whole_file(out) as draft, _strip(draft) as strip:
            with rasterio.open(strip, "w", **profile) as raster:
                for window, positions in classified:
                    codes = (positions + 1).astype(np.uint8)
                    counts += np.bincount(codes.ravel(), minlength=len(counts))
                    top, left, bottom, right = window.inner
                    raster.write(codes, 1, window=Window(left, top, right - left, bottom - top))
                raster.write_colormap(1, colour_table(classes))
                raster.update_tags(surco=json.dumps(dict(tags), ensure_ascii=False), **class_tags(classes))
            rasterio.shutil.copy(strip, draft, driver="COG", compress="deflate", overview_resampling="mode")
    except OSError as error:
        raise ExportError(
            f"Expected to be able to write {out}; got: {error}. Choose another place."
        ) from error
    return counts[1:]


@contextmanager
def _strip(draft: Path) -> Iterator[Path]:
    """A name for the raster that the COG is made of; gone afterwards."""
    strip = draft.with_name(f"{draft.stem}-strip.tif")
    try:
        yield strip
    finally:
        strip.unlink(missing_ok=True)
