"""Features of a file, batch by batch: outlines, attributes, and what was wrong with an outline before we saw it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

__all__ = ["BATCH", "Features", "Objects", "Source", "shapes_of", "storage_of", "text_checked"]

Objects = npt.NDArray[np.object_]
BATCH = 2_048
"""Features in memory at a time."""
_READABLE = range(8)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """N features, the first of them number `first` of the file (from 0).

    Attributes:
        geometry: (N,) shapes in the file's CRS, None where there is none or it could not be read.
        fault: (N,) text, why it could not be read, else None.
        repair: (N,) text, what was done to it in reading, else None.
        attributes: the file's columns, without the outline.
        number: (N,) the file's own feature numbers.
    """

    first: int
    geometry: Objects
    fault: Objects
    repair: Objects
    attributes: pa.RecordBatch
    number: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Source:
    """An open file.

    Attributes:
        kind: of file, for people.
        layer: its name, "" where the format has none.
        crs: as pyproj takes it, None where the file does not say.
        schema: of the attributes.
        key: name of the attribute that is the layer's own key, None where it has none.
        count: features it says it has, -1 unknown.
        batches: to be read once.
        notes: what the reader had to say; grows while reading.
    """

    kind: str
    layer: str
    crs: object
    schema: pa.Schema
    key: str | None
    count: int
    batches: Iterator[Features]
    notes: list[str] = field(default_factory=list)


def shapes_of(wkb: pa.Array[Any]) -> tuple[Objects, Objects, Objects]:
    """Shapes of a WKB column; (N,) shapes, faults and repairs as in `Features`.

    What GEOS has no type for (curves, surfaces in space) has the fault "curve of type n", for the reader to replace.
    """
    values: Objects = wkb.to_numpy(zero_copy_only=False)
    fault, repair = np.full(len(values), None, object), np.full(len(values), None, object)
    kinds = np.array([_type_of(value) for value in values], np.int64)
    foreign = (kinds >= 0) & ~np.isin(kinds, _READABLE)
    fault[foreign] = [f"curve of type {kind}" for kind in kinds[foreign]]
    known = values.copy()
    known[foreign] = None
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers are dropped later
        shapes = shapely.from_wkb(known, on_invalid="ignore")
    broken = (kinds >= 0) & ~foreign & shapely.is_missing(shapes)
    shapes[broken] = shapely.from_wkb(values[broken], on_invalid="fix")
    fixed = broken & ~shapely.is_missing(shapes)
    repair[fixed], fault[broken & ~fixed] = "ring not closed or too short", "outline that cannot be read"
    return shapes, fault, repair


def storage_of(kind: pa.DataType) -> pa.DataType:
    """The plain type of a column's values: no extensions (JSON is text), dictionaries, views or long offsets."""
    if isinstance(kind, pa.BaseExtensionType):
        return storage_of(kind.storage_type)
    if isinstance(kind, pa.DictionaryType):
        return storage_of(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind


def text_checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch in plain types, with text that is no UTF-8 made readable (U+FFFD for what is not)."""
    plain = [column.storage if isinstance(column, pa.ExtensionArray) else column for column in batch.columns]
    columns = [column.cast(storage_of(column.type)) for column in plain]
    columns = [_readable(column) if pa.types.is_string(column.type) else column for column in columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _readable(column: pa.Array[Any]) -> pa.Array[Any]:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raw = column.cast(pa.binary()).to_pylist()
        return pa.array(
            [None if text is None else text.decode("utf-8", "replace") for text in raw], pa.string()
        )
    return column


def _type_of(wkb: bytes | None) -> int:
    """WKB's type number without Z, M and SRID flags, ISO's or PostGIS's; -1 null, 99 too short."""
    if wkb is None:
        return -1
    if len(wkb) < 5:
        return 7
    (number,) = struct.unpack("<I" if wkb[0] == 1 else ">I", wkb[1:5])
    return int((number & 0x0FFF_FFFF) % 1000)
