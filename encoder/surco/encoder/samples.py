"""Tables of labelled series, one row a sample: reading them as arrays, and embedding them.

The layout is that of `docs/samples.md`: `sample_id, lon, lat, label, group`, a list of `dates`, a list of the same
length for each channel that was measured, then `elevation` and `slope` where known.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from surco.embedstore import quantize
from surco.encoder.errors import SamplesError
from surco.encoder.protocol import Bools, Encoder
from surco.encoder.sample_checks import NDVI, check_columns, ignored_columns, reads_ndvi
from surco.encoder.sample_series import SampleSeries, channels_of, series_of

__all__ = ["EmbedReport", "SampleSeries", "SamplesWarning", "embed_samples", "read_samples"]

KEPT = ("sample_id", "lon", "lat", "label", "group")
BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What `embed_samples` did: rows written, rows without any valid value, channels found, columns not read."""

    rows: int
    without_value: int
    channels: tuple[str, ...]
    ignored: tuple[str, ...] = ()


class SamplesWarning(UserWarning):
    """A sample table that was read, but not all of it."""


def read_samples(path: Path | str, *, reflectance_scale: float = 1.0) -> SampleSeries:
    """Read a whole sample table.

    Args:
        path: a Parquet file.
        reflectance_scale: what the optical columns are multiplied by to give reflectance (0..1); 0.0001 for
            ten-thousandths. Nothing is ever scaled by guess.

    Raises:
        SamplesError: not Parquet, empty, without `dates` or any channel, with columns of another kind, lists of
            unequal length, impossible dates or places, or values in other units.

    Warns:
        SamplesWarning: columns that nothing reads.
    """
    source = Path(path)
    _warn(_check_file(source, reflectance_scale), source)
    return series_of(
        pa.Table.from_batches(list(_batches(source))), source, reflectance_scale=reflectance_scale
    )


def embed_samples(
    path: Path | str,
    out: Path | str,
    encoder: Encoder,
    *,
    reflectance_scale: float = 1.0,
    progress: Callable[[int, int, str], None] | None = None,
) -> EmbedReport:
    """Embed every row of a sample table into `out` (Parquet), which appears whole or not at all.

    `out` keeps `sample_id, lon, lat, label, group` and gets `embedding` (fixed_size_list<int8, D>) and
    `embedding_scale` (float32): vector = embedding x embedding_scale. A row without any valid value gets nulls.

    Args:
        path: a sample table.
        out: Parquet file to write.
        encoder: whose vectors.
        reflectance_scale: see `read_samples`.
        progress: called as `progress(done, total, text)`, in rows.

    Raises:
        SamplesError: see `read_samples`; or `out` cannot be written.

    Warns:
        SamplesWarning: columns that nothing reads.
    """
    source, target = Path(path), Path(out)
    schema = _check_file(source, reflectance_scale)
    _warn(schema, source)
    total = _metadata(source).num_rows
    channels = (*channels_of(schema), *((NDVI,) if reads_ndvi(schema.names) else ()))
    part = target.with_name(f".{target.name}.part")
    rows = missing = 0
    writer: pq.ParquetWriter | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for batch in _batches(source):
            table = pa.Table.from_batches([batch])
            embedded = _embed(table, source, encoder, reflectance_scale, rows)
            writer = writer or pq.ParquetWriter(part, embedded.schema, compression="zstd")
            writer.write_table(embedded)
            rows += table.num_rows
            missing += embedded["embedding"].null_count
            if progress:
                progress(rows, total, "embedding")
        if writer is not None:
            writer.close()
            part.replace(target)
    except OSError as error:
        raise SamplesError(
            f"Expected to write {target}, got: {error}. Choose a folder you may write to."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return EmbedReport(rows, missing, channels, ignored_columns(schema))


def _embed(table: pa.Table, source: Path, encoder: Encoder, reflectance_scale: float, first: int) -> pa.Table:
    series = series_of(table, source, reflectance_scale=reflectance_scale, first=first)
    vectors = encoder.encode(series.values, series.valid, series.dates, series.lonlat, series.static)
    seen: Bools = np.asarray(np.isfinite(vectors).all(axis=1))
    stored, scale = quantize(np.where(seen[:, None], vectors, np.float32(0)))
    embedding = pa.FixedSizeListArray.from_arrays(
        pa.array(stored.reshape(-1)), encoder.dimension, mask=pa.array(~seen)
    )
    kept = table.select([name for name in KEPT if name in table.column_names])
    meta = {
        "model_id": encoder.model_id,
        "dimension": encoder.dimension,
        "quantization": "vector = embedding * embedding_scale",
    }
    return (
        kept.append_column("embedding", embedding)
        .append_column("embedding_scale", pa.array(scale, mask=~seen))
        .replace_schema_metadata({"emb": json.dumps(meta)})
    )


def _metadata(source: Path) -> pq.FileMetaData:
    if not source.is_file():
        raise SamplesError(f"Expected a Parquet file of samples, found nothing at {source}. Check the path.")
    try:
        return pq.read_metadata(source)
    except (pa.ArrowInvalid, OSError) as error:
        raise SamplesError(
            f"Expected a Parquet file of samples, {source} is none ({error}). See docs/samples.md."
        ) from error


def _check_file(source: Path, scale: float) -> pa.Schema:
    """The schema of a sample table that can be read, with rows."""
    if not (math.isfinite(scale) and scale > 0):
        raise SamplesError(
            f"Expected a reflectance scale above 0, got {scale}. Write 0.0001 for ten-thousandths."
        )
    if _metadata(source).num_rows == 0:
        raise SamplesError(f"Expected at least one row, {source} has none. Give a table with samples.")
    schema = pq.read_schema(source)
    check_columns(schema, source)
    return schema


def _warn(schema: pa.Schema, source: Path) -> None:
    ignored = ignored_columns(schema)
    if ignored:
        warnings.warn(
            f"{source}: nothing reads the columns {', '.join(ignored)}. "
            "If one of them is a channel, rename it to its STAC common name (docs/samples.md).",
            SamplesWarning,
            stacklevel=3,
        )


def _batches(source: Path) -> Iterator[pa.RecordBatch]:
    yield from pq.ParquetFile(source).iter_batches(BATCH_ROWS)
