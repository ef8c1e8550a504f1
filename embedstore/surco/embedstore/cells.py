"""H3 functions for SQL, each over whole Arrow columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["FUNCTIONS", "ColumnFunction", "centres_at", "parent_resolution", "parents_of", "resolutions_of"]

# H3 index layout: mode in bits 59-62, resolution in bits 52-55, then three bits a digit, 7 where unused
# (https://h3geo.org/docs/core-library/h3Indexing).
_RESOLUTION_SHIFT = 52
_FINEST = 15

# DuckDB evaluates annotations when it registers a function, and pyarrow's classes take no parameters then.
Column = Any


@dataclass(frozen=True, slots=True)
class ColumnFunction:
    """A function of SQL: its name, what computes it on Arrow columns, and its types as DuckDB names them."""

    name: str
    call: Callable[..., Any]
    parameters: tuple[str, ...]
    returns: str


def parents_of(cells: npt.NDArray[np.uint64], resolution: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """The ancestors of H3 cells.

    Args:
        cells: (N,) valid cells.
        resolution: of the ancestors, one or (N,), 0 to each cell's own.

    Returns:
        (N,) uint64.
    """
    wanted = np.asarray(resolution, np.uint64)
    return _with_resolution(cells, wanted) | _unused_digits(wanted)


def centres_at(cells: npt.NDArray[np.uint64], resolution: int) -> npt.NDArray[np.uint64]:
    """The cell of one resolution for each: the ancestor of a finer cell, the descendant with a coarser one's centre.

    Args:
        cells: (N,) valid cells.
        resolution: 0 to 15.

    Returns:
        (N,) uint64.
    """
    wanted = np.uint64(resolution)
    level = np.minimum(resolutions_of(cells), wanted)
    # The child with the same centre is the one of digit 0.
    new_digits = _unused_digits(level) ^ _unused_digits(wanted)
    return _with_resolution(parents_of(cells, level), wanted) & ~new_digits


def parent_resolution(resolution: int) -> int:
    """H3 resolution of the parents by which a table's cells are split into files.

    4 (1,770 km²; some 500 for all Chile), or less where a file would hold fewer than 2,000 cells.
    """
    return max(0, min(4, resolution - 4))


def resolutions_of(cells: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """(N,) resolution of each of (N,) valid cells."""
    return (cells >> np.uint64(_RESOLUTION_SHIFT)) & np.uint64(_FINEST)


def _with_resolution(
    cells: npt.NDArray[np.uint64], resolution: npt.NDArray[np.uint64] | np.uint64
) -> npt.NDArray[np.uint64]:
    bits = np.uint64(_RESOLUTION_SHIFT)
    return (cells & ~(np.uint64(_FINEST) << bits)) | (resolution << bits)


def _unused_digits(resolution: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    """Ones in the three bits of every digit finer than a resolution."""
    below = np.uint64(3) * (np.uint64(_FINEST) - resolution)
    return np.asarray((np.uint64(1) << below) - np.uint64(1), np.uint64)


def _parent(cells: Column, resolution: Column) -> Column:
    """Null where a cell is invalid or coarser than asked for."""
    column = cells.combine_chunks()
    own = pa.array(h3ronpy.cells_resolution(h3ronpy.cells_valid(column))).fill_null(0).to_numpy()
    wanted = resolution.combine_chunks().fill_null(_FINEST).to_numpy(zero_copy_only=False)
    parents = parents_of(column.fill_null(0).to_numpy(zero_copy_only=False), np.minimum(wanted, _FINEST))
    valid = pa.array(h3ronpy.cells_valid(column, booleanarray=True)).fill_null(False)
    return pa.array(parents, mask=~valid.to_numpy(zero_copy_only=False) | (wanted > own))


def _cell(lon: Column, lat: Column, resolution: Column) -> Column:
    """Null where the place is not on the globe or the resolution above 15."""
    x, y, level = (column.to_numpy() for column in (lon, lat, resolution))
    with np.errstate(invalid="ignore"):
        known = (np.abs(x) <= 180) & (np.abs(y) <= 90) & (level <= _FINEST)
    cells = np.zeros(len(x), np.uint64)
    places = (pa.array(y[known]), pa.array(x[known]), pa.array(level[known].astype(np.uint8)))
    cells[known] = pa.array(h3ronpy.vector.coordinates_to_cells(*places)).to_numpy(zero_copy_only=False)
    return pa.array(cells, mask=~known)


def _parse(text: Column) -> Column:
    """Null where the text names no cell."""
    return pa.array(h3ronpy.cells_parse(text.combine_chunks(), set_failing_to_invalid=True))


def _boundary(cells: Column) -> Column:
    """Null where a cell is invalid."""
    valid = h3ronpy.cells_valid(cells.combine_chunks())
    return pa.array(h3ronpy.vector.cells_to_wkb_polygons(valid)).cast(pa.binary())


FUNCTIONS = (
    ColumnFunction("h3_parent", _parent, ("UBIGINT", "UTINYINT"), "UBIGINT"),
    ColumnFunction("h3_cell", _cell, ("DOUBLE", "DOUBLE", "UTINYINT"), "UBIGINT"),
    ColumnFunction("h3_parse", _parse, ("VARCHAR",), "UBIGINT"),
    ColumnFunction("h3_boundary_wkb", _boundary, ("UBIGINT",), "BLOB"),
)
"""What `connect` registers."""
