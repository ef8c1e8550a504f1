"""The agency's columns under safe names, and what Surco takes from them: ids, crops, dates."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from surco.encoder.parcel_import.request import ParcelRequest
from surco.encoder.parcels import ParcelError

__all__ = ["BOX", "OWN", "Columns", "choose_columns", "dates_of", "safe_names", "text_of"]

BOX: Final = [pa.field(side, pa.float32()) for side in ("xmin", "ymin", "xmax", "ymax")]
OWN: Final[dict[str, pa.DataType]] = {
    "id": pa.string(),
    "geometry": pa.binary(),
    "bbox": pa.struct(BOX),
    "metrics:area": pa.float32(),
    "metrics:perimeter": pa.float32(),
    "determination:datetime": pa.timestamp("ms", "UTC"),
    "crop:name": pa.string(),
    "crop:code": pa.string(),
    "comuna": pa.uint16(),
}
"""Columns that an import writes itself; an agency's of the same name that were not taken for them are renamed."""
_TAKEN_NAMES = (*OWN, "collection", "schemas")
_IDS = ("id", "parcel_id", "id_parcela", "parcela_id", "id_predio", "field_id", "uuid", "objectid", "fid")
_LONGEST_NAME = 100
_LONGEST_TEXT = 1_000
_YEARS = (1900, 2200)


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of the file is what; None where no column is.

    Attributes:
        kept: names in the file of the columns that are kept as they are, with the names they get.
    """

    id: str | None
    crop: str | None
    code: str | None
    date: str | None
    kept: Mapping[str, str]


def choose_columns(schema: pa.Schema, key: str | None, request: ParcelRequest) -> Columns:
    """Decide from names what the columns are; what was asked for must be there.

    An id that is not named is found by its name, `id`, then others that are usual; else it is the layer's key.

    Args:
        schema: of the attributes.
        key: the column that the layer itself has as its key, None without.
        request: what was asked for.

    Raises:
        ParcelError: a column that was named and is not there.
    """
    names = [field.name for field in schema]
    for option, name in (
        ("--id-column", request.id_column),
        ("--crop-column", request.crop_column),
        ("--crop-code-column", request.crop_code_column),
        ("--date-column", request.date_column),
    ):
        if name is not None and name not in names:
            raise ParcelError(
                f"Expected {option} to be a column of {request.path}; got {name!r}, and it has "
                f"{', '.join(names) or 'none'}. Name one of them."
            )
    folded = {name.casefold(): name for name in reversed(names)}
    ident = request.id_column or next((folded[name] for name in _IDS if name in folded), key)
    crop = request.crop_column or _if_there("crop:name", names)
    code = request.crop_code_column or _if_there("crop:code", names)
    when = request.date_column or _if_there("determination:datetime", names)
    # The same values under the same name need not be there twice.
    same = {
        name
        for name, own in ((ident, "id"), (crop, "crop:name"), (code, "crop:code"))
        if name is not None and name.casefold() == own
    }
    same |= {name for name in ("bbox", "metrics:area", "metrics:perimeter", "geometry") if name in names}
    same |= {"comuna"} if "comuna" in names and schema.field("comuna").type == OWN["comuna"] else set()
    same |= {when} if when == "determination:datetime" else set()
    return Columns(ident, crop, code, when, safe_names([name for name in names if name not in same]))


def safe_names(names: Sequence[str]) -> dict[str, str]:
    """A name for each column that SQL takes without quotes but for colons, each once whatever its case.

    Letters of any language and digits stay; all else becomes `_`. Names of our own columns get `agency_` before them.
    """
    given: dict[str, str] = {}
    used = {name.casefold() for name in _TAKEN_NAMES}
    for name in names:
        safe = (
            re.sub(r"[^\w:]+", "_", unicodedata.normalize("NFC", name)).strip("_:")[:_LONGEST_NAME]
            or "column"
        )
        safe = f"_{safe}" if safe[0].isdigit() else safe
        safe = f"agency_{safe}" if safe.casefold() in {own.casefold() for own in _TAKEN_NAMES} else safe
        title, number = safe, 1
        while title.casefold() in used:
            number += 1
            title = f"{safe}_{number}"
        used.add(title.casefold())
        given[name] = title
    return given


def text_of(column: pa.Array[Any], what: str) -> pa.Array[Any]:
    """A column as text: whole numbers without a decimal point, spaces around and empty text gone.

    Raises:
        ParcelError: a column of lists or bytes, which is no text.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return text_of(column.dictionary_decode(), what)  # type: ignore[attr-defined]
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise ParcelError(
            f"Expected text or numbers as {what}; got a column of type {kind}. Name another one."
        )
    if pa.types.is_floating(kind):
        return pa.array([_number(value) for value in column.to_pylist()], pa.string())
    texts: list[Any] = column.cast(pa.string()).to_pylist()
    return pa.array([(text or "").strip()[:_LONGEST_TEXT] or None for text in texts], pa.string())


def dates_of(column: pa.Array[Any]) -> pa.Array[Any]:
    """Moments (UTC, ms) of a column of dates, of text that begins as ISO 8601, or of years, which mean their last day.

    Null where a value is none of these.
    """
    kind = OWN["determination:datetime"]
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("ms")).cast(kind)
    if pa.types.is_timestamp(column.type):
        return pc.cast(column, pa.timestamp("ms", column.type.tz), safe=False).cast(kind)
    return pa.array([_moment(text) for text in text_of(column, "date").to_pylist()], kind)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    if re.fullmatch(r"\d{4}", text):
        year = int(text)
        return datetime(year, 12, 31, tzinfo=UTC) if _YEARS[0] <= year < _YEARS[1] else None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = (
        found
        if isinstance(found, datetime)
        else datetime.combine(date.fromisoformat(text), datetime.min.time())
    )
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _number(value: Any) -> str | None:
    """Text of a number: 17.0 is 17; no text of NaN."""
    if value is None or value != value:
        return None
    return str(int(value)) if abs(value) < 2**53 and value == int(value) else repr(value)


def _if_there(name: str, names: Sequence[str]) -> str | None:
    return name if name in names else None
