"""Published tables of vectors: Parquet with an H3 column, or GeoParquet of points or polygons, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from h3ronpy.vector import cells_to_coordinates
from pyarrow.lib import ArrowException
from pyproj import CRS, Transformer
from shapely.errors import ShapelyError

from surco.encoder.area import crs_name, reaches_degrees
from surco.encoder.parcels import Parcels, in_degrees, measure
from surco.encoder.protocol import Floats
from surco.encoder.published.vector_columns import TableError, VectorColumn, find_vectors

__all__ = ["Place", "VectorRows", "VectorTable", "open_table"]

Place = Literal["cells", "points", "parcels"]
"""What a row of a table stands for."""

_CELL = ("h3", "h3_index", "h3index", "h3_cell", "h3_id")
_CROP = ("crop:name", "crop", "label")
_LON_LAT = "OGC:CRS84"
_BATCH_BYTES = 32 << 20
_MOST_ROWS = 65_536
_POINT, _POLYGONS = 0, (3, 6)


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
        except (ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error

    def _cells(self, batch: pa.RecordBatch, first: int) -> npt.NDArray[np.uint64]:
        column = _numbers(batch.column(self.place_column))
        levels = _levels(column)
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
                f"Expected a {'point' if kinds == (_POINT,) else 'polygon'} in every row of {self.path}, got {came} "
                f"in row {first + row}. Give points and polygons as files of their own."
            )
        return np.asarray(shapes, object)

    def _points(self, batch: pa.RecordBatch, first: int) -> npt.NDArray[np.float64]:
        found = shapely.get_coordinates(shapely.force_2d(self._shapes(batch, first, (_POINT,))))
        if not _same(self.crs, _LON_LAT):
            move = Transformer.from_crs(self.crs, _LON_LAT, always_xy=True)
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
        geometry = in_degrees(self.path, self._shapes(batch, first, _POLYGONS), self.crs, first)
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
    except (ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    with source:
        if not source.metadata.num_rows:
            raise TableError(f"Expected at least one row in {path}, got none. Check the export.")
        vectors = find_vectors(source, path, vector, scale)
        place, column, crs = _place_of(source, path)
        level = _first_level(source, path, column) if place == "cells" else None
        yield VectorTable(path, source, vectors, place, column, crs, level, source.metadata.num_rows)


def _place_of(source: pq.ParquetFile, path: Path) -> tuple[Place, str, object]:
    schema = source.schema_arrow
    lower = {name.lower(): name for name in schema.names}
    cells = [lower[name] for name in _CELL if name in lower]
    if cells:
        _check_cell_type(schema.field(cells[0]), path)
        return "cells", cells[0], None
    column, crs = _geometry(schema, path)
    return _kind_of_shapes(source, path, column), column, crs


def _check_cell_type(field: pa.Field[Any], path: Path) -> None:
    kind = field.type
    if kind not in (pa.uint64(), pa.int64()) and not _is_text(kind):
        raise TableError(
            f"Expected H3 cells as 64-bit numbers or text in column {field.name!r} of {path}, got {kind}. "
            "Write them as numbers: floats cannot hold them."
        )


def _first_level(source: pq.ParquetFile, path: Path, column: str) -> int:
    """H3 resolution of the first row's cell."""
    try:
        first = next(source.iter_batches(1, columns=[column])).column(0)
    except (ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    level = int(_levels(_numbers(first))[0])
    if level < 0:
        raise TableError(
            f"Expected an H3 cell in every row of column {column!r} of {path}, got {first[0].as_py()!r} in row 0. "
            "Write H3's 64-bit numbers, or their hexadecimal text."
        )
    return level


def _levels(cells: pa.Array[Any]) -> npt.NDArray[np.int64]:
    """H3 resolution of each cell, -1 for what is none."""
    numbers = cells.fill_null(0)
    valid = np.asarray(pa.array(h3ronpy.cells_valid(numbers, booleanarray=True)).fill_null(False))
    levels = np.full(len(numbers), -1, np.int64)
    levels[valid] = np.asarray(pa.array(h3ronpy.cells_resolution(numbers.filter(pa.array(valid)))))
    return levels


def _geometry(schema: pa.Schema, path: Path) -> tuple[str, object]:
    try:
        geo = json.loads((schema.metadata or {})[b"geo"])
        column = geo["primary_column"]
        about = geo["columns"][column]
        encoding, crs = about["encoding"], about.get("crs") or _LON_LAT
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TableError(
            f"Expected a column {_CELL[0]!r} of H3 cells, or GeoParquet's geometry, in {path}, got columns "
            f"{', '.join(schema.names)[:300]}. Say in the file where each vector lies."
        ) from error
    if encoding != "WKB" or schema.get_field_index(column) < 0:
        raise TableError(
            f"Expected GeoParquet's geometry as WKB in {path}, got {encoding!r} in column {column!r}. "
            "Write the file with WKB geometry."
        )
    if not reaches_degrees(crs):
        raise TableError(
            f"Expected a known CRS of the Earth in {path}, got {crs_name(crs)!r}. "
            "Write the file in longitude and latitude."
        )
    return column, crs


def _kind_of_shapes(source: pq.ParquetFile, path: Path, column: str) -> Place:
    """Points or polygons, by the first row that has a shape."""
    try:
        for batch in source.iter_batches(1024, columns=[column]):
            found = batch.column(0)
            storage = found.storage if isinstance(found, pa.ExtensionArray) else found
            kinds = shapely.get_type_id(shapely.from_wkb(storage.to_numpy(zero_copy_only=False)))
            for kind in kinds[kinds >= 0]:
                if kind == _POINT or kind in _POLYGONS:
                    return "points" if kind == _POINT else "parcels"
                raise TableError(
                    f"Expected points or polygons in {path}, got {shapely.GeometryType(int(kind)).name.lower()}s. "
                    "Give each vector a point or a polygon."
                )
    except (ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    except (ShapelyError, TypeError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(
            f"Expected WKB in column {column!r} of {path}, got {str(error)[:200]}. "
            "Write the geometry as GeoParquet does."
        ) from error
    raise TableError(f"Expected a shape in column {column!r} of {path}, got none. Check the export.")


def _numbers(column: pa.Array[Any]) -> pa.Array[Any]:
    """H3 cells as uint64, null where a text or a number is none."""
    if _is_text(column.type):
        text = column.cast(pa.string())
        parsed: pa.Array[Any] = pa.array(h3ronpy.cells_parse(text, set_failing_to_invalid=True))
        return parsed
    if column.type == pa.int64():
        numbers = column.fill_null(0).to_numpy()
        found: pa.Array[Any] = pa.array(np.where(numbers > 0, numbers, 0).astype(np.uint64))
        return found
    return column


def _centres(cells: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    batch = pa.record_batch(cells_to_coordinates(pa.array(cells)))
    return np.column_stack([np.asarray(batch.column("lng")), np.asarray(batch.column("lat"))])


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _same(one: object, other: str) -> bool:
    return CRS.from_user_input(one) == CRS.from_user_input(other)


def _unreadable(path: Path, error: Exception) -> TableError:
    return TableError(
        f"Expected a whole Parquet file at {path}, got {type(error).__name__} ({str(error)[:200]}). "
        "Check the path, or fetch the file again."
    )
