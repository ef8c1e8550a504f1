"""Accuracy of a map by area: the error matrix of estimated area shares, user's, producer's and overall accuracy.

Every figure is a ratio of two estimated totals, whether or not strata are the map's classes (Stehman 2014,
International Journal of Remote Sensing 35, 4923-4939, equations 2 and 27-31); where they are, the figures are those of
Olofsson et al. 2014.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from surco.adapters.areas_sample import ReferenceSample, design_deviations
from surco.adapters.errors import AreasError

__all__ = ["AreaAccuracy", "AreaRatio", "ClassAccuracy", "area_accuracy"]

Doubles = npt.NDArray[np.float64]
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class AreaRatio:
    """An estimated share in 0..1, its standard error, and its interval.

    `low` and `high` are None where the sample shows no variance: no error among a few places is no proof of perfection.
    """

    value: float
    standard_error: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """Accuracies of one class.

    `users` (of what is mapped so, how much is right) is None where no sampled place is mapped so, `producers` (of what
    is so, how much is mapped) where none is so; `share` is the class's estimated share of the area.
    """

    label: str
    users: AreaRatio | None
    producers: AreaRatio | None
    share: AreaRatio


@dataclass(frozen=True, slots=True)
class AreaAccuracy:
    """Accuracy table corrected for area.

    `matrix` (C, C) holds estimated shares of the area that sum to one and `counts` (C, C) sampled places; rows are the
    mapped class, columns the reference class, both in the order of `classes`.
    """

    classes: tuple[ClassAccuracy, ...]
    overall: AreaRatio
    matrix: tuple[tuple[float, ...], ...]
    counts: tuple[tuple[int, ...], ...]
    units: int
    confidence: float

    def as_dict(self) -> dict[str, object]:
        """The table as plain JSON values."""
        return asdict(self)


def area_accuracy(
    sample: ReferenceSample,
    mapped: npt.ArrayLike,
    hectares: npt.ArrayLike,
    classes: Sequence[str],
    *,
    mapped_hectares: Mapping[str, float] | None = None,
    confidence: float = 0.95,
) -> AreaAccuracy:
    """Estimate a map's accuracy from a probability sample.

    Args:
        sample: n places with the class found.
        mapped: (n,) class on the map, names of `classes`.
        hectares: (n,) of each place; 1 for all where they are alike.
        classes: of the map, in the order wanted; classes that only the sample has come after them.
        mapped_hectares: of each class on the whole map, to which expanded hectares are then scaled, so that shares are
            those of the map where places differ in area; None takes them as the sample expands.
        confidence: of the intervals (Student's, as many degrees of freedom as places less strata), 0..1.

    Raises:
        AreasError: other lengths, a mapped class that is not among `classes`, no hectares, no such confidence.
    """
    names = list(classes) + sorted(set(sample.reference.tolist()) - set(classes))
    area = np.broadcast_to(np.asarray(hectares, np.float64), (len(sample),))
    said = np.asarray(mapped, np.str_)
    _check(sample, said, area, classes, confidence)
    if mapped_hectares is not None:
        area = area * _scale(sample, said, area, mapped_hectares)
    on_map = (said[:, None] == np.array(names)).astype(np.float64)
    is_so = (sample.reference[:, None] == np.array(names)).astype(np.float64)
    ratios = _Ratios(sample, area, confidence)
    right = on_map * is_so
    users = ratios.of(right, on_map)
    producers = ratios.of(right, is_so)
    shares = ratios.of(is_so, np.ones_like(is_so))
    overall = ratios.of(right.sum(axis=1, keepdims=True), np.ones((len(sample), 1)))[0]
    rows = zip(names, users, producers, shares, strict=True)
    weight = area / sample.inclusion_probability
    return AreaAccuracy(
        classes=tuple(ClassAccuracy(n, u, p, _seen(s)) for n, u, p, s in rows),
        overall=_seen(overall),
        matrix=tuple(map(tuple, (on_map.T @ (weight[:, None] * is_so) / weight.sum()).tolist())),
        counts=tuple(map(tuple, (on_map.T @ is_so).astype(int).tolist())),
        units=len(sample),
        confidence=confidence,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Ratios:
    """Ratios of estimated hectares under the sample's design."""

    sample: ReferenceSample
    area: Doubles
    confidence: float

    def of(self, part: Doubles, whole: Doubles) -> list[AreaRatio | None]:
        """Ratio of columns (n, C); None where the sample has nothing of the whole."""
        chance = self.sample.inclusion_probability
        weight = self.area / chance
        top, bottom = weight @ part, weight @ whole
        seen = bottom > 0
        below = np.where(seen, bottom, 1)
        value = top / below
        residual = self.area[:, None] * (part - value * whole) / below
        error = np.sqrt((design_deviations(residual, chance, self.sample.stratum) ** 2).sum(axis=0))
        strata = len(np.unique(self.sample.stratum))
        quantile = stats.t.ppf(0.5 + self.confidence / 2, max(len(self.sample) - strata, 1))
        found = zip(value.tolist(), error.tolist(), (quantile * error).tolist(), seen.tolist(), strict=True)
        return [_ratio(v, e, margin) if there else None for v, e, margin, there in found]


def _ratio(value: float, error: float, margin: float) -> AreaRatio:
    if error <= _NOTHING:
        return AreaRatio(value, 0.0, None, None)
    return AreaRatio(value, error, max(value - margin, 0.0), min(value + margin, 1.0))


def _scale(
    sample: ReferenceSample, said: npt.NDArray[np.str_], area: Doubles, mapped_hectares: Mapping[str, float]
) -> Doubles:
    """(n,) what makes the expanded hectares of each mapped class add up to those of the map."""
    names, code = np.unique(said, return_inverse=True)
    expanded = np.bincount(code, area / sample.inclusion_probability)
    missing = [name for name in names.tolist() if name not in mapped_hectares]
    if missing:
        raise AreasError(
            f"expected the map's hectares of every class that is mapped; got none of {missing[0]!r}: name them all"
        )
    known = np.array([mapped_hectares[name] for name in names.tolist()])
    return np.asarray(
        np.where(expanded > 0, known / np.where(expanded > 0, expanded, 1), 1.0)[code], np.float64
    )


def _seen(ratio: AreaRatio | None) -> AreaRatio:
    if ratio is None:
        raise AreasError("expected sampled places with hectares; got none: check the areas of the map")
    return ratio


def _check(
    sample: ReferenceSample,
    said: npt.NDArray[np.str_],
    area: Doubles,
    classes: Sequence[str],
    confidence: float,
) -> None:
    if said.shape != (len(sample),):
        raise AreasError(
            f"expected the mapped class of {len(sample)} sampled places; got shape {said.shape}: pass one for each"
        )
    unknown = sorted(set(said.tolist()) - set(classes))
    if unknown:
        raise AreasError(
            f"expected mapped classes of {', '.join(classes)}; got {unknown[0]!r}: name all the classes of the map"
        )
    if not np.isfinite(area).all() or (area < 0).any() or area.sum() <= 0:
        raise AreasError(
            "expected finite hectares, not negative, some above 0; got others: check the map's areas"
        )
    if not 0 < confidence < 1:
        raise AreasError(f"expected a confidence between 0 and 1; got {confidence}: use 0.95 for 95 %")
