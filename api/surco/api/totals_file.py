"""Official totals by comuna as people have them: a CSV file, checked line by line."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from surco.api.refusals import SettingsError
from surco.embedstore import comunas

__all__ = ["PRODUCTION_COLUMNS", "VALUE_COLUMNS", "Totals", "comuna_names", "read_totals"]

VALUE_COLUMNS = ("yield", "rendimiento")
PRODUCTION_COLUMNS = ("production", "produccion", "producción")
_LARGEST = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals by comuna code: per hectare, or of production where `production`; official `hectares` where given."""

    values: Mapping[int, float]
    production: bool
    hectares: Mapping[int, float]

    def per_hectare(self, area: npt.NDArray[np.str_], hectares: npt.NDArray[np.float64]) -> dict[int, float]:
        """Value per hectare of each comuna: production is divided by the official hectares, or by the mapped."""
        if not self.production:
            return dict(self.values)
        mapped = {code: float(hectares[area == str(code)].sum()) for code in self.values}
        size = {code: self.hectares.get(code, mapped[code]) for code in self.values}
        return {code: value / size[code] for code, value in self.values.items() if size[code] > 0}


def read_totals(path: Path) -> Totals:
    """Read a CSV file with a column `comuna` (code or name) and `yield` (per hectare) or `production`, `hectares` too.

    Spanish names (`rendimiento`, `produccion`, `hectareas`) are understood; separators are commas or semicolons.

    Raises:
        SettingsError: naming the file, the line, the value, and what to do.
    """
    rows, columns = _rows(path)
    value = next((c for c in (*VALUE_COLUMNS, *PRODUCTION_COLUMNS) if c in columns), None)
    if "comuna" not in columns or value is None:
        raise SettingsError(
            f"Expected the columns comuna and yield (or production) in {path}, got {', '.join(columns) or 'none'}. "
            "Rename them."
        )
    size = next((c for c in ("hectares", "hectareas", "hectáreas") if c in columns), None)
    codes = {name.casefold(): int(code) for code, name in comuna_names().items()}
    found: dict[int, float] = {}
    hectares: dict[int, float] = {}
    for line, row in enumerate(rows, 2):
        code = _code(row["comuna"], codes, path, line)
        if code in found:
            raise SettingsError(
                f"Expected one row a comuna, got a second for {row['comuna']!r} in line {line} of {path}. Add them up "
                "first."
            )
        found[code] = _number(row[value], value, path, line)
        if size is not None and row[size].strip():
            hectares[code] = _number(row[size], size, path, line)
    return Totals(found, value in PRODUCTION_COLUMNS, hectares)


def _rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    if not path.is_file() or path.stat().st_size > _LARGEST:
        raise SettingsError(f"Expected a CSV file of totals of at most 16 MB, got {path}. Check the path.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"Expected {path} in UTF-8, got {error}. Save it as UTF-8.") from error
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    columns = [str(c).strip().casefold() for c in reader.fieldnames or ()]
    reader.fieldnames = columns
    try:
        rows = [{c: row.get(c) or "" for c in columns} for row in reader]
    except csv.Error as error:
        raise SettingsError(f"Expected a CSV file, got {path}: {error}. Export it again.") from error
    if not rows:
        raise SettingsError(f"Expected a row of totals in {path}, got none. Write one a comuna.")
    return rows, columns


def _code(text: str, codes: Mapping[str, int], path: Path, line: int) -> int:
    word = text.strip()
    code = int(word) if word.isascii() and word.isdigit() else codes.get(word.casefold())
    if code is None or code not in set(codes.values()):
        raise SettingsError(
            f"Expected a comuna of Chile, by its code or name, got {text!r} in line {line} of {path}. Correct it: "
            "the view comunas of `surco sql` lists all."
        )
    return code


def _number(text: str, column: str, path: Path, line: int) -> float:
    try:
        number = float(text.strip())
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise SettingsError(
            f"Expected a number of 0 or more in column {column}, got {text!r} in line {line} of {path}. Correct it; "
            "decimals are written with a point."
        )
    return number


def comuna_names() -> dict[str, str]:
    """Name of each comuna by its code, as text."""
    table = comunas()
    codes, names = table["cut"].to_pylist(), table["comuna"].to_pylist()
    return {str(code): str(name) for code, name in zip(codes, names, strict=True)}
