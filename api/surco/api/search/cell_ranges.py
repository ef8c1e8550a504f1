"""Which rows of a table of cells lie in a shape: whole ranges of rows inside, centres compared along its edge.

Cells are in ascending order, and all descendants of a cell stand in one range (https://h3geo.org/docs/core-library/h3Indexing).
"""

from __future__ import annotations

import math
from typing import Any

import h3
import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

__all__ = ["cell_at", "centres_of", "descendants", "rows_inside"]

_MOST_PARENTS = 2_000
"""About so many coarse cells cover a shape: few enough to make at once, small enough that edges are thin."""

Cells = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def rows_inside(cells: Cells, resolution: int, shape: shapely.Geometry) -> Rows:
    """Rows of the cells whose centres lie in a shape or on its edge, ascending.

    Args:
        cells: (N,) of one resolution, ascending.
        resolution: theirs.
        shape: polygon or multipolygon in degrees, valid, less than 180 degrees wide.
    """
    if shape.is_empty or not len(cells):
        return np.empty(0, np.int64)
    coarse = min(resolution, _coarse_resolution(shape))
    near = _around(shape, coarse)
    low, high = descendants(near, coarse, resolution)
    begins, ends = np.searchsorted(cells, low), np.searchsorted(cells, high, side="right")
    held = ends > begins
    near, begins, ends = near[held], begins[held], ends[held]
    shapely.prepare(shape)
    whole = _deep_inside(near, shape)
    spans = list(zip(begins.tolist(), ends.tolist(), whole.tolist(), strict=True))
    found = [np.arange(a, b) if deep else _tested(cells, a, b, shape) for a, b, deep in spans]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def cell_at(lon: float, lat: float, resolution: int) -> int:
    """The cell that holds a place in degrees."""
    return int(h3.str_to_int(h3.latlng_to_cell(lat, lon, resolution)))


def centres_of(cells: Cells) -> npt.NDArray[np.float64]:
    """(N, 2) longitude and latitude of the centres of (N,) cells, in degrees."""
    places = pa.record_batch(h3ronpy.vector.cells_to_coordinates(pa.array(cells)))
    return np.stack([places["lng"].to_numpy(), places["lat"].to_numpy()], axis=1)


def descendants(cells: Cells, coarse: int, fine: int) -> tuple[Cells, Cells]:
    """Between which two indices all descendants of each of (N,) cells lie, and nothing else of their resolution.

    Args:
        cells: of one resolution.
        coarse: theirs.
        fine: of the descendants, not coarser.

    Returns:
        (N,) and (N,), which need not be cells themselves.
    """
    below = np.uint64((1 << (3 * (15 - coarse))) - 1)
    path = (cells & ~(np.uint64(15) << np.uint64(52))) | (np.uint64(fine) << np.uint64(52))
    return path & ~below, path | below


def _coarse_resolution(shape: shapely.Geometry) -> int:
    """The finest at which the shape takes at most some `_MOST_PARENTS` cells."""
    west, south, east, north = shape.bounds
    middle = math.cos(math.radians((south + north) / 2))
    km2 = max((east - west) * (north - south) * 111.2**2 * max(middle, 0.01), 1e-9)
    fits = [
        level for level in range(16) if km2 / h3.average_hexagon_area(level, unit="km^2") <= _MOST_PARENTS
    ]
    return max(fits, default=0)


def _around(shape: shapely.Geometry, resolution: int) -> Cells:
    """Cells that cover a shape, and their neighbours: some descendants reach out of their ancestor's outline."""
    box = shapely.box(*shape.bounds) if shapely.get_num_coordinates(shape) > _MOST_PARENTS else shape
    covering = h3ronpy.vector.ContainmentMode.Covers
    flat = h3ronpy.vector.wkb_to_cells(
        pa.array([shapely.to_wkb(box)]), resolution, containment_mode=covering, flatten=True
    )
    disks = pa.array(h3ronpy.grid_disk(pa.array(flat), 1, flatten=True))
    return np.unique(np.asarray(disks.to_numpy(zero_copy_only=False), np.uint64))


def _deep_inside(cells: Cells, shape: shapely.Geometry) -> npt.NDArray[np.bool_]:
    """Which cells lie in the shape together with all that may reach out of them."""
    outlines = shapely.from_wkb(
        pa.array(h3ronpy.vector.cells_to_wkb_polygons(pa.array(cells))).to_numpy(False)
    )
    return np.asarray(shapely.contains(shape, _swollen(outlines)), np.bool_)


def _swollen(outlines: Any) -> Any:
    """Outlines half as wide again: descendants of a cell reach less than a fifth of its width beyond it."""
    centres = shapely.get_coordinates(shapely.centroid(outlines))
    points, which = shapely.get_coordinates(outlines, return_index=True)
    grown = centres[which] + 1.5 * (points - centres[which])
    return shapely.polygons(shapely.linearrings(grown, indices=which))


def _tested(cells: Cells, begin: int, end: int, shape: shapely.Geometry) -> Rows:
    centres = centres_of(cells[begin:end])
    return begin + np.flatnonzero(shapely.intersects_xy(shape, centres[:, 0], centres[:, 1]))
