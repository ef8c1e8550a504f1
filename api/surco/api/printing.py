"""Results of SQL as text: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pacsv
import shapely
from rich.console import Console
from rich.table import Table

__all__ = ["is_geometry", "print_table", "write_csv", "write_json"]

SHOWN_ROWS = 100
_CSV_TYPES = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_temporal,
    pa.types.is_dictionary,
)


def print_table(table: pa.Table, kind: str) -> None:
    """Print an Arrow table as "table" (at most 100 rows, and it says so), "csv" or "json" on standard output."""
    if kind == "table":
        _print_rich(table)
        return
    sys.stdout.flush()
    _WRITERS[kind](table, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def write_csv(table: pa.Table, sink: BinaryIO) -> None:
    """Write CSV. Geometry becomes WKT, lists and structs JSON, other bytes hexadecimal."""
    columns = [
        column if _is_plain(field) else pa.array(map(_text, _values(field, column)), pa.string())
        for field, column in zip(table.schema, table.columns, strict=True)
    ]
    pacsv.write_csv(pa.table(columns, names=table.column_names), sink)


def write_json(table: pa.Table, sink: BinaryIO) -> None:
    """Write a JSON array of objects. Geometry becomes WKT, other bytes hexadecimal, what is no number null."""
    columns = [_values(field, column) for field, column in zip(table.schema, table.columns, strict=True)]
    names = table.column_names
    for start, row in enumerate(zip(*columns, strict=True)):
        entry = json.dumps(_jsonable(dict(zip(names, row, strict=True))), ensure_ascii=False, allow_nan=False)
        sink.write((",\n" if start else "[").encode() + entry.encode())
    sink.write(b"]\n" if table.num_rows else b"[]\n")


def is_geometry(field: pa.Field[Any]) -> bool:
    """Whether DuckDB calls the column a geometry, which Arrow carries as WKB."""
    return (field.metadata or {}).get(b"ARROW:extension:name") == b"geoarrow.wkb"


_WRITERS = {"csv": write_csv, "json": write_json}


def _print_rich(table: pa.Table) -> None:
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for field in table.schema:
        shown.add_column(field.name, justify="right" if _is_number(field.type) else "left")
    head = table.slice(0, SHOWN_ROWS)
    columns = [_values(field, column) for field, column in zip(head.schema, head.columns, strict=True)]
    for row in zip(*columns, strict=True):
        shown.add_row(*map(_cell, row))
    out = Console(width=None if sys.stdout.isatty() else 200)
    out.print(shown)
    if table.num_rows > SHOWN_ROWS:
        out.print(f"[dim]{SHOWN_ROWS} of {table.num_rows} rows; --format csv prints all.")


def _is_plain(field: pa.Field[Any]) -> bool:
    interval = pa.types.is_interval(field.type)
    return not is_geometry(field) and not interval and any(kind(field.type) for kind in _CSV_TYPES)


def _values(field: pa.Field[Any], column: pa.ChunkedArray[Any]) -> list[Any]:
    if is_geometry(field):
        shapes = shapely.from_wkb(column.to_numpy(zero_copy_only=False))
        return list(shapely.to_wkt(shapes, rounding_precision=7))
    return column.to_pylist(maps_as_pydicts="lossy")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    text = str(value).replace("[", r"\[")
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: Any) -> str | None:
    plain = _jsonable(value)
    return plain if plain is None or isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_jsonable(v) for v in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
