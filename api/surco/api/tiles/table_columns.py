"""What tiles show of a table's rows beside its vectors: monthly NDVI and how much was seen, in the rows' order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.api.tiles.kept_arrays import Allocate, kept_arrays
from surco.embedstore.files import read_rows
from surco.embedstore.vector_sources import Source

__all__ = ["NO_NDVI", "TableColumns", "table_columns"]

NO_NDVI = -128
"""What stands for an NDVI that was not seen."""


@dataclass(frozen=True, slots=True, eq=False)
class TableColumns:
    """N rows in the order of `table_vectors`.

    Attributes:
        ndvi: (N, 12) int8 NDVI x 100 of the season's months, `NO_NDVI` where unseen.
        valid_fraction: (N,) float32, NaN where unknown.
    """

    ndvi: npt.NDArray[np.int8]
    valid_fraction: npt.NDArray[np.float32]


@lru_cache(maxsize=6)
def table_columns(source: Source) -> TableColumns:
    """The columns of a table, made at the first call for its version.

    Raises:
        StoreError: a damaged file of the table.
    """
    arrays = kept_arrays(source, "tile-columns-1", lambda new: _fill(source, new))
    return TableColumns(arrays["ndvi"], arrays["valid_fraction"])


def _fill(source: Source, new: Allocate) -> None:
    rows = source.info.rows
    ndvi = new("ndvi", np.int8, (rows, 12))
    valid = new("valid_fraction", np.float32, (rows,))
    cells = np.zeros(rows if source.table == "cells" else 0, np.uint64)
    start = 0
    for file in source.info.files:
        part = read_rows(file, ["ndvi", "valid_fraction", *(["h3"] if len(cells) else [])])
        at = slice(start, start + part.num_rows)
        ndvi[at] = _months(part["ndvi"].combine_chunks())
        valid[at] = part["valid_fraction"].to_numpy(zero_copy_only=False)
        if len(cells):
            cells[at] = part["h3"].to_numpy()
        start = at.stop
    if not (cells[1:] > cells[:-1]).all():
        order = np.argsort(cells, kind="stable")
        ndvi[:], valid[:] = ndvi[order], valid[order]


def _months(column: Any) -> npt.NDArray[np.int8]:
    """(N, 12) of a fixed-size list column, whose rows may be null as a whole."""
    flat = column.values.slice(12 * column.offset, 12 * len(column)).fill_null(NO_NDVI)
    months = np.array(flat.to_numpy(zero_copy_only=False), np.int8).reshape(-1, 12)
    months[column.is_null().to_numpy(zero_copy_only=False)] = NO_NDVI
    return months
