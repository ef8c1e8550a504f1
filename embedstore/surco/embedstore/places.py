"""The comuna, province and region of a place in Chile, from H3 membership facts shipped with the package.

The facts are compacted H3 cells of resolution 9 and the comuna (official CUT code) that holds their centres, made by
`scripts/make_places.py` from the limits of Biblioteca del Congreso Nacional de Chile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from surco.embedstore.cells import centres_at, parents_of, resolutions_of

__all__ = ["FINEST_FACT", "comuna_at", "comuna_of", "comunas", "membership"]

FINEST_FACT = 9
"""Resolution of the cells below which a cell has its ancestor's comuna."""

Cells = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class _Facts:
    """K facts in the order of the first cells of resolution 9 below them; no two share a cell."""

    first: Cells
    cell: Cells
    resolution: npt.NDArray[np.uint8]
    comuna: npt.NDArray[np.uint16]


def comunas() -> pa.Table:
    """The 346 comunas of Chile, by code.

    Columns `cut` (official code, 7101), `comuna` (name), `provincia_cut` (71), `provincia`, `region_cut` (7) and
    `region`, names in Spanish with accents. Antártica (12202) is named, but no cell is known to lie in it.
    """
    return _read("comunas.parquet")


def comuna_of(cells: npt.ArrayLike) -> pa.Array[Any]:
    """The comuna in which each cell's centre lies.

    Args:
        cells: (N,) valid H3 cells of any resolution. A cell finer than 9 has the comuna of its ancestor there, so that
            at the limit of two comunas it may have its neighbour's.

    Returns:
        (N,) uint16 CUT codes, null outside Chile, at sea, and where the southern ice field is not demarcated.
    """
    facts = _facts()
    places = centres_at(np.asarray(cells, np.uint64), FINEST_FACT)
    which = np.searchsorted(facts.first, places, side="right") - 1
    # -1, before the first fact, is the last one, which does not hold the place.
    inside = parents_of(places, facts.resolution[which]) == facts.cell[which]
    return pa.array(facts.comuna[which], mask=~inside)


def comuna_at(lon: npt.ArrayLike, lat: npt.ArrayLike) -> pa.Array[Any]:
    """The comuna of each place, given in degrees; as `comuna_of` the cell of resolution 9 around it."""
    x, y = (pa.array(np.asarray(side, np.float64)) for side in (lon, lat))
    cells = pa.array(h3ronpy.vector.coordinates_to_cells(y, x, FINEST_FACT))
    return comuna_of(cells.to_numpy(zero_copy_only=False))


def membership() -> tuple[Cells, npt.NDArray[np.uint16]]:
    """The facts themselves: (K,) cells of resolution 9 or coarser, none within another, and the comuna of each."""
    facts = _facts()
    return facts.cell, facts.comuna


@cache
def _facts() -> _Facts:
    table = _read("comuna_cells.parquet")
    cells = table.column("h3").to_numpy()
    return _Facts(
        centres_at(cells, FINEST_FACT),
        cells,
        resolutions_of(cells).astype(np.uint8),
        table.column("comuna").to_numpy(),
    )


def _read(name: str) -> pa.Table:
    with as_file(files("surco.embedstore") / "chile" / name) as path:
        return pq.read_table(path, partitioning=None)
