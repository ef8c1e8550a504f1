"""What every fit on one table needs and no label changes: made once for a content of the table, then kept."""

from __future__ import annotations

from dataclasses import dataclass

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.adapters import LocalScatter
from surco.api.crop_fits import pool_of
from surco.api.kept import Kept
from surco.embedstore import Store, Table
from surco.embedstore.files import read_rows
from surco.embedstore.scales import row_scales
from surco.embedstore.vector_sources import Source, source_of
from surco.embedstore.vectors import table_vectors

__all__ = ["POOL_ROWS", "Ground", "Grounds", "TableSample"]

POOL_ROWS = 20_000
"""Rows of a table that stand for all of it, evenly spaced in its order, which is spatial."""
_KEPT = 6


@dataclass(frozen=True, slots=True, eq=False)
class TableSample:
    """Evenly spaced rows of a table, M of N; all of them where there are no more than `POOL_ROWS`.

    Attributes:
        rows: N, of the table.
        row: (M,) which.
        embedding: (M, D) int8.
        scale: (M,) float32; 0 where nothing was observed.
        hectares: (M,) float64.
    """

    rows: int
    row: npt.NDArray[np.int64]
    embedding: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    hectares: npt.NDArray[np.float64]

    @property
    def whole(self) -> bool:
        """Whether these are all rows of the table."""
        return len(self.row) == self.rows

    def floats(self) -> npt.NDArray[np.float32]:
        """(M, D) float32 vectors."""
        return self.embedding * self.scale[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A table, some of its rows, and what they say of classes; `pool` is None where they are too few."""

    source: Source
    sample: TableSample
    pool: LocalScatter | None


class Grounds:
    """Grounds by table, made when first asked for."""

    def __init__(self) -> None:
        self._kept: Kept[Ground] = Kept(_KEPT)

    def of(self, store: Store, table: Table, season: str | None, model_id: str | None) -> Ground:
        """The ground of the table that `Store.find` finds.

        Raises:
            StoreError: no such table, or a damaged file of it.
            ModelMismatchError: another model, or several and none is named.
        """
        source = source_of(store, table, season=season, model_id=model_id)
        return self._kept.get((source.root, source.digest), lambda: _ground(source))


def _ground(source: Source) -> Ground:
    sample = _sample(source)
    return Ground(source, sample, pool_of(sample.floats()))


def _sample(source: Source) -> TableSample:
    held, scale = table_vectors(source), row_scales(source)
    rows = len(scale)
    taken = min(rows, POOL_ROWS)
    row = np.arange(taken, dtype=np.int64) * rows // taken
    if source.table == "cells":
        cells = held.keys.take(pa.array(row, pa.int64()))
        square_metres = pa.array(h3ronpy.cells_area_m2(cells)).to_numpy()
    else:
        files = [read_rows(file, ["metrics:area"])["metrics:area"] for file in source.info.files]
        square_metres = pa.chunked_array([c for f in files for c in f.chunks]).to_numpy()[row]
    hectares = np.nan_to_num(np.asarray(square_metres, np.float64)) / 10_000
    return TableSample(rows, row, np.asarray(held.embedding[row]), np.asarray(scale[row]), hectares)
