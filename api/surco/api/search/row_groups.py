"""Rows of a table by their number, a row group at a time: what is asked for is read, and no more is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.kept import Kept
from surco.embedstore.files import read_footer, read_groups
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import KEYS, table_vectors

__all__ = ["RowReader"]

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """G row groups in the order of the table's rows: where each lies, and its first row or cell."""

    files: list[Path]
    numbers: list[int]
    first: npt.NDArray[Any]


class RowReader:
    """Reads rows; what the files' footers say is kept for the latest tables."""

    def __init__(self) -> None:
        self._groups: Kept[_Groups] = Kept(4)

    def take(self, source: Source, rows: Rows, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The key and some columns of rows.

        Args:
            source: the table.
            rows: (M,) ascending row numbers, as `table_vectors(source)` counts them.
            columns: names besides the key's.

        Yields:
            Tables of the rows in their order, each from one row group.

        Raises:
            StoreError: a damaged file.
        """
        groups = self._groups.get(source, lambda: _footers(source))
        wanted = _places(source, rows)
        which = np.searchsorted(groups.first, wanted, side="right") - 1
        edges = np.flatnonzero(np.diff(which)) + 1
        names = list(dict.fromkeys((KEYS[source.table], *columns)))
        for part in np.split(np.arange(len(wanted)), edges) if len(wanted) else []:
            group = int(which[part[0]])
            table = read_groups(groups.files[group], [groups.numbers[group]], names)
            yield table.take(_positions(source, table, wanted[part], groups.first[group]))


def _places(source: Source, rows: Rows) -> npt.NDArray[Any]:
    """What row groups are ordered by: cells themselves, or the rows of a table of parcels."""
    if source.table == "parcels":
        return rows
    cells: npt.NDArray[np.uint64] = table_vectors(source).keys.to_numpy()[rows]
    return cells


def _positions(source: Source, table: pa.Table, wanted: npt.NDArray[Any], first: Any) -> Rows:
    """Where they stand within a row group."""
    if source.table == "parcels":
        return np.asarray(wanted - first, np.int64)
    return np.asarray(np.searchsorted(table.column("h3").to_numpy(), wanted), np.int64)


def _footers(source: Source) -> _Groups:
    files: list[Path] = []
    numbers: list[int] = []
    first: list[int] = []
    row = 0
    for file in source.info.files:
        footer = read_footer(file)
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            files.append(file)
            numbers.append(number)
            first.append(row if source.table == "parcels" else _least_cell(file, number, group))
            row += group.num_rows
    # Files that a merge carried over come first, whatever their cells; no two files share a range of cells.
    order = np.argsort(np.array(first, np.uint64), kind="stable")
    kind = np.int64 if source.table == "parcels" else np.uint64
    return _Groups(
        [files[place] for place in order], [numbers[place] for place in order], np.array(first, kind)[order]
    )


def _least_cell(file: Path, number: int, group: Any) -> int:
    """From the statistics, which every file of ours has, or from the rows."""
    places = range(group.num_columns)
    column = next(group.column(place) for place in places if group.column(place).path_in_schema == "h3")
    if column.statistics is not None and column.statistics.has_min_max:
        return int(column.statistics.min)
    return int(read_groups(file, [number], ["h3"]).column(0)[0].as_py())
