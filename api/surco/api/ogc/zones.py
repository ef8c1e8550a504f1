"""Where rows may lie: bounds of every 256 rows in a row, by which a box finds its rows among millions.

Cells are sorted by H3 index and parcels along a Hilbert curve, so that neighbours in the table are neighbours on the
ground, and a zone is small.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h3
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

__all__ = [
    "ZONE",
    "cell_bounds",
    "cell_zones",
    "rows_of_zones",
    "shape_zones",
    "touched_zones",
    "zones_inside",
]

ZONE = 256
"""Rows of a zone; the last may have fewer."""

Bounds = npt.NDArray[np.float64]
"""(Z, 4) west, south, east, north in degrees."""

_METRES_A_DEGREE = 110_000.0
_CHUNK = 1 << 20


def cell_zones(cells: pa.Array[Any], resolution: int) -> Bounds:
    """Bounds of the hexagons of each zone, a little too large; some two seconds for seven million cells."""
    parts = [
        _reduced(cell_bounds(cells.slice(start, _CHUNK), resolution))
        for start in range(0, len(cells), _CHUNK)
    ]
    bounds = np.concatenate(parts) if parts else np.empty((0, 4))
    # Over the antimeridian a hexagon has corners on both sides.
    over = (bounds[:, 0] < -180) | (bounds[:, 2] > 180)
    bounds[over, 0], bounds[over, 2] = -180.0, 180.0
    return bounds


def cell_bounds(cells: pa.Array[Any], resolution: int) -> Bounds:
    """(N, 4) bounds of hexagons, a little too large, from their centres, which lie in the middle of them."""
    # A cell's corners are never further from its centre than twice the mean edge.
    margin = 2 * h3.average_hexagon_edge_length(resolution, unit="m") / _METRES_A_DEGREE
    places = pa.record_batch(h3ronpy.vector.cells_to_coordinates(cells))
    lon, lat = places["lng"].to_numpy(), places["lat"].to_numpy()
    wide = margin / np.maximum(np.cos(np.radians(np.minimum(np.abs(lat) + margin, 90.0))), 1e-3)
    return np.stack([lon - wide, lat - margin, lon + wide, lat + margin], axis=1)


def shape_zones(bounds: Bounds) -> Bounds:
    """Bounds of each zone of (N, 4) bounds of rows."""
    return _reduced(np.asarray(bounds, np.float64))


def touched_zones(zones: Bounds, boxes: Iterable[tuple[float, float, float, float]]) -> npt.NDArray[np.int64]:
    """Zones that any of the boxes (west, south, east, north) touches, in order."""
    touched = np.zeros(len(zones), np.bool_)
    for west, south, east, north in boxes:
        touched |= (
            (zones[:, 0] <= east) & (zones[:, 2] >= west) & (zones[:, 1] <= north) & (zones[:, 3] >= south)
        )
    return np.flatnonzero(touched)


def zones_inside(zones: Bounds, numbers: npt.NDArray[np.int64], region: Any) -> npt.NDArray[np.bool_]:
    """Which of the zones lie wholly inside a region, so that none of their rows has to be looked at."""
    return np.asarray(shapely.contains_properly(region, shapely.box(*zones[numbers].T)))


def rows_of_zones(numbers: npt.NDArray[np.int64], rows: int) -> npt.NDArray[np.int64]:
    """Rows of the zones, of a table of `rows`, ascending where the zones are."""
    found = (numbers[:, None] * ZONE + np.arange(ZONE)).ravel()
    return np.asarray(found[found < rows], np.int64)


def _reduced(bounds: Bounds) -> Bounds:
    if not len(bounds):
        return np.empty((0, 4))
    starts = np.arange(0, len(bounds), ZONE)
    low = np.minimum.reduceat(bounds[:, :2], starts, axis=0)
    high = np.maximum.reduceat(bounds[:, 2:], starts, axis=0)
    return np.hstack([low, high])
