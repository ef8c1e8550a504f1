"""Results of SQL on the terminal: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import json
import sys
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
from rich.console import Console
from rich.table import Table

__all__ = ["print_table"]

SHOWN_ROWS = 100


def print_table(table: pa.Table, kind: str) -> None:
    """Print an Arrow table as "table" (at most 100 rows, and it says so), "csv" or "json" on standard output."""
    if kind == "csv":
        pacsv.write_csv(_flat(table), sys.stdout.buffer)
    elif kind == "json":
        print(json.dumps(_jsonable(table.to_pylist()), ensure_ascii=False))
    else:
        _print_rich(table)


def _print_rich(table: pa.Table) -> None:
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for field in table.schema:
        shown.add_column(field.name, justify="right" if _is_number(field.type) else "left")
    for row in table.slice(0, SHOWN_ROWS).to_pylist():
        shown.add_row(*(_cell(v) for v in row.values()))
    out = Console(width=None if sys.stdout.isatty() else 200)
    out.print(shown)
    if table.num_rows > SHOWN_ROWS:
        out.print(f"[dim]{SHOWN_ROWS} of {table.num_rows} rows; --format csv prints all.")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _flat(table: pa.Table) -> pa.Table:
    """CSV has no lists and no binary: they become JSON and hexadecimal text."""
    columns = [
        pa.array([None if v is None else _text(v) for v in column.to_pylist()], pa.string())
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else json.dumps(_jsonable(value), ensure_ascii=False)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _jsonable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_jsonable(v) for v in value]
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
