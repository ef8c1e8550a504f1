"""Where rows may lie: bounds of every 128 rows in a row, by which a box finds its rows among millions.

Cells are sorted by H3 index and parcels along a Hilbert curve, so that neighbours in the table are neighbours on the
ground, and a zone is small.
"""

from __future__ import annotations

from collections.abc import Iterable

import h3
import numpy as np
import numpy.typing as npt

__all__ = ["ZONE", "cell_bounds", "cell_zones", "rows_of_zones", "shape_zones", "touching"]

ZONE = 128
"""Rows of a zone; the last may have fewer."""

Bounds = npt.NDArray[np.float64]
"""(Z, 4) west, south, east, north in degrees."""

_METRES_A_DEGREE = 110_000.0
_CHUNK = 1 << 20


def cell_zones(places: Bounds, resolution: int) -> Bounds:
    """Bounds of the hexagons of each zone, a little too large.

    Args:
        places: (N, 2) longitude and latitude of their centres.
        resolution: of the cells.
    """
    parts = [
        _reduced(cell_bounds(places[start : start + _CHUNK], resolution))
        for start in range(0, len(places), _CHUNK)
    ]
    bounds = np.concatenate([np.empty((0, 4)), *parts])
    # Over the antimeridian a hexagon has corners on both sides.
    over = (bounds[:, 0] < -180) | (bounds[:, 2] > 180)
    bounds[over, 0], bounds[over, 2] = -180.0, 180.0
    return bounds


def cell_bounds(places: Bounds, resolution: int) -> Bounds:
    """(N, 4) bounds of hexagons, a little too large, from (N, 2) centres, which lie in the middle of them."""
    lon, lat = places.T
    # A cell's corners are never further from its centre than twice the mean edge.
    margin = 2 * h3.average_hexagon_edge_length(resolution, unit="m") / _METRES_A_DEGREE
    wide = margin / np.maximum(np.cos(np.radians(np.minimum(np.abs(lat) + margin, 90.0))), 1e-3)
    return np.stack([lon - wide, lat - margin, lon + wide, lat + margin], axis=1)


def shape_zones(bounds: Bounds) -> Bounds:
    """Bounds of each zone of (N, 4) bounds of rows."""
    return _reduced(np.asarray(bounds, np.float64))


def touching(bounds: Bounds, boxes: Iterable[tuple[float, float, float, float]]) -> npt.NDArray[np.bool_]:
    """Which of (M, 4) bounds touch any of the boxes (west, south, east, north)."""
    found = np.zeros(len(bounds), np.bool_)
    for west, south, east, north in boxes:
        found |= (
            (bounds[:, 0] <= east)
            & (bounds[:, 2] >= west)
            & (bounds[:, 1] <= north)
            & (bounds[:, 3] >= south)
        )
    return found


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
