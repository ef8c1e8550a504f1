"""What a sample table must be: kinds of columns, and values in the units that the channels are in.

Everything here either passes or says which column of which file is wrong, and what to do about it: a wrong unit gives
vectors that look right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from surco.encoder.channels import CHANNELS, INDEX, OPTICAL, describe
from surco.encoder.errors import SamplesError
from surco.encoder.protocol import Bools, Dates, Floats

__all__ = [
    "KNOWN",
    "NDVI",
    "check_columns",
    "check_dates",
    "check_places",
    "check_units",
    "ignored_columns",
    "reads_ndvi",
]

NDVI = "ndvi"
"""A column read in place of `red` and `nir` where a table has neither."""

KNOWN = ("sample_id", "lon", "lat", "label", "group", "dates", "elevation", "slope")
"""Columns that are no channel."""

_FIRST_DAY, _LAST_DAY = np.datetime64("1972-01-01"), np.datetime64("2100-01-01")
_LARGEST_NUMBER = 20_000.0
"""The largest reflectance in ten-thousandths; more than that is a fill value, such as 65535."""
_LOWEST_DB = -60.0
_NUMBERS = ("lon", "lat", "elevation", "slope")


def check_columns(schema: pa.Schema, source: Path) -> None:
    """Refuse a schema without `dates` or any channel, with a name twice, or with a column of another kind.

    Raises:
        SamplesError: names the column, what it holds and what it should.
    """
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise SamplesError(
            f"{source}: expected each column once, got `{twice[0]}` {schema.names.count(twice[0])} times. "
            "Remove or rename one of them."
        )
    if "dates" not in schema.names:
        raise SamplesError(
            f"{source}: expected a column `dates` of lists of dates, got the columns {schema.names}. "
            "See docs/samples.md."
        )
    _check_kind(schema.field("dates"), "lists of dates", pa.types.is_temporal, source)
    channels = [name for name in (*CHANNELS, NDVI) if name in schema.names]
    if not channels:
        raise SamplesError(
            f"{source}: expected at least one channel of {', '.join(CHANNELS)} (or `ndvi` alone), got the columns "
            f"{schema.names}. Rename the channels to STAC common names."
        )
    for name in channels:
        _check_kind(schema.field(name), "lists of numbers", _is_number, source)
    for name in set(_NUMBERS) & set(schema.names):
        if not _is_number(schema.field(name).type):
            raise SamplesError(
                f"{source}: expected numbers in `{name}`, got {schema.field(name).type}. "
                "Write one number a row, in degrees or metres."
            )


def ignored_columns(schema: pa.Schema) -> tuple[str, ...]:
    """Columns that nothing reads, in the table's order."""
    known = {*KNOWN, *CHANNELS} | ({NDVI} if reads_ndvi(schema.names) else set())
    return tuple(name for name in schema.names if name not in known)


def reads_ndvi(names: Sequence[str]) -> bool:
    """Whether a table's `ndvi` stands for its red and near infrared, because it has neither."""
    return NDVI in names and not {"red", "nir"} & set(names)


def check_dates(day: Dates, inside: Bools, source: Path, first: int) -> None:
    """Refuse null dates, and dates no satellite saw the land at; `day` and `inside` (N, T), row numbers from `first`.

    Raises:
        SamplesError: names the row and the date.
    """
    wrong = inside & (np.isnat(day) | (day < _FIRST_DAY) | (day >= _LAST_DAY))
    if wrong.any():
        row, place = np.argwhere(wrong)[0].tolist()
        what = "a null" if np.isnat(day[row, place]) else str(day[row, place])
        raise SamplesError(
            f"{source}: expected dates between 1972 and 2100, row {first + row} has {what}. "
            "Remove the observation, or check the unit that its date was written in."
        )


def check_places(lonlat: Floats, source: Path, first: int) -> None:
    """Refuse places that are not in degrees; `lonlat` (N, 2), NaN where unknown.

    Raises:
        SamplesError: names the column, the row and the value.
    """
    for column, (name, limit) in enumerate((("lon", 180.0), ("lat", 90.0))):
        wrong = np.abs(lonlat[:, column]) > limit
        if wrong.any():
            row = int(np.argmax(wrong))
            raise SamplesError(
                f"{source}: expected degrees from -{limit:.0f} to {limit:.0f} in `{name}`, row {first + row} has "
                f"{lonlat[row, column]:g}. Give longitude and latitude, OGC:CRS84."
            )


def check_units(values: Floats, finite: Bools, source: Path) -> None:
    """Refuse reflectance in ten-thousandths or percent, radar in linear power, temperature in degrees Celsius.

    Judged by the column's median over values (N, T, 14) where `finite`, so that single outliers and fill values
    (-9999, 65535) do not count. Columns without a plausible value but with several different ones are refused too.

    Raises:
        SamplesError: names the column, its median and the remedy.
    """
    for name in CHANNELS:
        seen = values[..., INDEX[name]][finite[..., INDEX[name]]]
        if not seen.size:
            continue
        if INDEX[name] in OPTICAL:
            _check_reflectance(name, seen, source)
        elif name in ("vv", "vh"):
            _check_decibels(name, seen, source)
        elif name == "temperature":
            _check_kelvin(seen, source)
        _check_range(name, seen, source)


def _check_reflectance(name: str, seen: Floats, source: Path) -> None:
    plausible = seen[(seen >= 0) & (seen <= _LARGEST_NUMBER)]
    median = float(np.median(plausible)) if plausible.size else 0.0
    if median > 2.0:
        unit, divisor = ("ten-thousandths", 10_000) if median > 100.0 else ("percent", 100)
        raise SamplesError(
            f"{source}: expected reflectance between 0 and 1 in `{name}`, got a median of {median:.4g}, which looks "
            f"like {unit}. Divide by {divisor}, or say so: reflectance_scale={1 / divisor:g}."
        )


def _check_decibels(name: str, seen: Floats, source: Path) -> None:
    plausible = seen[seen > _LOWEST_DB]
    if plausible.size and float(np.median(plausible)) >= 0.0:
        raise SamplesError(
            f"{source}: expected decibels in `{name}`, got mostly positive values "
            f"(median {float(np.median(plausible)):.4g}), "
            "which looks like linear power. Convert with 10 * log10."
        )


def _check_kelvin(seen: Floats, source: Path) -> None:
    median = float(np.median(seen))
    if -60.0 <= median <= 60.0:
        raise SamplesError(
            f"{source}: expected kelvin in `temperature`, got a median of {median:.4g}, which looks like degrees "
            "Celsius. Add 273.15."
        )


def _check_range(name: str, seen: Floats, source: Path) -> None:
    channel = describe(name)
    if ((seen >= channel.low) & (seen <= channel.high)).any() or bool((seen == seen[0]).all()):
        return
    raise SamplesError(
        f"{source}: expected {channel.unit} from {channel.low:g} to {channel.high:g} in `{name}`, got only values "
        f"outside, from {float(seen.min()):.4g} to {float(seen.max()):.4g}. Convert the column, or remove it."
    )


def _check_kind(field: pa.Field[Any], wanted: str, fits: Callable[[pa.DataType], bool], source: Path) -> None:
    kind = field.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not fits(kind.value_type):
        raise SamplesError(
            f"{source}: expected {wanted} in `{field.name}`, got {kind}. "
            "Write one list a row, as long as the row's `dates`; see docs/samples.md."
        )


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )
