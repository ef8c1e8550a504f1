"""Counts of what changed in the rows of a table, place by place, added up part by part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore.changes.rows import Matched
from surco.embedstore.schema import fixed_size_matrix

__all__ = ["COLUMNS", "DISTANCES", "ChangeTally", "distances_of"]

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

COLUMNS = ("embedding", "embedding_scale", "ndvi", "n_optical", "n_radar", "comuna")
"""What a tally needs of the rows."""

DISTANCES: npt.NDArray[np.float64] = np.concatenate([[0.0], np.logspace(-6, np.log10(2.0), 1200)])
"""Edges of the bins of 1 - cosine: quantiles are exact to 1.3 % of their value, or to a millionth."""

_CODES = 1 << 16


@dataclass(slots=True)
class ChangeTally:
    """Counts by comuna code (0 where it is not known), of one pair of tables.

    Attributes:
        rows: (5, 65536) added, removed, changed, same, and without a vector on one side.
        distance: of each comuna that has some, (bins,) rows whose vectors changed, by 1 - cosine.
        optical, radar: (65536,) observations more than before, of the rows of both.
        months: (2, 12, 65536) rows that gained, and that lost, the NDVI of a month.
    """

    rows: Counts = field(default_factory=lambda: np.zeros((5, _CODES), np.int64))
    distance: dict[int, Counts] = field(default_factory=dict)
    optical: Counts = field(default_factory=lambda: np.zeros(_CODES, np.int64))
    radar: Counts = field(default_factory=lambda: np.zeros(_CODES, np.int64))
    months: Counts = field(default_factory=lambda: np.zeros((2, 12, _CODES), np.int64))

    ADDED, REMOVED, CHANGED, SAME, DARK = range(5)

    def add(self, matched: Matched, distance: Floats) -> None:
        """Count a part's rows; `distance` as `distances_of` gives it."""
        for kind, rows in ((self.ADDED, matched.added), (self.REMOVED, matched.removed)):
            self.rows[kind] += np.bincount(_codes(rows), minlength=_CODES)
        codes = _codes(matched.after)
        if not len(codes):
            return
        changed, dark = distance > 0, np.isnan(distance)
        for kind, rows_ in ((self.CHANGED, changed), (self.SAME, distance == 0), (self.DARK, dark)):
            self.rows[kind] += np.bincount(codes[rows_], minlength=_CODES)
        self._distances(codes[changed], distance[changed])
        for total, name in ((self.optical, "n_optical"), (self.radar, "n_radar")):
            more = _whole(matched.after, name) - _whole(matched.before, name)
            total += np.bincount(codes, more, minlength=_CODES).astype(np.int64)
        seen, was = _seen(matched.after), _seen(matched.before)
        for side, rows_by_month in enumerate((seen & ~was, was & ~seen)):
            for month in np.flatnonzero(rows_by_month.any(axis=0)):
                self.months[side, month] += np.bincount(codes[rows_by_month[:, month]], minlength=_CODES)

    def same(self, count: int) -> None:
        """Count rows of files that are the same on both sides; their places are not looked up."""
        self.rows[self.SAME, 0] += count

    def distances(self, codes: npt.NDArray[np.int64]) -> Counts:
        """(bins,) rows by 1 - cosine, of some comunas together."""
        found = [self.distance[code] for code in codes.tolist() if code in self.distance]
        return np.sum(found, axis=0) if found else np.zeros(len(DISTANCES) - 1, np.int64)

    def _distances(self, codes: npt.NDArray[np.int64], distance: Floats) -> None:
        bins = np.clip(np.searchsorted(DISTANCES, distance, side="left") - 1, 0, len(DISTANCES) - 2)
        for code in np.unique(codes).tolist():
            held = self.distance.setdefault(code, np.zeros(len(DISTANCES) - 1, np.int64))
            held += np.bincount(bins[codes == code], minlength=len(held))


def distances_of(matched: Matched) -> Floats:
    """(N,) 1 - cosine of the rows of both sides: 0 where the vector is the same, NaN where one side has none."""
    old, new = (fixed_size_matrix(side["embedding"]) for side in (matched.before, matched.after))
    scales = [np.asarray(side["embedding_scale"], np.float32) for side in (matched.before, matched.after)]
    out = np.zeros(len(new), np.float32)
    differ = np.flatnonzero((old != new).any(axis=1))
    a, b = old[differ].astype(np.float32), new[differ].astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.einsum("nd,nd->n", a, b) / np.sqrt(
            np.einsum("nd,nd->n", a, a) * np.einsum("nd,nd->n", b, b)
        )
    # The least that is still a change: two vectors that differ are never the same by rounding.
    out[differ] = np.maximum(1.0 - cosine, np.finfo(np.float32).eps)
    out[(scales[0] == 0) | (scales[1] == 0)] = np.nan
    return out


def _codes(rows: pa.Table) -> npt.NDArray[np.int64]:
    return _whole(rows, "comuna")


def _whole(rows: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """A column of whole numbers, 0 where it is null."""
    column: Any = rows[name]
    return np.asarray(column.fill_null(0), np.int64)


def _seen(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """(N, 12) whether a row has the NDVI of a month."""
    column: Any = rows["ndvi"].combine_chunks()
    lists = column.is_valid().to_numpy(zero_copy_only=False)
    found = np.zeros((len(column), 12), np.bool_)
    found[lists] = column.drop_null().flatten().is_valid().to_numpy(zero_copy_only=False).reshape(-1, 12)
    return found
