"""Where labels lie: the spatial block of each, and the comuna, province or region it is compared by."""

from __future__ import annotations

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore import comuna_at, comunas

__all__ = ["PLACES", "blocks_of", "named_places"]

PLACES = ("comuna", "province", "region")
"""What `--split` may name of the places of Chile."""
_COLUMNS = {"comuna": "comuna", "province": "provincia", "region": "region"}
_COARSEST, _FINEST = 5, 8
_LEAST_BLOCKS = 15
_AREAS = {5: "250 km²", 6: "36 km²", 7: "5 km²", 8: "0.7 km²"}

Degrees = npt.NDArray[np.floating]


def blocks_of(
    lon: Degrees, lat: Degrees, features: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], str]:
    """The spatial block of each row, and what blocks are in words.

    Blocks are H3 cells, the largest of which there are 15 or more; all rows of one drawn feature are in the block of
    its first. Where the labels lie too close together for that, each feature is its own block.

    Args:
        lon: (N,) degrees.
        lat: (N,) degrees.
        features: (N,) which label feature each row came from.
    """
    _, first, feature = np.unique(features, return_index=True, return_inverse=True)
    x, y = pa.array(np.asarray(lon, np.float64)), pa.array(np.asarray(lat, np.float64))
    for resolution in range(_COARSEST, _FINEST + 1):
        cells = pa.array(h3ronpy.vector.coordinates_to_cells(y, x, resolution)).to_numpy()
        names, block = np.unique(cells[first], return_inverse=True)
        if len(names) >= _LEAST_BLOCKS:
            return block[feature].astype(np.int64), f"hexagons of {_AREAS[resolution]}"
    return feature.astype(np.int64), "single label features, too close together for larger blocks"


def named_places(lon: Degrees, lat: Degrees, level: str) -> npt.NDArray[np.str_]:
    """The comuna, province or region (`level`, of `PLACES`) of each place (N,), empty outside Chile."""
    codes = comuna_at(lon, lat).to_pylist()
    table = comunas()
    names = dict(zip(table["cut"].to_pylist(), table[_COLUMNS[level]].to_pylist(), strict=True))
    return np.array(["" if c is None else names.get(c, "") for c in codes], dtype=np.str_)
