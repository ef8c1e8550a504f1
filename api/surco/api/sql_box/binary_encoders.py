"""An answer's batches as Arrow and Parquet: nothing is kept but a row group, and what a format needs at its end."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from surco.api.printing import is_geometry
from surco.embedstore.geoparquet import geo_metadata

__all__ = ["ArrowEncoder", "ParquetEncoder"]

_GROUP_ROWS = 65_536
_GROUP_BYTES = 16 << 20


class ArrowEncoder:
    """An Arrow IPC stream; geometry is WKB under its GeoArrow name."""

    def __init__(self, schema: pa.Schema) -> None:
        self._sink = _Sink()
        self._writer = pa.ipc.new_stream(cast(Any, self._sink), schema)

    def batch(self, rows: pa.RecordBatch) -> bytes:
        """Bytes of some rows; may be none yet."""
        self._writer.write_batch(rows)
        return self._sink.taken()

    def end(self, rows: int, truncated: bool) -> bytes:
        """What comes last."""
        self._writer.close()
        return self._sink.taken()


class ParquetEncoder:
    """Parquet in row groups of at most 65,536 rows or 16 MiB; GeoParquet 1.1 where geometry is in degrees."""

    def __init__(self, schema: pa.Schema) -> None:
        self._sink = _Sink()
        self._geometry = [i for i, field in enumerate(schema) if is_geometry(field)]
        self._schema = pa.schema([field.remove_metadata() for field in schema])
        self._bounds = {i: np.array([np.inf, np.inf, -np.inf, -np.inf]) for i in self._geometry}
        self._kinds: dict[int, set[str]] = {i: set() for i in self._geometry}
        self._waiting: list[pa.RecordBatch] = []
        self._writer = pq.ParquetWriter(cast(Any, self._sink), self._schema, compression="zstd")

    def batch(self, rows: pa.RecordBatch) -> bytes:
        """Bytes of some rows; may be none yet."""
        for i in self._geometry:
            self._note(i, rows.column(i))
        self._waiting.append(pa.record_batch(rows.columns, schema=self._schema))
        rows_held = sum(each.num_rows for each in self._waiting)
        bytes_held = sum(each.nbytes for each in self._waiting)
        return self._group() if rows_held >= _GROUP_ROWS or bytes_held >= _GROUP_BYTES else b""

    def end(self, rows: int, truncated: bool) -> bytes:
        """What comes last."""
        last = self._group() if self._waiting else b""
        if described := self._described():
            primary = "geometry" if "geometry" in described else next(iter(described))
            geo = {"version": "1.1.0", "primary_column": primary, "columns": described}
            self._writer.add_key_value_metadata({"geo": json.dumps(geo)})
        self._writer.close()
        return last + self._sink.taken()

    def _group(self) -> bytes:
        self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting.clear()
        return self._sink.taken()

    def _note(self, i: int, column: pa.Array[Any]) -> None:
        shapes = shapely.from_wkb(column.drop_null().to_numpy(zero_copy_only=False))
        if len(shapes):
            west, south, east, north = shapely.total_bounds(shapes)
            low, high = (
                np.fmin(self._bounds[i][:2], [west, south]),
                np.fmax(self._bounds[i][2:], [east, north]),
            )
            self._bounds[i] = np.concatenate([low, high])
            self._kinds[i] |= {str(kind) for kind in {shape.geom_type for shape in shapes}}

    def _described(self) -> dict[str, Any]:
        """The `geo` entries of the columns whose geometry is in degrees."""
        found = {}
        for i, bounds in self._bounds.items():
            if np.isfinite(bounds).all() and (np.abs(bounds) <= [180, 90, 180, 90]).all():
                west, south, east, north = (float(side) for side in bounds)
                whole = geo_metadata(sorted(self._kinds[i]), (west, south, east, north), covering=False)
                found[self._schema.field(i).name] = whole["columns"]["geometry"]
        return found


class _Sink:
    """A file for pyarrow's writers whose bytes are taken away as they come."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> bytes:
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole
