"""Which cells of a table lie in polygons: by their centres, however many polygons or cells there are."""

from __future__ import annotations

from collections.abc import Iterator

import h3
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.embedstore.errors import LabelError

__all__ = ["cells_at", "cells_within", "rows_in_polygons"]

_BLOCK = 65_536
_SQUARE_METRES = 111_320.0**2  # of a square degree at the equator
_TOLERANCE = 4  # polygons may reach beyond the table, and cells are not of one size
_MOST_FILLED = 200_000  # cells that polygons are filled with; of more all rows of the table are looked at

Cells = npt.NDArray[np.uint64]
Geometries = npt.NDArray[np.object_]
Rows = npt.NDArray[np.int64]


def cells_at(points: npt.NDArray[np.object_], resolution: int) -> npt.NDArray[np.uint64]:
    """The cell (N,) of a resolution that holds each point (N,) in degrees."""
    lon, lat = pa.array(shapely.get_x(points)), pa.array(shapely.get_y(points))
    cells: npt.NDArray[np.uint64] = pa.array(
        h3ronpy.vector.coordinates_to_cells(lat, lon, resolution)
    ).to_numpy()
    return cells


def rows_in_polygons(
    held: npt.NDArray[np.uint64], polygons: npt.NDArray[np.object_], resolution: int, most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the cells whose centres lie in a polygon, and its position; by polygon, then by row.

    Args:
        held: (N,) cells of a table, ascending.
        polygons: (P,) in degrees.
        resolution: of the cells.
        most: rows that are taken, all polygons together; N takes all.

    Raises:
        LabelError: more rows than that.
    """
    rows, inside = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    if most < len(held) and cells_within(polygons, resolution) > _TOLERANCE * most:
        raise _too_many(most)
    count = 0
    for first in _candidates(held, polygons, resolution):
        found, within = _centres_inside(held[first], polygons)
        count += len(found)
        if most < len(held) and count > most:
            raise _too_many(most)
        rows.append(first[found])
        inside.append(within)
    row, polygon = np.concatenate(rows), np.concatenate(inside)
    order = np.lexsort((row, polygon))
    return row[order], polygon[order]


def cells_within(polygons: npt.NDArray[np.object_] | shapely.Geometry, resolution: int) -> float:
    """About how many H3 cells of a resolution polygons in degrees cover, all together."""
    shapes = np.atleast_1d(np.asarray(polygons, object))
    if not len(shapes):
        return 0.0
    middle = shapely.bounds(shapes)[:, 1::2].mean(axis=1)
    square_metres = shapely.area(shapes) * np.cos(np.radians(middle)) * _SQUARE_METRES
    return float(square_metres.sum() / h3.average_hexagon_area(resolution, unit="m^2"))


def _candidates(
    held: npt.NDArray[np.uint64], polygons: npt.NDArray[np.object_], resolution: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Rows that may lie in one of the polygons, in blocks: those of the cells that fill them, or all where many do."""
    if not len(polygons):
        return
    if cells_within(shapely.envelope(polygons), resolution) > _MOST_FILLED:
        yield from (np.arange(i, min(i + _BLOCK, len(held))) for i in range(0, len(held), _BLOCK))
        return
    filling = h3ronpy.vector.wkb_to_cells(
        pa.array(shapely.to_wkb(polygons), pa.binary()),
        resolution,
        containment_mode=h3ronpy.vector.ContainmentMode.IntersectsBoundary,
        flatten=True,
    )
    cells = np.unique(pa.array(filling).to_numpy(zero_copy_only=False)).astype(np.uint64)
    place = np.minimum(np.searchsorted(held, cells), len(held) - 1)
    rows = place[held[place] == cells]
    if len(rows):
        yield rows


def _centres_inside(
    cells: npt.NDArray[np.uint64], polygons: npt.NDArray[np.object_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of `cells` and positions of the polygons that contain their centres."""
    centres = pa.record_batch(h3ronpy.vector.cells_to_coordinates(pa.array(cells)))
    lon, lat = centres.column("lng").to_numpy(), centres.column("lat").to_numpy()
    area = shapely.box(lon.min(), lat.min(), lon.max(), lat.max())
    near = np.flatnonzero(shapely.intersects(polygons, area))
    if not len(near):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    found, rows = shapely.STRtree(shapely.points(lon, lat)).query(polygons[near], predicate="contains")
    return rows, near[found]


def _too_many(most: int) -> LabelError:
    return LabelError(
        f"labels of at most {most:,} cells in all",
        "polygons that cover more",
        "Draw smaller polygons, or points: a few hundred labels teach a map.",
    )
