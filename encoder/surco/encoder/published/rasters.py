"""Published embedding rasters as unit vectors of pixels: AlphaEarth's GeoTIFFs and TESSERA's arrays.

Vectors are brought to unit length: AlphaEarth's have it but for rounding, TESSERA's have not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from affine import Affine

from surco.encoder.protocol import Floats
from surco.encoder.published.geotiff import GeoTiff, open_geotiff
from surco.encoder.published.tessera import open_tessera

__all__ = ["VectorRaster", "open_raster"]


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
        yield open_tessera(path)
        return
    with open_geotiff(path) as source:
        yield GeoTiff(path, source)
