"""An answer's batches as bytes, one format a class; the text formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.csv as pacsv
import shapely

from surco.api.printing import is_geometry
from surco.api.refusals import InvalidError
from surco.api.sql_box.binary_encoders import ArrowEncoder, ParquetEncoder
from surco.api.sql_box.columns import geojson_values, json_encoder, json_values, wkt_values

__all__ = ["FORMATS", "Encoder", "make_encoder"]

FORMATS: Final[Mapping[str, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "geojson": "application/geo+json",
}
"""Name of a format → its media type, the default first."""

_PLAIN_CSV = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_temporal,
    pa.types.is_decimal,
)


class Encoder(Protocol):
    """What a format does with an answer, in this order."""

    def batch(self, rows: pa.RecordBatch) -> bytes:
        """Bytes of some rows; may be none yet."""
        ...

    def end(self, rows: int, truncated: bool) -> bytes:
        """What comes last."""
        ...


def make_encoder(form: str, schema: pa.Schema, types: Sequence[str]) -> Encoder:
    """The encoder of a format.

    Args:
        form: one of `FORMATS`.
        schema: of the rows.
        types: of the columns, as SQL names them.

    Raises:
        InvalidError: a column that the format cannot hold.
    """
    try:
        return _Json(schema, types) if form == "json" else _ENCODERS[form](schema)
    except pa.ArrowNotImplementedError as error:
        raise InvalidError(
            f"Expected columns that {form} can hold, got: {str(error)[:300]}. Cast that column to VARCHAR, or ask for "
            "another format."
        ) from error


class _Json:
    """`{"columns": [{"name", "type"}], "rows": [[…], …], "count": n, "truncated": false}`."""

    def __init__(self, schema: pa.Schema, types: Sequence[str]) -> None:
        self._schema = schema
        named = [{"name": name, "type": kind} for name, kind in zip(schema.names, types, strict=True)]
        self._before = b'{"columns":' + json_encoder.encode(named) + b',"rows":['

    def batch(self, rows: pa.RecordBatch) -> bytes:
        if not rows.num_rows:
            return b""
        before, self._before = self._before, b","
        values = zip(*_values(self._schema, rows), strict=True)
        return before + json_encoder.encode(list(values))[1:-1]

    def end(self, rows: int, truncated: bool) -> bytes:
        before = self._before if rows == 0 else b""
        return before + b'],"count":%d,"truncated":%s}\n' % (rows, b"true" if truncated else b"false")


class _GeoJson:
    """A FeatureCollection (RFC 7946): the one geometry column, the others as properties."""

    def __init__(self, schema: pa.Schema) -> None:
        found = [i for i, field in enumerate(schema) if is_geometry(field)]
        if len(found) != 1:
            raise InvalidError(
                f"Expected a query with one geometry column for GeoJSON, got {len(found)}. Select one, or ask for JSON."
            )
        self._at = found[0]
        self._others = [i for i in range(len(schema)) if i != self._at]
        self._schema = schema
        self._before = b'{"type":"FeatureCollection","features":['

    def batch(self, rows: pa.RecordBatch) -> bytes:
        if not rows.num_rows:
            return b""
        before, self._before = self._before, b","
        names = [self._schema.field(i).name for i in self._others]
        columns = [_column(self._schema.field(i), rows.column(i)) for i in self._others]
        properties = zip(*columns, strict=True) if columns else iter([()] * rows.num_rows)
        features = [
            {"type": "Feature", "geometry": shape, "properties": dict(zip(names, values, strict=True))}
            for shape, values in zip(geojson_values(rows.column(self._at)), properties, strict=True)
        ]
        return before + json_encoder.encode(features)[1:-1]

    def end(self, rows: int, truncated: bool) -> bytes:
        before = self._before if rows == 0 else b""
        return before + b'],"numberReturned":%d,"truncated":%s}\n' % (
            rows,
            b"true" if truncated else b"false",
        )


class _Csv:
    """RFC 4180 with a header. Geometry is WKT, lists and structs JSON, other bytes hexadecimal."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        fields = [pa.field(f.name, f.type if _is_plain(f) else pa.string()) for f in schema]
        self._written = pa.schema(fields)
        self._header = True

    def batch(self, rows: pa.RecordBatch) -> bytes:
        columns = [
            column if _is_plain(field) else pa.array(_texts(field, column), pa.string())
            for field, column in zip(self._schema, rows.columns, strict=True)
        ]
        return self._text(pa.record_batch(columns, schema=self._written))

    def end(self, rows: int, truncated: bool) -> bytes:
        return self._text(self._written.empty_table()) if self._header else b""

    def _text(self, rows: Any) -> bytes:
        sink = pa.BufferOutputStream()
        pacsv.write_csv(rows, sink, pacsv.WriteOptions(include_header=self._header))
        self._header = False
        return bytes(sink.getvalue())


_ENCODERS: Mapping[str, Callable[[pa.Schema], Encoder]] = {
    "csv": _Csv,
    "arrow": ArrowEncoder,
    "parquet": ParquetEncoder,
    "geojson": _GeoJson,
}


def _values(schema: pa.Schema, rows: pa.RecordBatch) -> Iterator[list[Any]]:
    return (_column(field, column) for field, column in zip(schema, rows.columns, strict=True))


def _column(field: pa.Field[Any], column: pa.Array[Any]) -> list[Any]:
    try:
        return json_values(field, column)
    except (ValueError, OverflowError, NotImplementedError, shapely.errors.GEOSException) as error:
        raise _unwritable(field) from error


def _texts(field: pa.Field[Any], column: pa.Array[Any]) -> list[str | None]:
    """A column that CSV has no form for, as text."""
    if is_geometry(field):
        return wkt_values(column)
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return [None if value is None else value.hex() for value in column.to_pylist()]
    return [
        None if value is None else value if isinstance(value, str) else json_encoder.encode(value).decode()
        for value in _column(field, column)
    ]


def _is_plain(field: pa.Field[Any]) -> bool:
    interval = pa.types.is_interval(field.type) or pa.types.is_duration(field.type)
    return not is_geometry(field) and not interval and any(kind(field.type) for kind in _PLAIN_CSV)


def _unwritable(field: pa.Field[Any]) -> InvalidError:
    return InvalidError(
        f"Expected values that the format can hold, got a column {field.name[:80]!r} of {str(field.type)[:80]} with "
        "others. Cast it to VARCHAR, or ask for Arrow."
    )
