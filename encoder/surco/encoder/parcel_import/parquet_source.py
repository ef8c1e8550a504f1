"""GeoParquet through pyarrow, as a stream of batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from surco.encoder.parcel_import.features import BATCH, Features, Source, shapes_of, storage_of, text_checked
from surco.encoder.parcels import ParcelError

__all__ = ["parquet_source"]

_LON_LAT = "OGC:CRS84"
_MAX_ROW_GROUP = 2 << 30


@contextmanager
def parquet_source(path: Path) -> Iterator[Source]:
    """Open a GeoParquet file with WKB outlines; other geometry columns and its `bbox` covering are left out.

    Raises:
        ParcelError: damaged, no `geo` key, outlines that are not WKB, or row groups too large for memory.
    """
    with _reading(path):
        file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    with file:
        with _reading(path):
            geo = json.loads({k.decode(): v for k, v in (file.schema_arrow.metadata or {}).items()}["geo"])
            outline, described = geo["primary_column"], geo["columns"]
            column = described[outline]
            _check(path, file, outline, column)
            covering = (column.get("covering") or {}).get("bbox", {}).get("xmin", [None])[0]
            left_out = {*described, covering}
            kept = [name for name in file.schema_arrow.names if name not in left_out]
            schema = pa.schema(
                [pa.field(name, storage_of(file.schema_arrow.field(name).type)) for name in kept]
            )
        batches = _batches(path, file, outline, kept)
        crs = column.get("crs", _LON_LAT)
        yield Source("GeoParquet", "", crs, schema, None, file.metadata.num_rows, batches)


def _check(path: Path, file: pq.ParquetFile, outline: str, column: dict[str, Any]) -> None:
    kind = file.schema_arrow.field(outline).type
    if column.get("encoding") != "WKB" or not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise ParcelError(
            f"Expected outlines as WKB in {path}; got {column.get('encoding')!r} of type {kind}. "
            "Write the file with the encoding WKB."
        )
    groups = range(file.metadata.num_row_groups)
    largest = max((file.metadata.row_group(group).total_byte_size for group in groups), default=0)
    if largest > _MAX_ROW_GROUP:
        raise ParcelError(
            f"Expected row groups of at most {_MAX_ROW_GROUP >> 30} GiB in {path}; got one of {largest:,} bytes. "
            "Write the file with smaller row groups."
        )


def _batches(path: Path, file: pq.ParquetFile, outline: str, kept: list[str]) -> Iterator[Features]:
    first = 0
    batches = file.iter_batches(BATCH, columns=[outline, *kept])
    while True:
        with _reading(path):
            batch = next(batches, None)
        if batch is None:
            return
        shapes, fault, repair = shapes_of(batch.column(outline).cast(pa.binary()))
        number = np.arange(first, first + batch.num_rows)
        yield Features(first, shapes, fault, repair, text_checked(batch.select(kept)), number)
        first += batch.num_rows


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What cannot be read, in words."""
    try:
        yield
    except KeyError as error:
        raise _refusal(path, f"no {error} in its metadata") from error
    except (
        pa.ArrowException,
        OSError,
        json.JSONDecodeError,
        UnicodeDecodeError,
        TypeError,
        AttributeError,
    ) as error:
        raise _refusal(path, repr(" ".join(str(error).split())[:200])) from error


def _refusal(path: Path, came: str) -> ParcelError:
    return ParcelError(
        f"Expected GeoParquet with outlines as WKB in {path}; got {came}. "
        "Export the parcels as GeoParquet or GeoPackage."
    )
