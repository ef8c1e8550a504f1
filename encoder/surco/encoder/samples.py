"""Tables of labelled series, one row a sample: reading them as arrays, and embedding them.

The layout is that of `docs/samples.md`: `sample_id, lon, lat, label, group`, a list of `dates`, a list of the same
length for each channel that was measured, then `elevation` and `slope` where known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from surco.embedstore import quantize
from surco.encoder.channels import CHANNELS, INDEX, OPTICAL, describe
from surco.encoder.errors import SamplesError
from surco.encoder.protocol import Bools, Dates, Encoder, Floats

__all__ = ["EmbedReport", "SampleSeries", "embed_samples", "read_samples", "series_of"]

KEPT = ("sample_id", "lon", "lat", "label", "group")
BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class SampleSeries:
    """N series of up to T dates: what an `Encoder` takes, with labels and spatial groups where the table has them.

    `values` and `valid` (N, T, 14), `dates` (N, T) datetime64[D], `lonlat` (N, 2), `static` (N, 2); `sample_id`,
    `label` and `group` (N,) strings, empty where the table has none. Shorter series are filled up with invalid dates.
    """

    values: Floats
    valid: Bools
    dates: Dates
    lonlat: Floats
    static: Floats
    sample_id: np.ndarray
    label: np.ndarray
    group: np.ndarray


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What `embed_samples` did: rows written, rows without any valid value, channels found."""

    rows: int
    without_value: int
    channels: tuple[str, ...]


def read_samples(path: Path | str) -> SampleSeries:
    """Read a whole sample table.

    Raises:
        SamplesError: not Parquet, empty, without `dates` or any channel, or with lists of unequal length.
    """
    source = Path(path)
    return series_of(pa.Table.from_batches(list(_batches(source))).combine_chunks(), source)


def series_of(table: pa.Table, source: Path) -> SampleSeries:
    """Arrays of one table or batch of samples; `source` is named in errors."""
    n = table.num_rows
    dates = table["dates"].combine_chunks() if isinstance(table["dates"], pa.ChunkedArray) else table["dates"]
    lengths = np.asarray(pc.fill_null(pc.list_value_length(dates), 0))
    if (lengths == 0).any():
        raise SamplesError(
            f"{source}: expected at least one date a row, row {int(np.argmin(lengths))} has none. "
            "Remove rows without dates."
        )
    width = int(lengths.max())
    inside = np.arange(width) < lengths[:, None]  # (N, T)
    day = np.zeros((n, width), "datetime64[D]")
    day[inside] = np.asarray(pc.list_flatten(dates).cast(pa.date32())).astype("datetime64[D]")
    day = np.where(inside, day, day[:, :1])
    values = np.zeros((n, width, len(CHANNELS)), np.float32)
    for name in _channels(table.schema):
        values[..., INDEX[name]] = _column(table, name, lengths, inside, source)
    for name in set(CHANNELS) - set(_channels(table.schema)):
        values[..., INDEX[name]] = np.nan
    valid = np.isfinite(values) & inside[..., None]
    _check_units(values, valid, source)
    valid &= _measured(values)
    return SampleSeries(
        np.where(valid, values, np.float32(0)),
        valid,
        day,
        _floats(table, ("lon", "lat")),
        _floats(table, ("elevation", "slope")),
        *(_strings(table, name) for name in ("sample_id", "label", "group")),
    )


