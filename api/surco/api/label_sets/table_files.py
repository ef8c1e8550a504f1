"""Labels as files of tables: GeoPackage and GeoParquet."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from surco.api.label_sets.contents import FIELDS
from surco.api.label_sets.labels import Label
from surco.embedstore.geoparquet import geo_metadata

__all__ = ["write_geopackage", "write_geoparquet"]

_NUMBERS: Final[dict[str, pa.DataType]] = {
    "value": pa.float64(),
    "confidence": pa.float64(),
    "inclusion_probability": pa.float64(),
    "round": pa.int32(),
    "rank": pa.int32(),
}
_TIME: Final = pa.timestamp("us", tz="UTC")
_COLUMNS: Final[dict[str, pa.DataType]] = {
    "id": pa.string(),
    **{name: _NUMBERS.get(name, pa.string()) for name in FIELDS},
    "revision": pa.int32(),
    "made_by": pa.string(),
    "made_at": _TIME,
    "changed_at": _TIME,
    "geometry": pa.binary(),
}
_SCHEMA: Final = pa.schema(_COLUMNS)


def write_geopackage(blocks: Iterable[Sequence[Label]], path: Path) -> None:
    """A GeoPackage with one layer `labels`, in OGC:CRS84."""
    raw: Any = importlib.import_module("pyogrio.raw")  # GDAL, loaded when a file needs it
    # GDAL keeps UTC without saying so; text says it.
    texts = {name: pa.string() if kind == _TIME else kind for name, kind in _COLUMNS.items()}
    schema = pa.schema(texts)
    reader = pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in _batches(blocks)))
    raw.write_arrow(
        reader,
        path,
        layer="labels",
        driver="GPKG",
        geometry_name="geometry",
        geometry_type="Unknown",
        crs="OGC:CRS84",
    )


def write_geoparquet(blocks: Iterable[Sequence[Label]], path: Path) -> None:
    """GeoParquet 1.1, WKB in OGC:CRS84, ZSTD."""
    geo = geo_metadata([], (0.0, 0.0, 0.0, 0.0), covering=False)
    # The key stands in the schema, which is written before the labels are seen; types and bounds may be left out.
    del geo["columns"]["geometry"]["bbox"]
    schema = _SCHEMA.with_metadata({"geo": json.dumps(geo)})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(blocks):
            writer.write_batch(batch.cast(schema))


def _batches(blocks: Iterable[Sequence[Label]]) -> Iterator[pa.RecordBatch]:
    for block in blocks:
        columns: dict[str, list[Any]] = {
            "id": [label.id for label in block],
            **{name: [label.said[name] for label in block] for name in FIELDS},
            "revision": [label.revision for label in block],
            "made_by": [label.maker for label in block],
            "made_at": [label.made_at for label in block],
            "changed_at": [label.changed_at for label in block],
            "geometry": [label.wkb for label in block],
        }
        arrays = [pa.array(columns[name], kind) for name, kind in _COLUMNS.items()]
        yield pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)
