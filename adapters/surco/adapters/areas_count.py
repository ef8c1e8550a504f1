"""Hectares by class and domain as a map has them: by its classes, and by its probabilities. A count has no interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from surco.adapters.areas_sample import AreaMap
from surco.adapters.errors import AreasError
from surco.embedstore import Sentence

__all__ = [
    "AreaEstimate",
    "AreaEstimates",
    "AreaMethod",
    "KnownAreas",
    "checked_domain",
    "count_areas",
    "known_areas",
]

Doubles = npt.NDArray[np.float64]
AreaMethod = Literal["assisted", "counted", "stratified"]


@dataclass(frozen=True, slots=True)
class AreaEstimate:
    """Hectares of one class in one domain.

    `mapped` is counted from the map, `expected` is the sum of its probabilities. `area`, `standard_error`, `low` and
    `high` (the interval) are None where `note` says why there is none; `units` is how many sampled places of the
    domain are of this class.
    """

    label: str
    mapped: float
    expected: float
    area: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    units: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class AreaEstimates:
    """Hectares of all classes in one domain.

    Attributes:
        domain: its name.
        hectares: of the domain; estimated areas add up to it.
        units: sampled places in it.
        classes: by class: those of the map in its order, then classes that only the sample has, by name.
        method: "assisted" or "stratified"; "counted" where there was no sample.
        power: lambda, how far the map's probabilities were believed, 0..1; 0 otherwise.
        confidence: of the intervals.
    """

    domain: str
    hectares: float
    units: int
    classes: tuple[AreaEstimate, ...]
    method: AreaMethod
    power: float
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class KnownAreas:
    """What is known of one domain without a sample: hectares, and by class (C,) those mapped and those expected."""

    hectares: float
    mapped: Doubles
    expected: Doubles


def count_areas(
    area_map: AreaMap, *, domain: npt.NDArray[np.int64] | None = None, names: Sequence[str] = ("all",)
) -> tuple[AreaEstimates, ...]:
    """Hectares by class as mapped and as expected from the probabilities, without estimate or interval.

    Both are as biased as the map is; where they differ much, it surely is.

    Args:
        area_map: the map.
        domain: (N,) position in `names` of each place's domain, -1 where it is in none; None for one domain of all.
        names: of the domains.

    Raises:
        AreasError: domains of another length, or positions without a name.
    """
    domains, labels = checked_domain(area_map, domain, names), area_map.classes
    note = Sentence("no probability sample", "area-no-sample")
    return tuple(
        AreaEstimates(
            name,
            known.hectares,
            0,
            tuple(
                AreaEstimate(label, mapped, expected, None, None, None, None, 0, note)
                for label, mapped, expected in zip(
                    labels, known.mapped.tolist(), known.expected.tolist(), strict=True
                )
            ),
            "counted",
            0.0,
            0.0,
        )
        for name, known in zip(names, known_areas(area_map, domains, len(names), len(labels)), strict=True)
    )


def known_areas(
    area_map: AreaMap, domains: npt.NDArray[np.int64], count: int, labels: int
) -> list[KnownAreas]:
    """Sums over the whole map of each of `count` domains; `labels` is at least as many as the map has classes."""
    # Places in no domain fall into a last bin that is dropped.
    k, bins = len(area_map.classes), np.where(domains < 0, count, domains)
    total = np.bincount(bins, area_map.hectares, count + 1)
    mapped, expected = np.zeros((count + 1, labels)), np.zeros((count + 1, labels))
    counts = np.bincount(bins * k + area_map.mapped, area_map.hectares, (count + 1) * k)
    mapped[:, :k] = counts.reshape(-1, k)
    for column in range(k):
        chances = area_map.hectares * area_map.probabilities[:, column]
        expected[:, column] = np.bincount(bins, chances, count + 1)
    return [KnownAreas(float(total[i]), mapped[i], expected[i]) for i in range(count)]


def checked_domain(area_map: AreaMap, domain: Any, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """(N,) positions in `names` or -1; raises AreasError for others."""
    found = np.zeros(len(area_map), np.int64) if domain is None else np.asarray(domain, np.int64)
    if found.shape != (len(area_map),) or found.min() < -1 or found.max() >= len(names):
        raise AreasError(
            f"expected a domain 0 to {len(names) - 1}, or -1, of each of {len(area_map)} places; got shape "
            f"{found.shape}: pass the positions of the domains' names"
        )
    return found
