"""Published tables of vectors: Parquet with an H3 column, or GeoParquet of points or polygons, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from h3ronpy.vector import cells_to_coordinates
from pyproj import CRS, Transformer
from shapely.errors import ShapelyError

from surco.encoder.parcels import Parcels, in_degrees, measure
from surco.encoder.protocol import Floats
from surco.encoder.published.table_places import (
    LON_LAT,
    POINT,
    POLYGONS,
    Place,
    cell_levels,
    cell_numbers,
    find_place,
    first_level,
    unreadable_table,
)
from surco.encoder.published.vector_columns import DAMAGED, TableError, VectorColumn, find_vectors

__all__ = ["VectorRows", "VectorTable", "open_table"]

_CROP = ("crop:name", "crop", "label")
_BATCH_BYTES = 32 << 20
_MOST_ROWS = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class VectorRows:
    """N rows of a table.

    Attributes:
        vectors: (N, D) float32 of unit length, NaN rows where there is none.
        lonlat: (N, 2) degrees: the cell's centre, the point, or a point inside the polygon.
        cells: (N,) H3 index of a table of cells, else None.
        parcels: of a table of polygons, else None.
    """

    vectors: Floats
    lonlat: npt.NDArray[np.float64]
    cells: npt.NDArray[np.uint64] | None
    parcels: Parcels | None


@dataclass(frozen=True, slots=True, eq=False)
class VectorTable:
    """An open Parquet file of vectors.

    Attributes:
        path: of the file.
        vectors: the column of the vectors.
        place: what a row stands for.
        place_column: the column that says where it lies.
        crs: of the geometry, as pyproj takes it; None for cells.
        resolution: H3 resolution of all cells; None for points and polygons.
        rows: in the file.
    """

    path: Path
    source: pq.ParquetFile
    vectors: VectorColumn
    place: Place
    place_column: str
    crs: object
    resolution: int | None
    rows: int

    def batches(self, number: int = 0) -> Iterator[VectorRows]:
        """All rows, in the order of the file; memory holds one batch.

        Args:
            number: of the first row, for the ids of polygons that have none.

        Raises:
            TableError: a file that is cut off, or a row without a place or with an odd vector.
            ParcelError: a shape that is no polygon on the globe.
        """
        first = 0
        for batch in self._read():
            vectors = self.vectors.read(batch, first)
            if self.place == "cells":
                cells = self._cells(batch, first)
                yield VectorRows(vectors, _centres(cells), cells, None)
            elif self.place == "points":
                yield VectorRows(vectors, self._points(batch, first), None, None)
            else:
                parcels = self._parcels(batch, first, number + first)
                inner = shapely.get_coordinates(shapely.point_on_surface(parcels.geometry))
                yield VectorRows(vectors, inner, None, parcels)
            first += batch.num_rows

    def _read(self) -> Iterator[pa.RecordBatch]:
        named = (
            [n for n in ("id", *_CROP) if n in self.source.schema_arrow.names]
            if self.place == "parcels"
            else []
        )
        columns = list(dict.fromkeys([*self.vectors.columns, self.place_column, *named]))
        count = max(256, min(_MOST_ROWS, _BATCH_BYTES // (8 * self.vectors.dimension)))
        try:
            for batch in self.source.iter_batches(count, columns=columns):
                # Files come from anywhere: text that is none would otherwise be found only when it is printed.
                batch.validate(full=True)
                yield batch
        except DAMAGED as error:
            raise unreadable_table(self.path, error) from error

    def _cells(self, batch: pa.RecordBatch, first: int) -> npt.NDArray[np.uint64]:
        column = cell_numbers(batch.column(self.place_column))
        levels = cell_levels(column)
        bad = np.flatnonzero(levels != self.resolution)
        if len(bad):
            row, level = int(bad[0]), int(levels[bad[0]])
            came = (
                repr(batch.column(self.place_column)[row].as_py())
                if level < 0
                else f"one of resolution {level}"
            )
            raise TableError(
                f"Expected an H3 cell of resolution {self.resolution} in every row of column {self.place_column!r} of "
                f"{self.path}, got {came} in row {first + row}. Import each resolution by itself."
            )
        return np.asarray(column)

    def _shapes(self, batch: pa.RecordBatch, first: int, kinds: tuple[int, ...]) -> npt.NDArray[np.object_]:
        column = batch.column(self.place_column)
        storage = column.storage if isinstance(column, pa.ExtensionArray) else column
        try:
            shapes = shapely.from_wkb(storage.to_numpy(zero_copy_only=False))
        except (ShapelyError, TypeError, ValueError) as error:
            raise TableError(
                f"Expected WKB in column {self.place_column!r} of {self.path}, got {str(error)[:200]} in rows "
                f"{first} to {first + len(column) - 1}. Write the geometry as GeoParquet does."
            ) from error
        bad = ~np.isin(shapely.get_type_id(shapes), kinds) | shapely.is_empty(shapes)
        if bad.any():
            row = int(bad.argmax())
            came = (
                "no geometry" if shapes[row] is None else f"{shapes[row].geom_type} ({shapes[row].wkt[:40]})"
            )
            raise TableError(
                f"Expected a {'point' if kinds == (POINT,) else 'polygon'} in every row of {self.path}, got {came} "
                f"in row {first + row}. Give points and polygons as files of their own."
            )
        return np.asarray(shapes, object)

    def _points(self, batch: pa.RecordBatch, first: int) -> npt.NDArray[np.float64]:
        found = shapely.get_coordinates(shapely.force_2d(self._shapes(batch, first, (POINT,))))
        if not _same(self.crs, LON_LAT):
            move = Transformer.from_crs(self.crs, LON_LAT, always_xy=True)
            found = np.column_stack(move.transform(found[:, 0], found[:, 1]))
        bad = ~((np.abs(found) <= (180, 90)).all(axis=1))
        if bad.any():
            row = int(bad.argmax())
            raise TableError(
                f"Expected longitudes and latitudes in {self.path}, got {found[row].tolist()} in row {first + row}. "
                "State the CRS of projected coordinates in the file's geo metadata."
            )
        return np.asarray(found, np.float64)

    def _parcels(self, batch: pa.RecordBatch, first: int, number: int) -> Parcels:
        geometry = in_degrees(self.path, self._shapes(batch, first, POLYGONS), self.crs, first)
        names = batch.schema.names
        ids = batch.column("id").to_pylist() if "id" in names else [None] * len(geometry)
        said = [batch.column(name).to_pylist() for name in _CROP if name in names]
        crops = [next((c for c in row if c is not None), None) for row in zip(*said, strict=True)]
        text = [str(number + row if name is None else name) for row, name in enumerate(ids)]
        crop = [None if c is None else str(c) for c in crops] or [None] * len(geometry)
        return Parcels(np.array(text, object), geometry, np.array(crop, object), *measure(geometry), "")


@contextmanager
def open_table(path: Path, vector: str | None = None, scale: str | None = None) -> Iterator[VectorTable]:
    """Open a Parquet file with a column of vectors and either an H3 column or geometry as GeoParquet has it.

    An H3 column (`h3`, `h3_index`, `h3index`, `h3_cell` or `h3_id`: numbers, or text in hexadecimal) goes before
    geometry.

    Args:
        path: of the file.
        vector: name of the column of vectors; None finds it, see `vector_columns.find_vectors`.
        scale: name of the column of scales; None finds it where the vectors are int8.

    Raises:
        TableError: no such file, no vectors in it, or no place for them.
    """
    try:
        source = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except DAMAGED as error:
        raise unreadable_table(path, error) from error
    with source:
        if not source.metadata.num_rows:
            raise TableError(f"Expected at least one row in {path}, got none. Check the export.")
        vectors = find_vectors(source, path, vector, scale)
        place, column, crs = find_place(source, path)
        level = first_level(source, path, column) if place == "cells" else None
        yield VectorTable(path, source, vectors, place, column, crs, level, source.metadata.num_rows)


def _centres(cells: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    batch = pa.record_batch(cells_to_coordinates(pa.array(cells)))
    return np.column_stack([np.asarray(batch.column("lng")), np.asarray(batch.column("lat"))])


def _same(one: object, other: str) -> bool:
    return CRS.from_user_input(one) == CRS.from_user_input(other)
