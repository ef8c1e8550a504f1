"""Legends as CSV files: INE Chile, HCAT and WorldCereal are shipped, a user's own is read."""

from __future__ import annotations

import csv
import io
from functools import cache
from importlib.resources import files
from pathlib import Path

from surco.adapters.errors import LegendError
from surco.adapters.legends.class_names import plain_name
from surco.adapters.legends.legend import COLUMNS, Legend

__all__ = ["LEGENDS", "load_legend"]

LEGENDS = ("hcat", "ine", "worldcereal")
"""Names of the legends that are shipped; docs/legends.md says where each comes from."""

_MOST_BYTES = 8 << 20


def load_legend(source: str | Path) -> Legend:
    """A shipped legend by its name (`LEGENDS`), or one from a CSV file.

    A file has a header with `code` and, where there are such, `name`, `parent` (a code of the file; empty for a root),
    `name_es`, `name_en`. A file without parents is a flat legend.

    Raises:
        LegendError: no such legend or file, too large, no UTF-8, no `code`, or no sound tree.
    """
    if str(source) in LEGENDS:
        return _shipped(str(source))
    path = Path(source)
    if path.suffix.lower() != ".csv" or not path.is_file():
        raise LegendError(
            f"expected a legend ({', '.join(LEGENDS)}) or a CSV file; got {str(source)!r}: check the name or the path"
        )
    if path.stat().st_size > _MOST_BYTES:
        raise LegendError(
            f"expected a legend of at most {_MOST_BYTES} bytes; got a larger {path}: shorten it"
        )
    return Legend.from_rows(path.stem, _table(path.read_bytes(), str(path)))


@cache
def _shipped(name: str) -> Legend:
    folder = files("surco.adapters.legends")
    aliases: dict[str, tuple[str, str]] = {}
    names = folder / f"{name}_names.csv"
    if names.is_file():
        rows = _table(names.read_bytes(), names.name, needed="name")
        aliases = {plain_name(str(row["name"])): (str(row["code"]), str(row["relation"])) for row in rows}
    table = folder / f"{name}.csv"
    return Legend.from_rows(name, _table(table.read_bytes(), table.name), aliases)


def _table(data: bytes, file: str, needed: str = "code") -> list[dict[str, str | None]]:
    try:
        text = data.decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows: list[dict[str, str | None]] = [
            {key: value for key, value in row.items() if key in (*COLUMNS, "relation")} for row in reader
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LegendError(f"expected a CSV file in UTF-8; got {error} in {file}: export it again") from error
    if needed not in (reader.fieldnames or ()):
        raise LegendError(
            f"expected a column {needed!r}; got {', '.join(reader.fieldnames or ()) or 'an empty file'} in {file}: "
            "name the column that holds the class codes"
        )
    return rows
