"""Where the rows of a table of vectors lie: its column of H3 cells, or its geometry as GeoParquet describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from shapely.errors import ShapelyError

from surco.encoder.area import crs_name, reaches_degrees
from surco.encoder.published.vector_columns import DAMAGED, TableError

__all__ = [
    "LON_LAT",
    "POINT",
    "POLYGONS",
    "Place",
    "cell_levels",
    "cell_numbers",
    "find_place",
    "first_level",
    "unreadable_table",
]

Place = Literal["cells", "points", "parcels"]
"""What a row of a table stands for."""

LON_LAT: Final = "OGC:CRS84"
POINT: Final = 0
POLYGONS: Final = (3, 6)
"""Shapely's numbers of the kinds of geometry that are taken."""

_CELL = ("h3", "h3_index", "h3index", "h3_cell", "h3_id")
"""Usual names of the column of H3 cells."""


def find_place(source: pq.ParquetFile, path: Path) -> tuple[Place, str, object]:
    """What a table's rows stand for, the column that says where they lie, and its CRS (None for cells).

    Raises:
        TableError: neither cells nor geometry, or in a form that is not taken.
    """
    schema = source.schema_arrow
    lower = {name.lower(): name for name in schema.names}
    cells = [lower[name] for name in _CELL if name in lower]
    if cells:
        _check_cell_type(schema.field(cells[0]), path)
        return "cells", cells[0], None
    column, crs = _geometry(schema, path)
    return _kind_of_shapes(source, path, column), column, crs


def first_level(source: pq.ParquetFile, path: Path, column: str) -> int:
    """H3 resolution of the first row's cell."""
    try:
        first = next(source.iter_batches(1, columns=[column])).column(0)
    except DAMAGED as error:
        raise unreadable_table(path, error) from error
    level = int(cell_levels(cell_numbers(first))[0])
    if level < 0:
        raise TableError(
            f"Expected an H3 cell in every row of column {column!r} of {path}, got {first[0].as_py()!r} in row 0. "
            "Write H3's 64-bit numbers, or their hexadecimal text."
        )
    return level


def cell_levels(cells: pa.Array[Any]) -> npt.NDArray[np.int64]:
    """H3 resolution of each cell, -1 for what is none."""
    numbers = cells.fill_null(0)
    valid = np.asarray(pa.array(h3ronpy.cells_valid(numbers, booleanarray=True)).fill_null(False))
    levels = np.full(len(numbers), -1, np.int64)
    levels[valid] = np.asarray(pa.array(h3ronpy.cells_resolution(numbers.filter(pa.array(valid)))))
    return levels


def cell_numbers(column: pa.Array[Any]) -> pa.Array[Any]:
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


def unreadable_table(path: Path, error: Exception) -> TableError:
    """The refusal of a file that its reader gave up on."""
    return TableError(
        f"Expected a whole Parquet file at {path}, got {type(error).__name__} ({str(error)[:200]}). "
        "Check the path, or fetch the file again."
    )


def _check_cell_type(field: pa.Field[Any], path: Path) -> None:
    kind = field.type
    if kind not in (pa.uint64(), pa.int64()) and not _is_text(kind):
        raise TableError(
            f"Expected H3 cells as 64-bit numbers or text in column {field.name!r} of {path}, got {kind}. "
            "Write them as numbers: floats cannot hold them."
        )


def _geometry(schema: pa.Schema, path: Path) -> tuple[str, object]:
    try:
        geo = json.loads((schema.metadata or {})[b"geo"])
        column = geo["primary_column"]
        about = geo["columns"][column]
        encoding, crs = about["encoding"], about.get("crs") or LON_LAT
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
                if kind == POINT or kind in POLYGONS:
                    return "points" if kind == POINT else "parcels"
                raise TableError(
                    f"Expected points or polygons in {path}, got {shapely.GeometryType(int(kind)).name.lower()}s. "
                    "Give each vector a point or a polygon."
                )
    except DAMAGED as error:
        raise unreadable_table(path, error) from error
    except (ShapelyError, TypeError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(
            f"Expected WKB in column {column!r} of {path}, got {str(error)[:200]}. "
            "Write the geometry as GeoParquet does."
        ) from error
    raise TableError(f"Expected a shape in column {column!r} of {path}, got none. Check the export.")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
