"""What is trained on: sets of series, each with its own legend and weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surco.encoder.protocol import Bools, Dates, Floats

__all__ = ["Batch", "Dataset", "from_samples"]

NO_CLASS = ("", "Unknown", "unknown")


@dataclass(frozen=True)
class Batch:
    """B series of one set: values, valid (B, T, C), days (B, T), lonlat, static (B, 2), label (-1 none), zone (B,)."""

    values: Tensor
    valid: Tensor
    days: Tensor
    lonlat: Tensor
    static: Tensor
    label: Tensor
    zone: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """All fields in order."""
        return self.values, self.valid, self.days, self.lonlat, self.static, self.label, self.zone


@dataclass(frozen=True)
class Dataset:
    """One set of series with one legend.

    `weight` is its share of the batches, before normalising over all sets. `zone` numbers places and years that are
    worlds of their own: a batch is a few whole zones then.
    """

    name: str
    values: Floats
    valid: Bools
    days: Floats
    lonlat: Floats
    static: Floats
    label: np.ndarray
    classes: tuple[str, ...]
    weight: float = 1.0
    zone: np.ndarray | None = None

    def draw(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw about n rows: whole zones, or rows with rare classes oftener (probability ~ root of a class's size)."""
        if self.zone is not None:
            return self.rows(_whole_zones(self.zone, n, rng))
        size = np.bincount(self.label + 1, minlength=len(self.classes) + 1).astype(float)
        p = 1.0 / np.sqrt(size[self.label + 1])
        rows = rng.choice(len(self.label), size=min(n, len(self.label)), replace=False, p=p / p.sum())
        return self.rows(rows)

    def rows(self, rows: np.ndarray) -> Batch:
        """The rows of these numbers, as copies."""
        zone = np.zeros(len(self.label), np.int64) if self.zone is None else self.zone
        arrays = (self.values, self.valid, self.days, self.lonlat, self.static, self.label, zone)
        return Batch(*(torch.from_numpy(a[rows]) for a in arrays))


def _whole_zones(zone: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of so many random zones that they are about n."""
    names, sizes = np.unique(zone, return_counts=True)
    count = min(len(names), max(1, round(n / float(sizes.mean()))))
    return np.flatnonzero(np.isin(zone, rng.choice(names, count, replace=False)))


def from_samples(
    name: str,
    values: Floats,
    valid: Bools,
    dates: Dates,
    lonlat: Floats,
    static: Floats,
    label: Sequence[str],
    *,
    weight: float = 1.0,
    zone: np.ndarray | None = None,
    least: int = 4,
) -> Dataset:
    """A set from the arrays of `SampleSeries` or of the simulator; classes of fewer than `least` rows count as none."""
    count = Counter(text for text in label if text not in NO_CLASS)
    classes = tuple(sorted(text for text, n in count.items() if n >= least))
    code = {text: i for i, text in enumerate(classes)}
    rows = np.array([code.get(text, -1) for text in label], np.int64)
    days = np.broadcast_to(dates.astype("datetime64[D]").astype(np.float32), values.shape[:2]).copy()
    seen = valid.any(axis=(1, 2))
    return Dataset(
        name,
        values[seen],
        valid[seen],
        days[seen],
        lonlat[seen].astype(np.float32),
        static[seen].astype(np.float32),
        rows[seen],
        classes,
        weight,
        None if zone is None else zone[seen].astype(np.int64),
    )