def embed_samples(
    path: Path | str,
    out: Path | str,
    encoder: Encoder,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> EmbedReport:
    """Embed every row of a sample table into `out` (Parquet), which appears whole or not at all.

    `out` keeps `sample_id, lon, lat, label, group` and gets `embedding` (fixed_size_list<int8, D>) and
    `embedding_scale` (float32): vector = embedding x embedding_scale. A row without any valid value gets nulls.

    Raises:
        SamplesError: see `read_samples`; or `out` cannot be written.
    """
    source, target = Path(path), Path(out)
    total = _metadata(source).num_rows
    part = target.with_name(f".{target.name}.part")
    rows = missing = 0
    channels: tuple[str, ...] = ()
    writer: pq.ParquetWriter | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for batch in _batches(source):
            table = pa.Table.from_batches([batch])
            channels = _channels(table.schema)
            embedded = _embed(table, source, encoder)
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
    return EmbedReport(rows, missing, channels)


def _embed(table: pa.Table, source: Path, encoder: Encoder) -> pa.Table:
    series = series_of(table, source)
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


def _batches(source: Path) -> Iterator[pa.RecordBatch]:
    if _metadata(source).num_rows == 0:
        raise SamplesError(f"Expected at least one row, {source} has none. Give a table with samples.")
    file = pq.ParquetFile(source)
    schema = file.schema_arrow
    if "dates" not in schema.names or not pa.types.is_list(schema.field("dates").type):
        raise SamplesError(
            f"{source}: expected a column `dates` of lists of dates, got the columns {schema.names}. "
            "See docs/samples.md."
        )
    if not _channels(schema):
        raise SamplesError(
            f"{source}: expected at least one channel of {', '.join(CHANNELS)}, got the columns {schema.names}. "
            "Rename the channels to STAC common names."
        )
    yield from file.iter_batches(BATCH_ROWS)


def _channels(schema: pa.Schema) -> tuple[str, ...]:
    return tuple(name for name in CHANNELS if name in schema.names)


def _column(table: pa.Table, name: str, lengths: np.ndarray, inside: Bools, source: Path) -> Floats:
    column = table[name].combine_chunks() if isinstance(table[name], pa.ChunkedArray) else table[name]
    own = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    present = np.asarray(column.is_valid())
    wrong = present & (own != lengths)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise SamplesError(
            f"{source}: expected as many values as dates, row {row} has {own[row]} of `{name}` for "
            f"{lengths[row]} dates. "
            "Make the lists equally long."
        )
    out = np.full(inside.shape, np.nan, np.float32)
    flat = np.asarray(pc.list_flatten(column).cast(pa.float32()).fill_null(float("nan")))
    out[inside & present[:, None]] = flat
    return out


def _measured(values: Floats) -> Bools:
    """Values that can be measurements: inside their channel's range, and not a date of all-zero reflectance.

    Many archives write a missing optical date as zero in every band; nothing on earth reflects exactly nothing.
    """
    low = np.array([describe(name).low for name in CHANNELS], np.float32)
    high = np.array([describe(name).high for name in CHANNELS], np.float32)
    ok = (values >= low) & (values <= high)
    optical = values[..., list(OPTICAL)]
    dark = (np.nan_to_num(optical) == 0).all(axis=-1)
    ok[..., list(OPTICAL)] &= ~dark[..., None]
    out: Bools = ok
    return out


def _check_units(values: Floats, valid: Bools, source: Path) -> None:
    """Refuse reflectances in thousands and radar in linear power: both would give vectors that look right."""
    for i in OPTICAL:
        seen = values[..., i][valid[..., i]]
        if seen.size and float(np.median(seen)) > 2.0:
            raise SamplesError(
                f"{source}: expected reflectance between 0 and 1 in `{CHANNELS[i]}`, got a median of "
                f"{float(np.median(seen)):.4g}. Divide by 10000."
            )
    for name in ("vv", "vh"):
        seen = values[..., INDEX[name]][valid[..., INDEX[name]]]
        if seen.size and float(seen.min()) >= 0.0:
            raise SamplesError(
                f"{source}: expected decibels in `{name}`, got only positive values "
                f"(median {float(np.median(seen)):.4g}), "
                "which looks like linear power. Convert with 10 * log10."
            )


def _floats(table: pa.Table, names: tuple[str, str]) -> Floats:
    columns = [
        table[n].cast(pa.float32()).to_numpy()
        if n in table.column_names
        else np.full(table.num_rows, np.nan, np.float32)
        for n in names
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _strings(table: pa.Table, name: str) -> np.ndarray:
    if name not in table.column_names:
        return np.full(table.num_rows, "", dtype=object)
    return np.array([text or "" for text in table[name].cast(pa.string()).to_pylist()], dtype=object)
