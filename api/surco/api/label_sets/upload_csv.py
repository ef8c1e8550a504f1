"""Tables of text: any delimiter, decimal commas, Spanish headings, coordinates in two columns or as WKT."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import shapely
from pyproj import CRS

from surco.api.label_sets.upload_columns import Columns, UploadWishes, names_places, plain_name, recognise
from surco.api.label_sets.upload_crs import named_crs
from surco.api.label_sets.upload_rows import Feature, Uploaded
from surco.api.refusals import InvalidError

__all__ = ["csv_upload"]

_LATITUDE: Final = ("lat", "latitude", "latitud")
_LONGITUDE: Final = ("lon", "lng", "long", "longitude", "longitud")
_EASTING: Final = ("x", "este", "easting", "utm_este", "coord_x", "utm_e")
_NORTHING: Final = ("y", "norte", "northing", "utm_norte", "coord_y", "utm_n")
_WKT: Final = ("wkt", "geometry", "geom", "the_geom", "geometria", "wkt_geom")
_DELIMITERS: Final = ",;\t|"
_TEE: Final = frozenset({"name", "code", "type", "lat", "lon", "pixel_count"})
_MOST_COLUMNS: Final = 500
_LONGEST_CELL: Final = 8 << 20
# What `writing` puts before text that a spreadsheet would run.
_GUARDED: Final = re.compile(r"'(?=[=+\-@\t\r'])")


def csv_upload(path: Path, wishes: UploadWishes) -> Uploaded:
    """Open a table of text.

    Raises:
        InvalidError: an encoding that cannot be read, no heading, no coordinates, no class column.
    """
    text, notes = _decoded(path.read_bytes(), wishes)
    csv.field_size_limit(_LONGEST_CELL)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    heading = next((row for row in lines if any(cell.strip() for cell in row)), [])
    names = _names(heading, wishes)
    finder = _Finder.of(names, wishes)
    tee = {plain_name(name) for name in names} == _TEE
    wanted = [name for name in names if name not in finder.used]
    wanted += ["source"] if tee and "source" not in wanted else []
    columns = recognise(wanted, wishes, ("name",) if tee else (), frozenset(finder.used))
    by_place = names_places(names)
    features = _features(lines, names, finder, columns, "TEE" if tee else None)
    return Uploaded(
        "TEE CSV" if tee else "CSV", finder.crs, columns, features, (*notes, *finder.notes), by_place
    )


def _decoded(raw: bytes, wishes: UploadWishes) -> tuple[str, list[str]]:
    """Text of bytes: UTF-8, UTF-16 with its mark, else what Windows writes in Chile."""
    if b"\x00" in raw and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidError(
            f"Expected text in {wishes.name}, got bytes with zeros. Export the table as CSV in UTF-8."
        )
    try:
        if wishes.encoding is not None:
            return raw.decode(wishes.encoding), []
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            return raw.decode("utf-16"), []
        return raw.decode("utf-8-sig"), []
    except LookupError as error:
        raise InvalidError(
            f"Expected an encoding such as utf-8 or cp1252, got {str(wishes.encoding)[:40]!r}. Correct ?encoding=."
        ) from error
    except UnicodeDecodeError as error:
        if wishes.encoding is not None or raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InvalidError(
                f"Expected {wishes.name} in {wishes.encoding or 'UTF-16'}, got bytes that are not. Correct ?encoding=."
            ) from error
    return raw.decode("cp1252", "replace"), [
        "text is no UTF-8 and was read as Windows-1252; ?encoding= says another"
    ]


def _delimiter(text: str) -> str:
    """The delimiter of the first line: what it has most of outside quotes."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    plain = re.sub(r'"[^"]*"', "", head)
    return max(_DELIMITERS, key=plain.count)


def _names(heading: Sequence[str], wishes: UploadWishes) -> list[str]:
    names = [cell.strip() for cell in heading]
    if not names or len(names) > _MOST_COLUMNS or len(set(names)) < len(names):
        came = "none" if not names else f"{len(names)}" if len(names) > _MOST_COLUMNS else "one of them twice"
        raise InvalidError(
            f"Expected a heading of up to {_MOST_COLUMNS} different columns in {wishes.name}, got {came}. Correct it."
        )
    return names


class _Finder:
    """Where a row's place is: two columns, or WKT."""

    def __init__(self, wkt: str, x: str, y: str, crs: CRS | None, notes: Sequence[str] = ()) -> None:
        self.wkt, self.x, self.y, self.crs, self.notes = wkt, x, y, crs, tuple(notes)
        self.used = {wkt, x, y} - {""}

    @classmethod
    def of(cls, names: Sequence[str], wishes: UploadWishes) -> _Finder:
        """Look the heading over.

        Raises:
            InvalidError: no coordinates, or metres without the system that they count in.
        """
        by_plain = {plain_name(name): name for name in reversed(names)}

        def first(known: Sequence[str]) -> str | None:
            return next((by_plain[name] for name in known if name in by_plain), None)

        crs, wkt = named_crs(wishes.crs), first(_WKT) or ""
        lon, lat = first(_LONGITUDE), first(_LATITUDE)
        if lon is not None and lat is not None:
            return cls(wkt, lon, lat, crs)
        x, y = first(_EASTING), first(_NORTHING)
        if wkt:
            return cls(wkt, "", "", crs)
        if x is None or y is None:
            raise InvalidError(
                f"Expected columns lat and lon (latitud, longitud), x and y with ?crs=, or wkt in {wishes.name}, got "
                f"{', '.join(name[:40] for name in names[:40])}. Rename two, or export the table with coordinates."
            )
        if wishes.crs is None and plain_name(x) not in ("x", "coord_x"):
            raise InvalidError(
                f"Expected the coordinate system of {x!r} and {y!r}, got none. "
                "Say it with ?crs=, such as ?crs=EPSG:32719 (UTM 19 south)."
            )
        notes = [f"{x!r} and {y!r} were read as longitude and latitude"] if wishes.crs is None else []
        return cls("", x, y, crs, notes)

    def shape(self, row: Mapping[str, str]) -> shapely.Geometry:
        """The row's point or outline.

        Raises:
            InvalidError: no numbers, or no WKT.
        """
        text = row[self.wkt].strip() if self.wkt else ""
        if text or not self.x:
            plain = text.partition(";")[2] if text[:5].upper() == "SRID=" else text
            found = shapely.from_wkt(plain, on_invalid="ignore") if plain else None
            if found is None:
                raise InvalidError(f"Expected WKT in {self.wkt!r}, got {ascii(text)[:60]}. Correct it.")
            return found
        return shapely.Point(_coordinate(row[self.x], self.x), _coordinate(row[self.y], self.y))


def _coordinate(text: str, column: str) -> float:
    plain = text.strip().replace("\u2212", "-")
    if plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")
    try:
        number = float(plain)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidError(f"Expected a number in {column!r}, got {ascii(text)[:40]}. Correct it.")
    return number


def _features(
    lines: Iterator[list[str]], names: Sequence[str], finder: _Finder, columns: Columns, source: str | None
) -> Iterator[Feature]:
    kept = set(columns.of.values())
    for cells in _rows(lines):
        if not any(cell.strip() for cell in cells):
            continue
        row = dict(itertools.zip_longest(names, cells[: len(names)], fillvalue=""))
        values: dict[str, object] = {name: _GUARDED.sub("", row[name], 1) for name in kept if name in row}
        if source is not None and not values.get("source"):
            values["source"] = source
        try:
            if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
                raise InvalidError(
                    f"Expected {len(names)} cells, got {len(cells)}: a decimal comma without quotes? "
                    "Use ; as delimiter, or quote the cell."
                )
            yield Feature(finder.shape(row), values)
        except InvalidError as error:
            yield Feature(None, values, str(error))


def _rows(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from lines
    except csv.Error as error:
        raise InvalidError(f"Expected a table of text, got {error}. Export it as CSV again.") from error
