"""Hectares by class: what a map counts, and what a probability sample lets one claim.

Counting pixels inherits the map's errors and has no interval. With a probability sample of reference labels the
stratified estimator of Olofsson et al. 2014 (Remote Sensing of Environment 148, 42-57, equations 4-11) corrects both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import AreasError

__all__ = ["ClassArea", "MappedArea", "StratifiedAreas", "mapped_area", "stratified_area"]

Doubles = npt.NDArray[np.float64]
_SQUARE_METRES = 10_000.0


@dataclass(frozen=True, slots=True)
class MappedArea:
    """Hectares that a map shows of a class: a count of what was mapped, biased by the map's errors."""

    label: str
    hectares: float
    units: int
    method: str = "pixel counting"


@dataclass(frozen=True, slots=True)
class ClassArea:
    """Estimated area of a class and its accuracies; each `margin` is half of the interval, in the same unit.

    `area` is in the unit of the mapped areas. `users` is user's accuracy (of what is mapped so, how much is right),
    `producers` is producer's accuracy (of what is so, how much is mapped), both in 0..1, NaN where nothing was seen.
    """

    label: str
    area: float
    margin: float
    users: float
    users_margin: float
    producers: float
    producers_margin: float


@dataclass(frozen=True, slots=True)
class StratifiedAreas:
    """Design-based estimate: areas by class and overall accuracy with margins at `confidence`."""

    classes: tuple[ClassArea, ...]
    overall: float
    overall_margin: float
    confidence: float
    method: str = "stratified estimator (Olofsson et al. 2014)"


def mapped_area(predicted: Any, square_metres: Any) -> list[MappedArea]:
    """Hectares by mapped class, sorted by name, without an interval: no probability sample, no interval.

    Args:
        predicted: (N,) class of each parcel or cell.
        square_metres: (N,) area of each in m², or one number for all.

    Raises:
        AreasError: no rows, areas of another length, negative or not finite.
    """
    labels = np.asarray(predicted)
    areas = np.asarray(square_metres, np.float64)
    if labels.ndim != 1 or len(labels) == 0 or areas.shape not in ((), labels.shape):
        raise AreasError(
            f"expected one class and one area a place, shape (rows,); got {labels.shape} and {areas.shape}: "
            "pass the predictions and areas of the same rows"
        )
    if not np.isfinite(areas).all() or (areas < 0).any():
        raise AreasError(
            "expected finite areas in m², not negative; got others: check `metrics:area` of the table"
        )
    names, codes = np.unique(labels, return_inverse=True)
    total = np.bincount(codes, np.broadcast_to(areas, labels.shape)) / _SQUARE_METRES
    counts = np.bincount(codes)
    return [MappedArea(str(n), float(a), int(c)) for n, a, c in zip(names, total, counts, strict=True)]


def stratified_area(
    mapped: Mapping[str, float],
    counts: Sequence[Sequence[float]] | npt.NDArray[Any],
    *,
    confidence: float = 0.95,
) -> StratifiedAreas:
    """Estimate areas from a map and a stratified random (or simple random) sample of reference labels.

    Args:
        mapped: area of each class on the map, in any one unit; its order is that of `counts`.
        counts: (K, K) sample counts, rows the mapped class (the stratum), columns the reference class.
        confidence: of the intervals, 0..1.

    Raises:
        AreasError: shapes that differ, negative counts, a stratum with fewer than two samples, no area.
    """
    names, areas = list(mapped), np.array(list(mapped.values()), np.float64)
    sample = _checked_counts(np.asarray(counts, np.float64), names, areas)
    if not 0 < confidence < 1:
        raise AreasError(f"expected a confidence between 0 and 1; got {confidence}: use 0.95 for 95 %")
    z = round(NormalDist().inv_cdf(0.5 + confidence / 2), 2)  # 1.96 for 95 %, as in the paper
    total = areas.sum()
    weight, size = areas / total, sample.sum(axis=1)
    share = sample / size[:, None]
    proportion = weight[:, None] * share
    area_error = total * np.sqrt(
        (weight[:, None] ** 2 * share * (1 - share) / (size[:, None] - 1)).sum(axis=0)
    )
    users = np.diag(share)
    users_variance = users * (1 - users) / (size - 1)
    estimated = total * proportion.sum(axis=0)
    producers, producers_error = _producers(areas, share, size, users_variance)
    columns = (estimated, z * area_error, users, z * np.sqrt(users_variance), producers, z * producers_error)
    classes = tuple(
        ClassArea(name, *(float(v) for v in row))
        for name, row in zip(names, np.stack(columns, axis=1), strict=True)
    )
    overall_margin = z * np.sqrt((weight**2 * users_variance).sum())
    return StratifiedAreas(classes, float(np.trace(proportion)), float(overall_margin), confidence)


def _producers(
    areas: Doubles, share: Doubles, size: Doubles, users_variance: Doubles
) -> tuple[Doubles, Doubles]:
    """Producer's accuracy and its standard error (K,), equation 7; NaN where the sample never saw a class."""
    by_class = (areas[:, None] * share).sum(axis=0)
    seen = np.where(by_class > 0, by_class, np.nan)
    producers = areas * np.diag(share) / seen
    other = areas[:, None] ** 2 * share * (1 - share) / (size[:, None] - 1)
    np.fill_diagonal(other, 0)
    own = areas**2 * (1 - producers) ** 2 * users_variance
    return producers, np.sqrt(own + producers**2 * other.sum(axis=0)) / seen


def _checked_counts(sample: Doubles, names: list[str], areas: Doubles) -> Doubles:
    k = len(names)
    if k < 1 or sample.shape != (k, k):
        raise AreasError(
            f"expected sample counts of shape ({k}, {k}), one row and column a mapped class; got {sample.shape}: "
            "count samples by mapped class (rows) and reference class (columns)"
        )
    if not np.isfinite(areas).all() or (areas < 0).any() or areas.sum() <= 0:
        raise AreasError(
            f"expected finite mapped areas, not negative, some above 0; got {areas.tolist()}: check the map"
        )
    if not np.isfinite(sample).all() or (sample < 0).any():
        raise AreasError("expected sample counts of 0 or more; got others: count the samples again")
    few = [n for n, s in zip(names, sample.sum(axis=1), strict=True) if s < 2]
    if few:
        raise AreasError(
            f"expected at least two samples in each mapped class; got fewer in {', '.join(few)}: "
            "draw more samples there, or merge the class with another"
        )
    return sample
