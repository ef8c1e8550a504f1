"""Features of one batch to rows of the output: pure, batch in, batch out."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from surco.encoder.parcel_import.cleaning import Cleaned
from surco.encoder.parcel_import.columns import BOX, OWN, Columns, dates_of, text_of
from surco.encoder.parcel_import.features import Features, Objects
from surco.encoder.parcel_import.request import ParcelRequest

__all__ = ["ROW", "box_column", "ids_of", "out_schema", "rows_of"]

ROW = "surco:row"
"""A column for the time of the import only: the number of the feature in the file."""


def out_schema(attributes: pa.Schema, columns: Columns, request: ParcelRequest) -> pa.Schema:
    """The columns written: ours as far as there is something to say, then the agency's."""
    silent = set()
    if columns.date is None and request.date is None:
        silent.add("determination:datetime")
    if columns.code is None:
        silent.add("crop:code")
    own = [
        pa.field(name, kind, nullable=name not in ("id", "geometry"))
        for name, kind in OWN.items()
        if name not in silent
    ]
    theirs = [pa.field(title, attributes.field(name).type) for name, title in columns.kept.items()]
    return pa.schema([*own, *theirs])


def ids_of(features: Features, columns: Columns) -> pa.Array[Any]:
    """(N,) text, null where the agency gave none; the file's own feature numbers where it has no column of ids."""
    if columns.id is None:
        return pa.array(features.number).cast(pa.string())
    return text_of(features.attributes.column(columns.id), "ids")


def rows_of(
    features: Features,
    cleaned: Cleaned,
    comuna: pa.Array[Any],
    columns: Columns,
    request: ParcelRequest,
    schema: pa.Schema,
) -> pa.RecordBatch:
    """Rows of what was kept, with the column `surco:row`; `comuna` has one value a kept feature."""
    kept = np.flatnonzero(~shapely.is_missing(cleaned.geometry))
    shapes = cleaned.geometry[kept]
    given = features.attributes.take(kept)
    number = pa.array(kept + features.first + 1)
    ids: list[Any] = ids_of(features, columns).take(kept).to_pylist()
    named = [
        f"row-{row}" if text is None else text for text, row in zip(ids, number.to_pylist(), strict=True)
    ]
    own: dict[str, pa.Array[Any]] = {
        "id": pa.array(named, pa.string()),
        "geometry": pa.array(shapely.to_wkb(shapes), pa.binary()),
        "bbox": box_column(shapes),
        "metrics:area": pa.array(cleaned.area[kept].astype(np.float32)),
        "metrics:perimeter": pa.array(cleaned.perimeter[kept].astype(np.float32)),
        "crop:name": _texts(given, columns.crop, "crops"),
        "crop:code": _texts(given, columns.code, "crop codes"),
        "determination:datetime": _dates(given, columns.date, request),
        "comuna": comuna,
    }
    theirs = {title: given.column(name) for name, title in columns.kept.items()}
    ordered = [(own | theirs)[field.name] for field in schema]
    whole = schema.append(pa.field(ROW, pa.int64()))
    return pa.RecordBatch.from_arrays([*ordered, number], schema=whole)


def _texts(given: pa.RecordBatch, name: str | None, what: str) -> pa.Array[Any]:
    return pa.nulls(given.num_rows, pa.string()) if name is None else text_of(given.column(name), what)


def _dates(given: pa.RecordBatch, name: str | None, request: ParcelRequest) -> pa.Array[Any]:
    """The column's moments, and the day said for all where it has none."""
    said = None if request.date is None else datetime.combine(request.date, time(), UTC)
    found: list[Any] = [None] * given.num_rows if name is None else dates_of(given.column(name)).to_pylist()
    return pa.array([said if each is None else each for each in found], OWN["determination:datetime"])


def box_column(shapes: Objects) -> pa.Array[Any]:
    """Bounds as float32, rounded outwards so that no reader prunes a parcel away by rounding."""
    bounds = shapely.bounds(shapes)
    near = bounds.astype(np.float32)
    lower = np.where(near > bounds, np.nextafter(near, np.float32(-np.inf)), near)[:, :2]
    upper = np.where(near < bounds, np.nextafter(near, np.float32(np.inf)), near)[:, 2:]
    sides = [pa.array(side) for side in np.hstack([lower, upper]).T]
    return pa.StructArray.from_arrays(sides, fields=BOX)
