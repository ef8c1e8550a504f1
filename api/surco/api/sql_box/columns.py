"""Arrow columns as plain values for text formats: whole numbers that JSON readers keep, geometry as one expects it."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from surco.api.printing import is_geometry

__all__ = ["EXACT", "geojson_values", "json_encoder", "json_values", "wkt_values"]

EXACT: Final = 2**53
"""Up to here every reader of JSON keeps a whole number exactly."""

json_encoder = msgspec.json.Encoder(decimal_format="number")
"""Decimals become numbers with all their digits, bytes base64, times ISO 8601, what is no number null."""


def json_values(field: pa.Field[Any], column: pa.Array[Any]) -> list[Any]:
    """A column as values for `json_encoder`.

    Geometry becomes GeoJSON; UBIGINT, as H3 cells are, text of its digits, in lists and structs too; a BIGINT beyond
    2**53 text.

    Raises:
        ValueError: values that cannot be written, such as a year beyond 9999.
    """
    if is_geometry(field):
        return geojson_values(column)
    target = _with_text(column.type)
    plain = column if target.equals(column.type) else column.cast(target)
    if isinstance(plain, pa.ExtensionArray):
        plain = plain.storage
    values: list[Any] = cast(Any, plain).to_pylist()
    if pa.types.is_int64(plain.type) and _beyond(plain):
        return [str(value) if value is not None and abs(value) > EXACT else value for value in values]
    return values


def geojson_values(column: pa.Array[Any]) -> list[Any]:
    """GeoJSON geometries as raw JSON; null stays null, and so does what GeoJSON cannot say."""
    shapes = shapely.from_wkb(column.to_numpy(zero_copy_only=False))
    finite = np.isfinite(shapely.bounds(shapes)).all(axis=1) | shapely.is_empty(shapes)
    texts = shapely.to_geojson(np.where(finite, shapes, None))
    return [None if text is None else msgspec.Raw(text.encode()) for text in texts]


def wkt_values(column: pa.Array[Any]) -> list[str | None]:
    """Well-known text with seven digits after the point."""
    shapes = shapely.from_wkb(column.to_numpy(zero_copy_only=False))
    return list(shapely.to_wkt(shapes, rounding_precision=7))


def _beyond(column: Any) -> bool:
    ends = pc.min_max(column)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low is not None and (low < -EXACT or high > EXACT)


def _with_text(kind: Any) -> pa.DataType:
    """The type with text in place of what JSON or Python's values cannot keep."""
    if pa.types.is_uint64(kind):
        return pa.string()
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        size: int = kind.list_size if pa.types.is_fixed_size_list(kind) else -1
        return pa.list_(_inner(kind.value_field), size)
    if pa.types.is_struct(kind):
        return pa.struct([_inner(kind.field(i)) for i in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(_with_text(kind.key_type), _with_text(kind.item_type))
    plain: pa.DataType = kind
    return plain


def _inner(field: pa.Field[Any]) -> pa.Field[Any]:
    return field.with_type(_with_text(field.type))
