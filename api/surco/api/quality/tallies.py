"""One pass over a table: how much was seen, by comuna, as counts that hold any table in a few megabytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore import comunas
from surco.embedstore.files import read_batches
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import table_vectors

__all__ = ["SEEN", "Tally", "tally_of"]

_BATCH = 65_536
_COUNTS = 401
"""Scenes of a season that are told apart: more count as 400."""

SEEN: Mapping[str, float] = {"valid_fraction": 100.0, "n_optical": 1.0, "n_radar": 1.0}
"""What is tallied, with the steps of one that it is counted in."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts by place: P comunas, of which the first stands for all places whose comuna is not known.

    Attributes:
        codes: (P,) official codes, 0 first.
        rows: (P,).
        directionless: (P,) rows whose vector is all zeros.
        seen: (P, 401) rows by value, for each of `SEEN`; nulls are in none.
        missing: (P, 12) rows whose NDVI is null in a month of the season.
    """

    codes: Counts
    rows: Counts
    directionless: Counts
    seen: Mapping[str, Counts]
    missing: Counts


def tally_of(source: Source) -> Tally:
    """Count a table's rows, batch by batch.

    Raises:
        StoreError: a damaged file.
    """
    codes = np.append(0, np.sort(comunas()["cut"].to_numpy())).astype(np.int64)
    places = np.zeros(1 << 16, np.int64)
    places[codes] = np.arange(len(codes))
    count = len(codes)
    rows, missing = np.zeros(count, np.int64), np.zeros((count, 12), np.int64)
    seen = {name: np.zeros((count, _COUNTS), np.int64) for name in SEEN}
    for file in source.info.files:
        for batch in read_batches(file, _BATCH, ["comuna", "ndvi", *SEEN]):
            place = places[batch.column("comuna").fill_null(0).to_numpy(zero_copy_only=False)]
            rows += np.bincount(place, minlength=count)
            for name, steps in SEEN.items():
                seen[name] += _by_value(batch.column(name), place, steps, count)
            missing += _nulls_by_month(batch.column("ndvi"), place, count)
    vectors = table_vectors(source)
    flat = np.flatnonzero(~np.isfinite(vectors.inverse_length))
    directionless = np.bincount(places[vectors.comuna[flat]], minlength=count)
    return Tally(codes, rows, directionless, seen, missing)


def _by_value(column: pa.Array[Any], place: Counts, steps: float, count: int) -> Counts:
    """(P, 401) rows by place and value."""
    held = column.is_valid().to_numpy(zero_copy_only=False)
    values = column.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
    number = np.clip(np.rint(values * steps), 0, _COUNTS - 1).astype(np.int64)
    return np.bincount(place[held] * _COUNTS + number, minlength=count * _COUNTS).reshape(count, _COUNTS)


def _nulls_by_month(column: Any, place: Counts, count: int) -> Counts:
    """(P, 12); a row without NDVI lacks all months."""
    lists = column.is_valid().to_numpy(zero_copy_only=False)
    found = np.ones((len(column), 12), np.bool_)
    found[lists] = column.drop_null().flatten().is_null().to_numpy(zero_copy_only=False).reshape(-1, 12)
    return np.stack([np.bincount(place[found[:, month]], minlength=count) for month in range(12)], axis=1)
