"""A sample table's rows as arrays that an encoder takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from surco.encoder.channels import CHANNELS, INDEX, OPTICAL, describe
from surco.encoder.errors import SamplesError
from surco.encoder.protocol import Bools, Dates, Floats
from surco.encoder.sample_checks import NDVI, check_dates, check_places, check_units, reads_ndvi

__all__ = ["SampleSeries", "channels_of", "series_of"]


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


def channels_of(schema: pa.Schema) -> tuple[str, ...]:
    """Names of the channels that a table has, in array order."""
    return tuple(name for name in CHANNELS if name in schema.names)


def series_of(
    table: pa.Table, source: Path, *, reflectance_scale: float = 1.0, first: int = 0
) -> SampleSeries:
    """Arrays of one table of samples; `source` and rows from `first` on are named in errors."""
    days, lengths = _flat(table["dates"], pa.date32())
    if (lengths == 0).any():
        raise SamplesError(
            f"{source}: expected at least one date a row, row {first + int(np.argmin(lengths))} has none. "
            "Remove rows without dates."
        )
    inside = np.arange(int(lengths.max())) < lengths[:, None]  # (N, T)
    day = np.full(inside.shape, np.datetime64("NaT"), "datetime64[D]")
    day[inside] = days
    check_dates(day, inside, source, first)
    day = np.where(inside, day, day[:, :1])
    values = np.full((*inside.shape, len(CHANNELS)), np.nan, np.float32)
    for name in channels_of(table.schema):
        values[..., INDEX[name]] = _column(table, name, lengths, inside, source, first)
    values[..., list(OPTICAL)] *= np.float32(reflectance_scale)
    if reads_ndvi(table.column_names):
        ndvi = _column(table, NDVI, lengths, inside, source, first)
        values[..., INDEX["red"]], values[..., INDEX["nir"]] = _red_and_nir(ndvi, source)
    finite = np.isfinite(values) & inside[..., None]
    check_units(values, finite, source)
    valid = finite & _measured(values)
    lonlat = _floats(table, ("lon", "lat"))
    check_places(lonlat, source, first)
    return SampleSeries(
        *_merge_same_days(np.where(valid, values, np.float32(0)), valid, day),
        day,
        lonlat,
        _floats(table, ("elevation", "slope")),
        *(_strings(table, name) for name in ("sample_id", "label", "group")),
    )


def _merge_same_days(values: Floats, valid: Bools, day: Dates) -> tuple[Floats, Bools]:
    """Observations of one row and day as one: the mean by channel, kept at the first of them (N, T, 14)."""
    order = np.argsort(day, axis=1, kind="stable")
    sorted_days = np.take_along_axis(day, order, axis=1)
    any_valid = np.take_along_axis(valid.any(axis=2), order, axis=1)
    rows = np.flatnonzero(((np.diff(sorted_days, axis=1).astype(int) == 0) & any_valid[:, 1:]).any(axis=1))
    for row in rows:
        _, firsts, which = np.unique(day[row], return_index=True, return_inverse=True)
        seen = np.zeros((len(firsts), len(CHANNELS)))
        total = np.zeros_like(seen)
        np.add.at(seen, which, valid[row])
        np.add.at(total, which, values[row] * valid[row])
        values[row], valid[row] = 0, False
        values[row, firsts] = total / np.maximum(seen, 1)
        valid[row, firsts] = seen > 0
    return values, valid


def _flat(column: pa.ChunkedArray[Any], kind: pa.DataType) -> tuple[np.ndarray, np.ndarray]:
    """All values of a column of lists, one after another, and the length of each row's list (0 for a null)."""
    whole: Any = column.cast(pa.list_(column.type.value_type)).combine_chunks()
    lengths = np.asarray(pc.fill_null(pc.list_value_length(whole), 0))
    return np.asarray(pc.list_flatten(whole).cast(kind, safe=False)), lengths


def _column(
    table: pa.Table, name: str, lengths: np.ndarray, inside: Bools, source: Path, first: int
) -> Floats:
    flat, own = _flat(table[name], pa.float32())
    present = np.asarray(table[name].is_valid())
    wrong = present & (own != lengths)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise SamplesError(
            f"{source}: expected as many values as dates, row {first + row} has {own[row]} of `{name}` for "
            f"{lengths[row]} dates. "
            "Make the lists equally long."
        )
    out = np.full(inside.shape, np.nan, np.float32)
    out[inside & present[:, None]] = flat
    return out


def _red_and_nir(ndvi: Floats, source: Path) -> tuple[Floats, Floats]:
    """Red and near infrared of an NDVI alone, as of land that reflects 0.4 in both together.

    Their ratio is exact; the sum is a usual one for soil and crops, and says nothing about this place.
    """
    seen = np.abs(ndvi[np.isfinite(ndvi)])
    if seen.size and float(np.median(seen)) > 1.0:
        raise SamplesError(
            f"{source}: expected NDVI between -1 and 1 in `{NDVI}`, got a median of {float(np.median(seen)):.4g}. "
            "Divide by its scale (often 100 or 10000)."
        )
    inside = np.where(np.abs(ndvi) <= 1.0, ndvi, np.float32(np.nan))
    return np.float32(0.2) * (1 - inside), np.float32(0.2) * (1 + inside)


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
