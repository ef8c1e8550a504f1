"""H3 functions for SQL, each over whole Arrow columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore.cells import FINEST, centres_at, parents_of, resolutions_of
from surco.embedstore.column_functions import Column, ColumnFunction, Macro, whole
from surco.embedstore.errors import QueryError

__all__ = ["H3_FUNCTIONS"]

_MOST_CELLS = 10_000_000
"""Cells that one block of rows may be widened to (80 MB): a query must not take all memory by one number."""

_EVEN = 8
"""The resolution from which on neighbours differ in area by less than 0.0001."""


def _parent(cells: Column, resolution: Column) -> Column:
    """Null where a cell is invalid or coarser than asked for."""
    column, own, valid = _cells(cells)
    wanted = _numbers(resolution, FINEST)
    parents = parents_of(column.fill_null(0).to_numpy(zero_copy_only=False), np.minimum(wanted, FINEST))
    return pa.array(parents, mask=~valid | (wanted > own))


def _children(cells: Column, resolution: Column) -> Column:
    """Null where a cell is invalid or finer than asked for, and where the resolution is above 15."""
    column, own, valid = _cells(cells)
    wanted = _numbers(resolution, FINEST + 1)
    wanted = np.where(valid & (wanted >= own) & (wanted <= FINEST), wanted, FINEST + 1)
    steps = np.where(wanted <= FINEST, wanted - own, 0)
    _check_size("children", np.where(wanted <= FINEST, 7.0**steps, 0))
    return _widened(column, wanted, FINEST, h3ronpy.change_resolution_list)


def _disk(cells: Column, rings: Column) -> Column:
    """Null where a cell is invalid or the number of rings negative."""
    column, _, valid = _cells(cells)
    none = np.iinfo(np.int64).max
    wanted = _numbers(rings, -1)
    wanted = np.where(valid & (wanted >= 0), wanted, none)
    k = np.where(wanted < none, wanted, 0).astype(np.float64)
    _check_size("a disk", np.where(wanted < none, 3 * k * (k + 1) + 1, 0))
    return _widened(column, wanted, none - 1, h3ronpy.grid_disk)


def _cell(lon: Column, lat: Column, resolution: Column) -> Column:
    """Null where the place is not on the globe or the resolution above 15."""
    x, y, level = (column.to_numpy() for column in (lon, lat, resolution))
    with np.errstate(invalid="ignore"):
        known = (np.abs(x) <= 180) & (np.abs(y) <= 90) & (level <= FINEST)
    cells = np.zeros(len(x), np.uint64)
    places = (pa.array(y[known]), pa.array(x[known]), pa.array(level[known].astype(np.uint8)))
    cells[known] = pa.array(h3ronpy.vector.coordinates_to_cells(*places)).to_numpy(zero_copy_only=False)
    return pa.array(cells, mask=~known)


def _parse(text: Column) -> Column:
    """Null where the text names no cell."""
    return pa.array(h3ronpy.cells_parse(whole(text), set_failing_to_invalid=True))


def _boundary(cells: Column) -> Column:
    """Null where a cell is invalid."""
    return pa.array(h3ronpy.vector.cells_to_wkb_polygons(_valid(cells))).cast(pa.binary())


def _centre(cells: Column) -> Column:
    """Null where a cell is invalid."""
    return pa.array(h3ronpy.vector.cells_to_wkb_points(_valid(cells))).cast(pa.binary())


def _hectares(cells: Column) -> Column:
    """Area on the sphere, finer than resolution 8 to a ten-thousandth; null where a cell is invalid."""
    column, own, valid = _cells(cells)
    known, level = column.drop_null().to_numpy(zero_copy_only=False), own[valid]
    ancestors = _of_equal_area(known, level)
    distinct, which = np.unique(ancestors, return_inverse=True)
    square_metres = pa.array(h3ronpy.cells_area_m2(pa.array(distinct))).to_numpy(zero_copy_only=False)
    steps = level - resolutions_of(distinct).astype(np.int64)[which]
    area = np.zeros(len(column))
    area[valid] = square_metres[which] / 1e4 / 7.0**steps
    return pa.array(area, mask=~valid)


def _of_equal_area(cells: npt.NDArray[np.uint64], level: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """An ancestor of each cell whose descendants of one resolution have all but the same area, or the cell itself.

    Measured over the globe, the ancestor of resolution 8 in as many parts as it has descendants is within 0.0001 of a
    cell's area. Around the centres of base cells, where the twelve pentagons are, cells stand for themselves.
    """
    ancestors = parents_of(cells, np.minimum(level, _EVEN))
    central = ancestors == centres_at(parents_of(ancestors, 0), _EVEN)
    return np.where(central, cells, ancestors)


def _valid(cells: Column) -> Any:
    """The column with null in place of what is no cell."""
    return pa.array(h3ronpy.cells_valid(whole(cells)))


def _cells(cells: Column) -> tuple[Any, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The column with null for what is no cell, each cell's resolution (0 for null), and where one is."""
    column = _valid(cells)
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    own = resolutions_of(column.fill_null(0).to_numpy(zero_copy_only=False)).astype(np.int64)
    return column, own, valid


