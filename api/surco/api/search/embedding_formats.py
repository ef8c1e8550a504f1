"""Vectors as Arrow stream, GeoParquet or JSON, a piece at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import h3ronpy
import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from surco.api.arrow_geometry import WKB_FIELD
from surco.api.search.embedding_requests import Vectors
from surco.api.search.embedding_rows import EmbeddingsFound
from surco.embedstore.files import read_schema
from surco.embedstore.geoparquet import geo_metadata
from surco.embedstore.schema import fixed_size_matrix

__all__ = ["MEDIA_TYPES", "facts_of", "pieces"]

MEDIA_TYPES = {
    "json": "application/json",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}

_UNQUANTISED = "none: float32"


def facts_of(found: EmbeddingsFound) -> dict[str, Any]:
    """What is said of an answer beside its rows."""
    info = found.source.info
    return {
        "version": found.store.version,
        "table": info.table,
        "season": info.season,
        "res": info.resolution,
        "model": info.model_id,
        "dimension": info.dimension,
        "rows": found.rows,
        "missing": found.missing,
        "matched": found.matched,
        "next": found.next_token,
    }


def pieces(found: EmbeddingsFound, form: str, vectors: Vectors) -> Iterator[bytes]:
    """The body of an answer: `form` is a name of `MEDIA_TYPES`."""
    tables = (_dressed(table, vectors) for table in found.tables)
    if form == "json":
        return _json(found, tables, vectors)
    return _arrow(found, tables, vectors) if form == "arrow" else _parquet(found, tables, vectors)


class _Collected:
    """A file that keeps what was written until it is taken."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole


def _arrow(found: EmbeddingsFound, tables: Iterator[pa.Table], vectors: Vectors) -> Iterator[bytes]:
    sink: Any = _Collected()
    first = next(tables)
    schema = _with_geometry(first.schema).with_metadata(_keys(found, vectors))
    with pa.ipc.new_stream(sink, schema) as writer:
        for table in _chained(first, tables):
            writer.write_table(_as(table, schema))
            yield sink.taken()
    yield sink.taken()


def _parquet(found: EmbeddingsFound, tables: Iterator[pa.Table], vectors: Vectors) -> Iterator[bytes]:
    """GeoParquet 1.1: what the geometries are is known, and written, at the end."""
    sink: Any = _Collected()
    first = next(tables)
    schema = first.schema.with_metadata(_keys(found, vectors))
    bounds, kinds = [np.zeros((0, 4))], set[str]()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for table in _chained(first, tables):
            writer.write_table(_as(table, schema))
            shapes = shapely.from_wkb(table["geometry"].drop_null().to_numpy())
            kinds |= {shape.geom_type for shape in shapes}
            bounds = [_total(np.concatenate([*bounds, shapely.bounds(shapes).reshape(-1, 4)]))]
            yield sink.taken()
        west, south, east, north = (bounds[0] if len(bounds[0]) else np.zeros((1, 4)))[0].tolist()
        covering = "bbox" in schema.names
        geo = geo_metadata(sorted(kinds), (west, south, east, north), covering=covering)
        writer.add_key_value_metadata({"geo": json.dumps(geo)})
    yield sink.taken()


def _total(bounds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, 4) bounds as one, (1, 4); none stay none."""
    if not len(bounds):
        return bounds
    return np.concatenate([bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)])[None]


def _json(found: EmbeddingsFound, tables: Iterator[pa.Table], vectors: Vectors) -> Iterator[bytes]:
    facts = facts_of(found) | {"quantisation": _emb(found, vectors)["quantisation"]}
    head = msgspec.json.encode(facts)[:-1] + b',"embeddings":['
    between = b""
    for table in tables:
        rows = b",".join(map(msgspec.json.encode, _records(table)))
        yield head + (between + rows if rows else b"")
        head, between = b"", b"," if rows else between
    yield b"]}"


def _records(table: pa.Table) -> Iterator[dict[str, Any]]:
    lists = [_plain(table[name], name) for name in table.column_names]
    return (dict(zip(table.column_names, values, strict=True)) for values in zip(*lists, strict=True))


def _plain(column: pa.ChunkedArray[Any], name: str) -> list[Any]:
    """Values of JSON: cells in hexadecimal, geometries as GeoJSON."""
    if name == "h3":
        text: list[Any] = pa.array(h3ronpy.cells_to_string(column.combine_chunks())).to_pylist()
        return text
    if name == "geometry":
        shapes = shapely.from_wkb(column.to_numpy())
        return [
            None if shape is None else msgspec.Raw(shapely.to_geojson(shape).encode()) for shape in shapes
        ]
    if pa.types.is_fixed_size_list(column.type) and not column.null_count and name != "ndvi":
        matrix: list[Any] = np.asarray(_matrix(column)).tolist()
        return matrix
    return column.to_pylist()


def _dressed(table: pa.Table, vectors: Vectors) -> pa.Table:
    """Vectors in the form that was asked for."""
    if vectors != "float":
        return table
    for name in ("embedding", "spread"):
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, _dequantised(table[name], table[f"{name}_scale"]))
            table = table.drop_columns([f"{name}_scale"])
    return table


def _dequantised(values: pa.ChunkedArray[Any], scale: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    size, held = values.type.list_size, values.is_valid().to_numpy()
    vectors = np.zeros((len(values), size), np.float32)
    factors = scale.to_numpy()[held].astype(np.float32)
    vectors[held] = fixed_size_matrix(values.drop_null()) * factors[:, None]
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), size, mask=pa.array(~held))


def _matrix(column: pa.ChunkedArray[Any]) -> Any:
    whole: Any = column.combine_chunks()
    return whole.flatten().to_numpy(zero_copy_only=False).reshape(len(whole), whole.type.list_size)


def _keys(found: EmbeddingsFound, vectors: Vectors) -> dict[str, str]:
    """The `emb` key as the store's files have it, and what else is known of the answer."""
    return {
        "emb": json.dumps(_emb(found, vectors), ensure_ascii=False),
        "surco": json.dumps(facts_of(found), ensure_ascii=False),
    }


def _emb(found: EmbeddingsFound, vectors: Vectors) -> dict[str, Any]:
    stated = (read_schema(found.source.info.files[0]).metadata or {})[b"emb"]
    emb: dict[str, Any] = json.loads(stated)
    return emb | {"quantisation": _UNQUANTISED} if vectors == "float" else emb


def _with_geometry(schema: pa.Schema) -> pa.Schema:
    place = schema.get_field_index("geometry")
    return schema if place < 0 else schema.set(place, schema.field(place).with_metadata(WKB_FIELD))


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Tables of files that differ in what may be null become one schema."""
    return pa.Table.from_arrays(table.columns, schema=schema)


def _chained(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest
