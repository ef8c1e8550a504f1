"""A map as GeoParquet 1.1, sent row group by row group while it is computed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from surco.embedstore.geoparquet import geo_metadata

__all__ = ["parquet_stream"]

_FIRST_GROUP, _ROW_GROUP = 16_384, 131_072  # the first is small, so that it is soon on its way
_HEXAGON = 125  # bytes of WKB of a polygon of seven points: 1 + 4 + 4 + 4 + 7 * 16
_POINT = 21
_ENCODINGS = {
    "h3": "DELTA_BINARY_PACKED",
    "probability": "BYTE_STREAM_SPLIT",
    "uncertainty": "BYTE_STREAM_SPLIT",
}
_DICTIONARIES = ("class", "comuna", "class_a", "class_b")


def parquet_stream(tables: Iterable[pa.Table], provenance: dict[str, Any]) -> Iterator[bytes]:
    """One Parquet file in chunks: a row group each, the footer last.

    With a column `geometry` (WKB) it is GeoParquet, whose bounds and types are those of the rows that were written.

    Args:
        tables: of one schema, at least one.
        provenance: how the rows were made, for the file's key `surco`.
    """
    sink, bounds = _Sink(), _Bounds()
    writer: pq.ParquetWriter | None = None
    for group in _groups(tables):
        plain = pa.table({name: _plain(group[name]) for name in group.column_names})
        if writer is None:
            writer = _writer(sink, plain.schema)
        if "geometry" in plain.column_names:
            bounds.meet(plain["geometry"].combine_chunks())
        writer.write_table(plain, row_group_size=_ROW_GROUP)
        yield sink.taken()
    if writer is not None:
        keys = {"surco": json.dumps(provenance, ensure_ascii=False)}
        writer.add_key_value_metadata(
            keys if bounds.box is None else keys | {"geo": json.dumps(bounds.geo())}
        )
        writer.close()
        yield sink.taken()


class _Sink:
    """A file to write to whose bytes are taken away as they come."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        """What was written since it was last asked for."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class _Bounds:
    """Bounds and types of geometries met so far."""

    def __init__(self) -> None:
        self.box: tuple[float, float, float, float] | None = None
        self.types: set[str] = set()

    def meet(self, wkb: pa.Array[Any]) -> None:
        """Take a column of WKB in."""
        west, south, east, north, types = _measured(wkb)
        old = self.box or (west, south, east, north)
        self.box = (min(west, old[0]), min(south, old[1]), max(east, old[2]), max(north, old[3]))
        self.types |= types

    def geo(self) -> dict[str, Any]:
        """The `geo` key of the file."""
        assert self.box is not None  # noqa: S101 - asked for only where there is one
        return geo_metadata(sorted(self.types), self.box, covering=False)


def _measured(wkb: pa.Array[Any]) -> tuple[float, float, float, float, set[str]]:
    """Bounds and types; points and hexagons, which are all of one length, without making shapes of them."""
    for length, head, name in ((_POINT, 5, "Point"), (_HEXAGON, 13, "Polygon")):
        places = _coordinates(wkb, length, head)
        if places is not None:
            (west, south), (east, north) = places.min(axis=(0, 1)), places.max(axis=(0, 1))
            return float(west), float(south), float(east), float(north), {name}
    shapes = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
    west, south, east, north = (float(v) for v in shapely.total_bounds(shapes))
    kinds = np.unique(shapely.get_type_id(shapes)).tolist()
    return west, south, east, north, {{0: "Point", 3: "Polygon", 6: "MultiPolygon"}[kind] for kind in kinds}


def _coordinates(wkb: pa.Array[Any], length: int, head: int) -> npt.NDArray[np.float64] | None:
    """(N, P, 2) coordinates of little-endian WKB of `length` bytes, behind `head`; None for anything else."""
    buffers: list[Any] = wkb.buffers()
    _, offsets, data = buffers
    ends = np.frombuffer(offsets, np.int32)[wkb.offset : wkb.offset + len(wkb) + 1]
    if wkb.null_count or not (np.diff(ends) == length).all():
        return None
    rows = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].reshape(-1, length)
    if not (rows[:, 0] == 1).all():
        return None
    return np.ascontiguousarray(rows[:, head:]).view("<f8").reshape(len(rows), -1, 2)


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows in groups of at most `_ROW_GROUP`."""
    held: list[pa.Table] = []
    rows, wanted = 0, _FIRST_GROUP
    for table in tables:
        held.append(table)
        rows += table.num_rows
        while rows >= wanted:
            whole = pa.concat_tables(held)
            yield whole.slice(0, wanted)
            rest = whole.slice(wanted)
            held, rows, wanted = [rest] if rest.num_rows else [], rest.num_rows, _ROW_GROUP
    if rows:
        yield pa.concat_tables(held)


def _plain(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    return (
        column.unify_dictionaries().combine_chunks()
        if pa.types.is_dictionary(column.type)
        else column.combine_chunks()
    )


def _writer(sink: _Sink, schema: pa.Schema) -> pq.ParquetWriter:
    encoded = {name: encoding for name, encoding in _ENCODINGS.items() if name in schema.names}
    floats = {f.name: "BYTE_STREAM_SPLIT" for f in schema if pa.types.is_floating(f.type)}
    return pq.ParquetWriter(
        pa.PythonFile(sink, "w"),  # type: ignore[arg-type]  # takes whatever writes
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[n for n in _DICTIONARIES if n in schema.names],  # type: ignore[arg-type]
        column_encoding=encoded | floats,
        store_schema=False,  # so that readers see text in `class`, not a dictionary
    )