def _numbers(column: Column, for_null: int) -> npt.NDArray[np.int64]:
    filled = whole(column).cast(pa.int64()).fill_null(for_null)
    numbers: npt.NDArray[np.int64] = filled.to_numpy(zero_copy_only=False)
    return numbers


def _check_size(what: str, sizes: npt.NDArray[np.float64]) -> None:
    if sizes.sum() > _MOST_CELLS:
        raise QueryError(
            f"at most {_MOST_CELLS:,} cells for {len(sizes):,} rows",
            f"{what} of {sizes.sum():,.0f}",
            "Ask for fewer rows, rings or steps of resolution at a time.",
        )


def _widened(
    column: Any, wanted: npt.NDArray[np.int64], most: int, function: Callable[[Any, int], Any]
) -> Column:
    """Lists of cells by a function that takes one number a call; null where the number is above `most`."""
    parts, rows = [], []
    for number in np.unique(wanted[wanted <= most]).tolist():
        where = np.flatnonzero(wanted == number)
        parts.append(pa.array(function(column.take(pa.array(where)), number)).cast(pa.list_(pa.uint64())))
        rows.append(where)
    if not parts:
        return pa.nulls(len(column), pa.list_(pa.uint64()))
    place = np.zeros(len(column), np.int64)
    place[np.concatenate(rows)] = np.arange(sum(map(len, rows)))
    return pa.concat_arrays(parts).take(pa.array(place, mask=wanted > most))


H3_FUNCTIONS = (
    ColumnFunction("h3_parent", _parent, ("UBIGINT", "UTINYINT"), "UBIGINT"),
    ColumnFunction("h3_children", _children, ("UBIGINT", "UTINYINT"), "UBIGINT[]"),
    ColumnFunction("h3_disk", _disk, ("UBIGINT", "INTEGER"), "UBIGINT[]"),
    ColumnFunction("h3_cell_at", _cell, ("DOUBLE", "DOUBLE", "UTINYINT"), "UBIGINT"),
    ColumnFunction("h3_parse", _parse, ("VARCHAR",), "UBIGINT"),
    ColumnFunction("h3_boundary_wkb", _boundary, ("UBIGINT",), "BLOB"),
    ColumnFunction("h3_centre_wkb", _centre, ("UBIGINT",), "BLOB"),
    ColumnFunction("h3_hectares", _hectares, ("UBIGINT",), "DOUBLE"),
    Macro(
        "h3_cell(lon, lat, res) AS h3_cell_at(lon, lat, res), (point, res) AS h3_cell_at(ST_X(point), ST_Y(point), res)"
    ),
    Macro("h3_string(h3) AS printf('%x', h3)"),
    Macro("h3_resolution(h3) AS ((h3 >> 52) & 15)::UTINYINT"),
    Macro("h3_boundary(h3) AS ST_GeomFromWKB(h3_boundary_wkb(h3))"),
    Macro("h3_centre(h3) AS ST_GeomFromWKB(h3_centre_wkb(h3))"),
)
"""What `connect` registers; the macros need DuckDB's spatial functions."""
