"""One pass over tables of vectors: every row checked, and set aside on disk where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.embedstore.spill import Spill
from surco.encoder.parcels import Parcels
from surco.encoder.pool import Sums, locate_cells, merge, pool
from surco.encoder.published.cell_spill import CellSpill, unseen_pixels
from surco.encoder.published.landing import count_by_level
from surco.encoder.published.table_places import Place
from surco.encoder.published.table_rows import given_cells, given_parcels
from surco.encoder.published.vector_columns import TableError
from surco.encoder.published.vector_tables import VectorRows, VectorTable
from surco.encoder.tables import parcel_batches

__all__ = ["Gathered", "gather"]

_PARTS = 32
"""Sums by parcel of so many batches are kept before they are added up."""
_GIVEN = "given"


class Gathered:
    """The rows of all tables, sorted out.

    Args:
        folder: a fresh folder on disk; whoever made it removes it.
        place: what the tables' rows stand for.
        own: H3 resolution of the tables' cells; None for points and polygons.
        levels: H3 resolutions to write, finest first; none for polygons.
        parcels: to pool points in; None where there are none.
        area: in degrees; None takes all.

    Attributes:
        rows, used: rows read, and those with a vector in the area.
    """

    def __init__(
        self,
        folder: Path,
        place: Place,
        own: int | None,
        levels: Sequence[int],
        parcels: Parcels | None,
        area: shapely.Geometry | None,
    ) -> None:
        self.rows = self.used = 0
        self._place, self._own, self._parcels, self._area = place, own, parcels, area
        pooled = [level for level in levels if level != own]
        self._finest = pooled[0] if pooled else None
        self._given = Spill(folder / "given") if place == "parcels" or own in levels else None
        self._pooled = None if self._finest is None else CellSpill(folder / "pooled", self._finest)
        self._tree = None if parcels is None else shapely.STRtree(parcels.geometry)
        self._sums: list[Sums] = []
        self._cells: list[npt.NDArray[np.uint64]] = []
        self._sides = np.array([np.inf, np.inf, -np.inf, -np.inf])
        if area is not None:
            shapely.prepare(area)

    @property
    def bbox(self) -> list[float]:
        """West, south, east, north of the rows used, in degrees."""
        return [float(side) for side in self._sides]

    def add(self, rows: VectorRows) -> None:
        """Sort out one batch."""
        self.rows += len(rows.vectors)
        inside = np.ones(len(rows.vectors), bool)
        if self._area is not None:
            inside = shapely.intersects_xy(self._area, rows.lonlat[:, 0], rows.lonlat[:, 1])
        used = np.flatnonzero(inside & np.isfinite(rows.vectors[:, 0]))
        self.used += len(used)
        self._widen(rows, used)
        if rows.parcels is not None:
            self._give(given_parcels(rows.parcels, used, rows.vectors[used]))
            return
        if rows.cells is not None:
            self._cells.append(rows.cells[used])
            self._give(given_cells(rows.cells[used], rows.vectors[used]))
        self._pool(rows, np.flatnonzero(inside), used)

    def count_cells(self, levels: Sequence[int]) -> dict[str, int]:
        """Rows of each resolution (as text)."""
        if not levels:
            return {}
        return count_by_level(np.concatenate([np.empty(0, np.uint64), *self._cells]), levels)

    def count_parcels(self) -> int | None:
        """Rows of parcels; None where there are no parcels."""
        if self._parcels is not None:
            return int((self._parcel_sums().pixels > 0).sum()) if self._sums else 0
        return self.used if self._place == "parcels" else None

    def refuse_repeats(self) -> None:
        """Raise TableError where a cell stands in two rows."""
        if self._own is None:
            return
        cells, counts = np.unique(np.concatenate(self._cells), return_counts=True)
        if (counts > 1).any():
            raise TableError(
                f"Expected each H3 cell once, got {int((counts > 1).sum())} of them in several rows, the first "
                f"{cells[(counts > 1).argmax()]:x}. Give one season's rows, one a cell."
            )

    def cell_batches(self, level: int) -> Iterator[pa.RecordBatch]:
        """Rows of `cells_schema` of one resolution."""
        if level == self._own and self._given is not None:
            return iter(self._given.read(_GIVEN).to_batches())
        if self._pooled is None:
            raise RuntimeError(f"no cells of resolution {level} were gathered")
        return self._pooled.batches(level)

    def parcel_batches(self) -> Iterator[pa.RecordBatch] | None:
        """Rows of `parcels_schema`; None where there are no parcels."""
        if self._parcels is not None:
            return parcel_batches(self._parcel_sums(), self._parcels) if self._sums else iter(())
        if self._place != "parcels" or self._given is None:
            return None
        return iter(self._given.read(_GIVEN).to_batches())

    def _widen(self, rows: VectorRows, used: npt.NDArray[np.intp]) -> None:
        if not len(used):
            return
        places = rows.lonlat[used] if rows.parcels is None else shapely.bounds(rows.parcels.geometry[used])
        low, high = places[:, :2].min(axis=0), places[:, -2:].max(axis=0)
        self._sides = np.concatenate([np.minimum(self._sides[:2], low), np.maximum(self._sides[2:], high)])

    def _give(self, batch: pa.RecordBatch) -> None:
        if self._given is not None and batch.num_rows:
            self._given.append(_GIVEN, batch)

    def _pool(self, rows: VectorRows, inside: npt.NDArray[np.intp], used: npt.NDArray[np.intp]) -> None:
        """Set rows aside by cell, also those without a vector: they count in `valid_fraction`."""
        if self._pooled is None or self._finest is None or not len(inside):
            return
        if rows.cells is None:
            cells = locate_cells(rows.lonlat, self._finest)
            self._cells.append(np.unique(cells[used]))
        else:
            cells = np.asarray(pa.array(h3ronpy.change_resolution(pa.array(rows.cells), self._finest)))
        self._pooled.add(cells[inside], rows.vectors[inside])
        if self._tree is not None:
            self._pool_parcels(self._tree, rows, inside)

    def _pool_parcels(self, tree: shapely.STRtree, rows: VectorRows, inside: npt.NDArray[np.intp]) -> None:
        which, parcel = tree.query(shapely.points(rows.lonlat[inside]), predicate="intersects")
        if len(which):
            self._sums.append(pool(parcel.astype(np.uint64), unseen_pixels(rows.vectors), inside[which]))
        if len(self._sums) > _PARTS:
            self._sums = [merge(self._sums)]

    def _parcel_sums(self) -> Sums:
        self._sums = [merge(self._sums)]
        return self._sums[0]


def gather(
    tables: Sequence[VectorTable],
    folder: Path,
    levels: Sequence[int],
    parcels: Parcels | None,
    area: shapely.Geometry | None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Gathered:
    """Read all tables once.

    Args:
        tables: open, of one kind of place.
        folder: a fresh folder on disk.
        levels: H3 resolutions to write, finest first; none for polygons.
        parcels: to pool points in; None where there are none.
        area: in degrees; None takes all.
        progress: called as `progress(done, total, text)`, in rows.

    Raises:
        TableError: a row that cannot be used, a cell in two rows, or no vector in the area.
        ParcelError: a shape that is no polygon on the globe.
    """
    gathered = Gathered(folder, tables[0].place, tables[0].resolution, levels, parcels, area)
    total = sum(table.rows for table in tables)
    for table in tables:
        for rows in table.batches(gathered.rows):
            if progress:
                progress(gathered.rows, total, f"reading {table.path.name}")
            gathered.add(rows)
    if not gathered.used:
        raise TableError(
            f"Expected at least one vector in the area, got none in {gathered.rows} rows of "
            f"{', '.join(table.path.name for table in tables[:5])}. Choose another area or other files."
        )
    gathered.refuse_repeats()
    return gathered
