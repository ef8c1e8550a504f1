"""A mask of farmed land: a raster, polygons, or a table of H3 cells, asked for places.

A mask is named by its file and the file's SHA-256, so that a plan means the same wherever and whenever it is run.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
import shapely
from pyproj import Transformer
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from surco.encoder.plan.errors import PlanError
from surco.encoder.plan.region_files import read_polygons

__all__ = ["Cropland", "file_digest"]

Bools = npt.NDArray[np.bool_]
Degrees = npt.NDArray[np.float64]

_KINDS = {
    ".tif": "raster",
    ".tiff": "raster",
    ".geojson": "polygons",
    ".json": "polygons",
    ".parquet": "table",
}


class _Mask(Protocol):
    def holds(self, lonlat: Degrees) -> Bools: ...


@dataclass(frozen=True, slots=True)
class Cropland:
    """Farmed land out of a file.

    Attributes:
        path: GeoTIFF, GeoJSON, GeoParquet of polygons, or Parquet with a column `h3` of cells of one resolution.
        digest: SHA-256 of the file.
        classes: numbers of the raster that are cropland; empty for all but 0 and nodata.
    """

    path: str
    digest: str
    classes: tuple[int, ...] = ()

    @classmethod
    def read(cls, path: Path, classes: tuple[int, ...] = ()) -> Cropland:
        """Look a file over.

        Raises:
            PlanError: no such file, another kind of file, or one without what a mask needs.
        """
        if path.suffix.lower() not in _KINDS or not path.is_file():
            raise PlanError(
                f"Expected cropland as GeoTIFF, GeoJSON or Parquet (polygons or H3 cells); got {path}"
                f"{'' if path.is_file() else ', which is no file'}. Check the path."
            )
        if classes and _KINDS[path.suffix.lower()] != "raster":
            raise PlanError(f"Expected classes only of a raster; got {path}. Leave --cropland-class out.")
        cropland = cls(str(path.resolve()), file_digest(path), classes)
        cropland.holds(np.array([[-71.0, -35.0]]))
        return cropland

    def holds(self, lonlat: Degrees) -> Bools:
        """Which of (N, 2) places in degrees are farmed, (N,).

        Raises:
            PlanError: the file has gone, has changed since the plan was made, or cannot be read.
        """
        # A process that was forked must not read through its parent's open file.
        return _open(self, os.getpid()).holds(lonlat)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits; raises PlanError where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PlanError(
            f"Expected to read {path}; got {error.strerror}. Put the file back, or plan anew."
        ) from error


@lru_cache(maxsize=4)
def _open(cropland: Cropland, process: int) -> _Mask:
    """A process opens a mask once."""
    if file_digest(cropland.path) != cropland.digest:
        raise PlanError(
            f"Expected the cropland that the plan was made with in {cropland.path}; got a file with other content. "
            "Put the old one back, or plan anew."
        )
    path = Path(cropland.path)
    try:
        return _BY_KIND[_KINDS[path.suffix.lower()]](path, cropland.classes)
    except (RasterioError, pa.ArrowException, OSError) as error:
        raise PlanError(f"Expected to read the cropland {path}; got {error}. Check the file.") from error


class _Raster:
    """A raster, its pixels read where places are asked for."""

    def __init__(self, path: Path, classes: tuple[int, ...]) -> None:
        self._source = rasterio.open(path, driver="GTiff")
        if self._source.crs is None or self._source.transform.is_degenerate:
            raise PlanError(f"Expected a georeferenced raster as cropland; got {path} without CRS. Set it.")
        self._into = Transformer.from_crs("OGC:CRS84", self._source.crs.to_wkt(), always_xy=True)
        self._classes = np.array(classes)
        self._reading = Lock()  # GDAL's datasets are for one thread at a time

    def holds(self, lonlat: Degrees) -> Bools:
        found = np.zeros(len(lonlat), np.bool_)
        x, y = self._into.transform(lonlat[:, 0], lonlat[:, 1])
        usable = np.isfinite(x) & np.isfinite(y)
        x, y, into = np.where(usable, x, 0), np.where(usable, y, 0), ~self._source.transform
        column, row = into.a * x + into.b * y + into.c, into.d * x + into.e * y + into.f
        column, row = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
        usable &= (column >= 0) & (row >= 0) & (column < self._source.width) & (row < self._source.height)
        if usable.any():
            found[usable] = self._crops(column[usable], row[usable])
        return found

    def _crops(self, column: npt.NDArray[np.int64], row: npt.NDArray[np.int64]) -> Bools:
        left, top = int(column.min()), int(row.min())
        window = RasterWindow(left, top, int(column.max()) - left + 1, int(row.max()) - top + 1)
        with self._reading:
            values = self._source.read(1, window=window)[row - top, column - left]
        if len(self._classes):
            return np.isin(values, self._classes)
        nodata = self._source.nodata
        held: Bools = np.isfinite(values) & (values != 0)
        held &= nodata is None or values != nodata
        return held


class _Polygons:
    """Polygons in degrees."""

    def __init__(self, shape: shapely.Geometry) -> None:
        self._parts = shapely.get_parts(shape)
        self._tree = shapely.STRtree(self._parts)

    def holds(self, lonlat: Degrees) -> Bools:
        found = np.zeros(len(lonlat), np.bool_)
        found[self._tree.query(shapely.points(lonlat), predicate="intersects")[0]] = True
        return found


class _Cells:
    """H3 cells of one resolution."""

    def __init__(self, cells: npt.NDArray[np.uint64], resolution: int) -> None:
        self._cells, self._resolution = np.unique(cells), resolution

    def holds(self, lonlat: Degrees) -> Bools:
        x, y = np.ascontiguousarray(lonlat[:, 0]), np.ascontiguousarray(lonlat[:, 1])
        cells = pa.array(h3ronpy.vector.coordinates_to_cells(y, x, self._resolution))
        keys = cells.to_numpy(zero_copy_only=False).astype(np.uint64)
        place = np.minimum(np.searchsorted(self._cells, keys), len(self._cells) - 1)
        found: Bools = self._cells[place] == keys
        return found


def _raster(path: Path, classes: tuple[int, ...]) -> _Mask:
    return _Raster(path, classes)


def _polygons(path: Path, classes: tuple[int, ...]) -> _Mask:
    return _Polygons(read_polygons(path))


def _table(path: Path, classes: tuple[int, ...]) -> _Mask:
    if "h3" in pq.read_schema(path).names:
        return _cells(pq.read_table(path, columns=["h3"], partitioning=None)["h3"], path)
    return _Polygons(read_polygons(path))


def _cells(column: pa.ChunkedArray[Any], path: Path) -> _Mask:
    from surco.embedstore.cells import resolutions_of

    if not pa.types.is_unsigned_integer(column.type) or not len(column) or column.null_count:
        raise PlanError(
            f"Expected cells as uint64 in the column h3 of {path}; got {column.type}. Convert them."
        )
    cells = column.to_numpy()
    resolutions = np.unique(resolutions_of(cells))
    if len(resolutions) != 1:
        raise PlanError(
            f"Expected cells of one resolution in {path}; got {resolutions.tolist()}. Split the file."
        )
    return _Cells(cells, int(resolutions[0]))


_BY_KIND = {"raster": _raster, "polygons": _polygons, "table": _table}
