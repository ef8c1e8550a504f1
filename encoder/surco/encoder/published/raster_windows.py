"""Windows of embedding rasters: which there are, and the sums of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from affine import Affine

from surco.encoder.area import project
from surco.encoder.grid import TILE_PIXELS, Window
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.parcels import ParcelError
from surco.encoder.pool import Pixels, Sums, locate_cells, pool
from surco.encoder.published.rasters import VectorRaster
from surco.encoder.staging import Staging, TileSums, window_name

__all__ = ["RasterWindow", "plan_windows", "pool_window"]

_UNKNOWN = (0,) * 12
"""A published raster does not say what was seen in which month."""


@dataclass(frozen=True, slots=True, eq=False)
class RasterWindow:
    """One window of one raster, with the area and the parcels in its CRS."""

    raster: VectorRaster
    window: Window
    staging: Staging
    area: shapely.Geometry
    index: ParcelIndex | None

    def sums(self) -> TileSums:
        """What was staged for this window; FileNotFoundError where nothing was."""
        return self.staging.load(window_name(self.window))


def pool_window(part: RasterWindow, resolution: int) -> TileSums:
    """Read a window and sum its pixels by H3 cell and by parcel."""
    window = part.window
    row, column = window.row * TILE_PIXELS, window.column * TILE_PIXELS
    vectors = part.raster.read(row, column, window.height, window.width)
    count = len(vectors)
    nothing = np.zeros(count, np.uint16)
    pixels = Pixels(vectors, np.full((count, 12), np.nan, np.float32), nothing, nothing)
    inside = window.inside(part.area).ravel()
    rows = np.flatnonzero(inside)
    cells = pool(locate_cells(window.lonlat()[rows], resolution), pixels, rows)
    return TileSums(cells, _pool_parcels(part, pixels, inside), len(rows), _UNKNOWN, _UNKNOWN)


def plan_windows(
    rasters: Sequence[VectorRaster],
    indices: Mapping[str, ParcelIndex],
    area: shapely.Geometry | None,
    folder: Path,
) -> list[RasterWindow]:
    """Windows of all rasters that touch an area in degrees (None: everywhere), staged in folders of their own.

    `indices` holds the parcels by CRS of the rasters, and is empty where there are none to pool.

    Raises:
        ParcelError: no parcel lies on a raster within the area.
    """
    planned: list[RasterWindow] = []
    touched = not indices
    for number, raster in enumerate(rasters):
        index, outline = indices.get(raster.crs), _outline(raster, area)
        touched = touched or (index is not None and index.touches(outline))
        own = folder / f"raster-{number:05d}"
        own.mkdir(exist_ok=True)
        planned += [
            RasterWindow(raster, window, Staging(own), outline, index)
            for window in _windows(raster)
            if outline.intersects(shapely.box(*window.bounds))
        ]
    if not touched:
        raise ParcelError(
            "Expected parcels on the rasters, within the area; got none there. Check the parcels' CRS and the area."
        )
    return planned


def _outline(raster: VectorRaster, area: shapely.Geometry | None) -> shapely.Geometry:
    box = shapely.box(*_window(raster, 0, 0, *raster.shape).bounds)
    return box if area is None else box.intersection(project(area, "OGC:CRS84", raster.crs))


def _windows(raster: VectorRaster) -> Iterator[Window]:
    """Windows of a raster; those of one stored block follow each other, so that it is read once."""
    for row, column in _corners(raster):
        rows, columns = (min(TILE_PIXELS, s - o) for s, o in zip(raster.shape, (row, column), strict=True))
        yield _window(raster, row, column, rows, columns)


def _corners(raster: VectorRaster) -> list[tuple[int, int]]:
    height, width = (max(size, TILE_PIXELS) for size in raster.block)
    corners = [
        (r, c) for r in range(0, raster.shape[0], TILE_PIXELS) for c in range(0, raster.shape[1], TILE_PIXELS)
    ]
    return sorted(corners, key=lambda at: (at[0] // height, at[1] // width, at))


def _window(raster: VectorRaster, row: int, column: int, rows: int, columns: int) -> Window:
    a, b, left, d, e, top = raster.transform[:6]
    transform = Affine(a, b, left + column * a, d, e, top + row * e)
    return Window(row // TILE_PIXELS, column // TILE_PIXELS, raster.crs, transform, columns, rows)


def _pool_parcels(part: RasterWindow, pixels: Pixels, inside: np.ndarray) -> Sums:
    if part.index is None:
        return pool(np.empty(0, np.uint64), pixels, np.empty(0, np.intp))
    keys, rows, shares = part.index.locate(part.window)
    within = inside[rows]
    return pool(keys[within], pixels, rows[within], shares[within])
