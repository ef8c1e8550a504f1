"""How many cells of Chile's land there are: by comuna, and below coarse cells."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from surco.embedstore.cells import parents_of, resolutions_of

__all__ = ["land_below", "land_by_comuna"]

Cells = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


@cache
def land_by_comuna(resolution: int) -> Mapping[int, float]:
    """Cells of a resolution whose centre lies in each comuna, by code; shares of one where cells are larger than it."""
    cells, codes = _facts()
    sizes = 7.0 ** (resolution - resolutions_of(cells).astype(np.float64))
    total = np.bincount(codes, weights=sizes)
    return {int(code): float(total[code]) for code in np.flatnonzero(total)}


def land_below(coarse: int, resolution: int) -> tuple[Cells, Floats]:
    """Coarse cells with land of Chile.

    Args:
        coarse: their resolution.
        resolution: not coarser.

    Returns:
        (N,) cells, ascending, and (N,) how many cells of `resolution` below each are land.
    """
    cells, _ = _facts()
    level = resolutions_of(cells).astype(np.int64)
    large = cells[level <= coarse]
    whole = pa.array(h3ronpy.change_resolution(pa.array(large), coarse)).to_numpy()
    small, sizes = cells[level > coarse], 7.0 ** (resolution - level[level > coarse])
    below = np.concatenate([whole, parents_of(small, coarse)])
    weights = np.concatenate([np.full(len(whole), 7.0 ** (resolution - coarse)), sizes])
    found, place = np.unique(below, return_inverse=True)
    total: Floats = np.bincount(place, weights=weights).astype(np.float64)
    return found, total


@cache
def _facts() -> tuple[Cells, npt.NDArray[np.int64]]:
    """Compacted cells of resolution 9, and the comuna of each."""
    with as_file(files("surco.embedstore") / "chile" / "comuna_cells.parquet") as path:
        table = pq.read_table(path, partitioning=None)
    return table["h3"].to_numpy(), table["comuna"].to_numpy().astype(np.int64)
