"""Results of SQL as files: CSV, JSON or Parquet, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from surco.api.printing import is_geometry, write_csv, write_json
from surco.api.refusals import ExportError
from surco.api.whole_file import whole_file
from surco.embedstore.geoparquet import geo_metadata

__all__ = ["FILE_FORMATS", "checked_target", "write_result"]

FILE_FORMATS = ("csv", "json", "parquet")


def checked_target(path: Path, kind: str | None) -> str:
    """The format to write a file in: the one that is named, or that of the file's ending.

    Raises:
        ExportError: neither, or no folder to write into.
    """
    found = kind or path.suffix.lower().removeprefix(".")
    if found not in FILE_FORMATS:
        endings = ", ".join(f".{each}" for each in FILE_FORMATS)
        raise ExportError(
            f"Expected a file ending in {endings}, got {path.name!r}. Rename it, or pass --format."
        )
    if not path.parent.is_dir():
        raise ExportError(f"Expected a folder to write {path.name} into, got {path.parent}. Make it first.")
    return found


def write_result(table: pa.Table, path: Path, kind: str) -> None:
    """Write a table; a file of that name is replaced only when the new one is complete.

    Parquet is GeoParquet 1.1 where there is geometry in degrees.

    Raises:
        ExportError: a disk or folder that refuses.
    """
    try:
        with whole_file(path) as draft:
            if kind == "parquet":
                pq.write_table(_with_geo(table), draft, compression="zstd")
                return
            with draft.open("wb") as sink:
                (write_csv if kind == "csv" else write_json)(table, sink)
    except OSError as error:
        raise ExportError(
            f"Expected to be able to write {path}, got: {error}. Choose another place."
        ) from error


def _with_geo(table: pa.Table) -> pa.Table:
    found = {field.name: _geo_column(table[field.name]) for field in table.schema if is_geometry(field)}
    columns = {name: column for name, column in found.items() if column is not None}
    plain = pa.table(table.columns, schema=pa.schema([field.remove_metadata() for field in table.schema]))
    if not columns:
        return plain
    primary = "geometry" if "geometry" in columns else next(iter(columns))
    geo = {"version": "1.1.0", "primary_column": primary, "columns": columns}
    return plain.replace_schema_metadata({"geo": json.dumps(geo)})


def _geo_column(column: pa.ChunkedArray[Any]) -> dict[str, Any] | None:
    """What the `geo` key says of a column; None where its geometry is none in degrees."""
    shapes = shapely.from_wkb(column.drop_null().to_numpy(zero_copy_only=False))
    if not len(shapes):
        return None
    bounds = shapely.total_bounds(shapes)
    if not (np.abs(bounds) <= [180, 90, 180, 90]).all():
        return None
    names = sorted({str(shape.geom_type) for shape in shapes})
    west, south, east, north = (float(side) for side in bounds)
    described: dict[str, Any] = geo_metadata(names, (west, south, east, north), covering=False)["columns"][
        "geometry"
    ]
    return described
