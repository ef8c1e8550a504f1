"""Monthly NDVI of series: what the forecast head reads, and what it is scored against.

A month's NDVI is the median over its dates, as composites of scenes are medians of a month. NDVI is
(nir - red) / (nir + red) (Rouse et al. 1974).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from surco.encoder.channels import INDEX
from surco.encoder.protocol import Bools, Dates, Floats

__all__ = ["MonthlyNdvi", "Months", "Series", "monthly_ndvi", "seen_until"]

Months = npt.NDArray[np.datetime64]
"""Calendar months as datetime64[M]."""


class Series(Protocol):
    """N series as sample tables and the synthetic country hold them; shapes as in `Encoder.encode`, dates (N, T)."""

    @property
    def values(self) -> Floats:
        """(N, T, 14)."""

    @property
    def valid(self) -> Bools:
        """(N, T, 14)."""

    @property
    def dates(self) -> Dates:
        """(N, T)."""

    @property
    def lonlat(self) -> Floats:
        """(N, 2) degrees."""

    @property
    def static(self) -> Floats:
        """(N, 2) elevation in m, slope in degrees."""


@dataclass(frozen=True, slots=True)
class MonthlyNdvi:
    """NDVI of N series by calendar month.

    `values` (N, M), NaN where unseen; column k of row n is the month `first[n]` + k.
    """

    values: Floats
    first: Months

    def take(self, rows: npt.NDArray[np.int64]) -> MonthlyNdvi:
        """Those rows, in that order."""
        return MonthlyNdvi(self.values[rows], self.first[rows])

    def at(self, month: Months) -> Floats:
        """NDVI in a month of each row: (N,) or (N, K) months -> the same shape, NaN where unseen or outside."""
        wanted = month if month.ndim == 2 else month[:, None]
        column = (wanted - self.first[:, None]).astype(np.int64)
        inside = (column >= 0) & (column < self.values.shape[1])
        found = np.take_along_axis(self.values, np.clip(column, 0, self.values.shape[1] - 1), axis=1)
        out: Floats = np.where(inside, found, np.float32(np.nan)).reshape(month.shape)
        return out

    def last_seen(self) -> Months:
        """The latest month with a value of each row (N,); NaT where there is none."""
        seen = np.isfinite(self.values)
        last = self.values.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)
        month = self.first + last.astype("timedelta64[M]")
        return np.where(seen.any(axis=1), month, np.datetime64("NaT", "M"))


def seen_until(valid: Bools, dates: Dates, as_of: Dates) -> Bools:
    """What of `valid` (N, T, C) was there on the day `as_of` (N,), that day included; `dates` (N, T)."""
    return valid & (dates <= as_of[:, None])[..., None]


def monthly_ndvi(values: Floats, valid: Bools, dates: Dates) -> MonthlyNdvi:
    """Medians by month of series (N, T, 14) at `dates` (N, T), in the order of `channels.CHANNELS`."""
    red, nir = values[..., INDEX["red"]], values[..., INDEX["nir"]]
    total = red + nir
    seen = valid[..., INDEX["red"]] & valid[..., INDEX["nir"]] & (total > 0)
    ndvi = np.clip((nir - red) / np.where(seen, total, np.float32(1)), -1, 1)
    month = dates.astype("datetime64[M]")
    first = month.min(axis=1)
    column = (month - first[:, None]).astype(np.int64)
    out = np.full((len(values), int(column.max()) + 1), np.nan, np.float32)
    for k in range(out.shape[1]):
        inside = seen & (column == k)
        rows = np.flatnonzero(inside.any(axis=1))
        out[rows, k] = np.nanmedian(np.where(inside[rows], ndvi[rows], np.nan), axis=1)
    return MonthlyNdvi(out, first)
