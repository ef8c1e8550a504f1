"""Outlines of H3 cells in Mercator units, six corners each, equal where two cells share one."""

from __future__ import annotations

from typing import Any

import h3
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.tiles.mercator import WORLD, to_units

__all__ = ["centres", "outlines"]

# Byte order, type, number of rings and of points, then seven points of two doubles.
_HEADER = 13
_HEXAGON = _HEADER + 7 * 16
_CORNERS = 6


def centres(cells: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The centres of cells, x and y (N,) in units."""
    places = pa.record_batch(h3ronpy.vector.cells_to_coordinates(pa.array(cells)))
    return to_units(places["lng"].to_numpy(), places["lat"].to_numpy())


def outlines(cells: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Centres (N, 2) of cells in units, and their corners (N, 6, 2) relative to the centres, clockwise on a map.

    A pentagon repeats a corner. A cell that an edge of the icosahedron crosses has corners where its sides do, almost
    on the straight line: they are left out, in both cells of a side.
    """
    centre = np.stack(centres(cells), axis=1).astype(np.int64)
    lon, lat = _corners(cells)
    corner = np.stack(to_units(lon, lat), axis=2).astype(np.int64)[:, ::-1]
    away = corner - centre[:, None]
    # The shorter way round the world.
    away[..., 0] = (away[..., 0] + WORLD // 2) % WORLD - WORLD // 2
    return centre, away


def _corners(cells: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Longitude and latitude (N, 6), anticlockwise on a map."""
    data, sizes = _polygons(cells)
    found = np.empty((len(cells), _CORNERS, 2))
    usual = sizes == _HEXAGON
    if not usual.all():
        data, _ = _polygons(cells[usual])
        for row in np.flatnonzero(~usual):
            found[row] = _six(h3.int_to_str(int(cells[row])))
    numbers = data.reshape(-1, _HEXAGON)[:, _HEADER : _HEADER + 16 * _CORNERS]
    found[usual] = np.ascontiguousarray(numbers).view("<f8").reshape(-1, _CORNERS, 2)
    return found[..., 0], found[..., 1]


def _polygons(cells: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The polygons of cells as WKB, one after the other, and the bytes of each."""
    wkb: Any = pa.array(h3ronpy.vector.cells_to_wkb_polygons(pa.array(cells))).cast(pa.large_binary())
    ends = np.frombuffer(wkb.buffers()[1], np.int64)[wkb.offset : wkb.offset + len(cells) + 1]
    data = np.frombuffer(wkb.buffers()[2], np.uint8) if len(cells) else np.zeros(0, np.uint8)
    return data[ends[0] : ends[-1]], np.diff(ends)


def _six(cell: str) -> npt.NDArray[np.float64]:
    """The six corners (6, 2) of a cell whose boundary has more points, or of a pentagon: where it turns most."""
    points = np.array(h3.cell_to_boundary(cell))[:, ::-1]
    points[:, 0] = points[0, 0] + (points[:, 0] - points[0, 0] + 180) % 360 - 180
    side = np.roll(points, -1, axis=0) - points
    turn = np.arctan2(*side[:, ::-1].T)
    turn = np.abs((turn - np.roll(turn, 1) + np.pi) % (2 * np.pi) - np.pi)
    corners = _CORNERS - 1 if h3.is_pentagon(cell) else _CORNERS
    most = np.sort(np.argsort(-turn, kind="stable")[:corners])
    return np.asarray(points[np.append(most, np.repeat(most[-1], _CORNERS - corners))], np.float64)
