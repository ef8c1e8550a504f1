"""Hectares by class as an adapter maps a table: counted on all rows, or on evenly spaced ones with a standard error."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters import CropTypeAdapter
from surco.api.fits.grounds import TableSample

__all__ = ["ClassArea", "ClassAreas", "class_areas"]

_METHOD = (
    "counted from the map, not a survey estimate: the map's errors are in it. Hectares of the ground with intervals "
    "come from `surco areas` or /maps/{adapter}/{season}/areas and a probability sample"
)


@dataclass(frozen=True, slots=True)
class ClassArea:
    """Hectares of one class as mapped; the standard error is that of counting some rows only, 0 where all were."""

    name: str
    hectares: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class ClassAreas:
    """Hectares of all classes as mapped, from `counted` of `rows`; rows where nothing was observed have no class."""

    classes: tuple[ClassArea, ...]
    unobserved_hectares: float
    counted: int
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values, with how they were found."""
        share = (
            "all rows"
            if self.counted == self.rows
            else f"{self.counted:,} evenly spaced of {self.rows:,} rows"
        )
        return {"method": _METHOD, "counted_on": share, **asdict(self)}


def class_areas(adapter: CropTypeAdapter, sample: TableSample) -> ClassAreas:
    """Hectares by class of a table.

    The standard error is that of a simple random sample as large: of evenly spaced rows it is rather smaller, because
    neighbours are alike.
    """
    seen = sample.scale > 0
    code = np.full(len(seen), len(adapter.classes_))
    code[seen] = adapter.head_.codes(sample.embedding[seen], sample.scale[seen])
    names = [*(str(name) for name in adapter.classes_), ""]
    found = [_total(sample, code == number) for number in range(len(names))]
    classes = tuple(ClassArea(name, *total) for name, total in zip(names[:-1], found[:-1], strict=True))
    return ClassAreas(classes, found[-1][0], len(seen), sample.rows)


def _total(sample: TableSample, of_it: npt.NDArray[np.bool_]) -> tuple[float, float]:
    hectares = np.where(of_it, sample.hectares, 0.0)
    counted = len(hectares)
    if sample.whole:
        return round(float(hectares.sum()), 4), 0.0
    spread = float(hectares.std(ddof=1)) * math.sqrt((1 - counted / sample.rows) / counted)
    return round(float(hectares.mean()) * sample.rows, 1), round(spread * sample.rows, 1)
