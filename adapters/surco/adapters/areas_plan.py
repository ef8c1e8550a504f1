"""Planning a stratified sample of a map, and drawing it: how many places, how many of each stratum, and which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.areas_allocation import Allocation, allocate, least_size, sample_size
from surco.adapters.areas_sample import AreaMap
from surco.adapters.errors import AreasError

__all__ = [
    "PlannedStratum",
    "SamplePlan",
    "StratumSums",
    "draw_ordinals",
    "draw_sample",
    "plan_sample",
    "plan_strata",
]

Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_SURE = 0.01  # no stratum is planned as purer than this: a map's own probabilities are no proof


@dataclass(frozen=True, slots=True)
class PlannedStratum:
    """One stratum: places and hectares that it has, places to draw, and the share that is expected as asked for."""

    name: str
    places: int
    hectares: float
    drawn: int
    expected: float

    @property
    def inclusion_probability(self) -> float:
        """Chance of each of its places."""
        return self.drawn / self.places


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """A planned sample.

    Attributes:
        strata: those that have places, in the order given.
        target: "overall accuracy", or the class whose area is aimed at.
        standard_error: expected of the target as allocated: of overall accuracy in 0..1, or of a class's area divided
            by that area.
    """

    strata: tuple[PlannedStratum, ...]
    target: str
    standard_error: float

    @property
    def size(self) -> int:
        """Places to visit."""
        return sum(stratum.drawn for stratum in self.strata)


def plan_sample(
    area_map: AreaMap,
    stratum: npt.NDArray[np.int64],
    names: Sequence[str],
    *,
    standard_error: float = 0.01,
    target: str | None = None,
    size: int | None = None,
    allocation: Allocation = "rare",
    least: int = 50,
    users: Mapping[str, float] | None = None,
) -> SamplePlan:
    """Plan a stratified sample of a map.

    What is expected in a stratum comes from the map's own probabilities, or from `users` where given, and never nearer
    to 0 or 1 than 0.01.

    Args:
        area_map: the map.
        stratum: (N,) position in `names` of each place's stratum.
        names: of the strata; those without places are left out.
        standard_error: wanted, and reached as allocated: of overall accuracy, 0..1, or with `target` of that class's
            area, divided by the area.
        target: a class whose area is aimed at; None for overall accuracy.
        size: places to visit, instead of a standard error.
        allocation: see `allocate`.
        least: see `allocate`.
        users: user's accuracies that are expected of some classes, 0..1, by class.

    Raises:
        AreasError: an unknown class, settings outside their ranges, a sample that is too small for the strata.
    """
    hit = _expected(area_map, target, users or {})
    sums = StratumSums(
        tuple(names),
        np.bincount(stratum, minlength=len(names)),
        np.asarray(np.bincount(stratum, area_map.hectares, len(names)), np.float64),
        np.asarray(np.bincount(stratum, hit, len(names)), np.float64),
    )
    return plan_strata(
        sums, standard_error=standard_error, target=target, size=size, allocation=allocation, least=least
    )


@dataclass(frozen=True, slots=True, eq=False)
class StratumSums:
    """What a plan needs of a map: of each of H strata its name, places, hectares, and the sum of expected chances.

    `expected` is summed over places: that each is right as mapped or, with a target, is of that class.
    """

    names: tuple[str, ...]
    places: Counts
    hectares: Doubles
    expected: Doubles


def plan_strata(
    sums: StratumSums,
    *,
    standard_error: float = 0.01,
    target: str | None = None,
    size: int | None = None,
    allocation: Allocation = "rare",
    least: int = 50,
) -> SamplePlan:
    """As `plan_sample`, of a map that is known by the sums of its strata only."""
    kept = np.flatnonzero(sums.places)
    count = np.maximum(sums.places, 1)
    chance = np.clip(sums.expected / count, _SURE, 1 - _SURE)[kept]
    weight = sums.hectares[kept] / sums.hectares.sum()
    strata = _Strata(sums.places[kept], weight, chance)
    scale = 1.0 if target is None else float(weight @ chance)
    wanted = standard_error * scale if size is None else None
    drawn = strata.drawn(wanted, size or 0, allocation, least)
    planned = tuple(
        PlannedStratum(sums.names[i], int(sums.places[i]), float(sums.hectares[i]), int(n), float(p))
        for i, n, p in zip(kept.tolist(), drawn, chance, strict=True)
    )
    return SamplePlan(planned, target or "overall accuracy", strata.standard_error(drawn) / scale)


@dataclass(frozen=True, slots=True, eq=False)
class _Strata:
    """Places, shares of the area and expected shares (H,) of the strata."""

    places: Counts
    weight: Doubles
    chance: Doubles

    def drawn(self, wanted: float | None, size: int, allocation: Allocation, least: int) -> Counts:
        """(H,) places: of `size`, or where an error is wanted as many as reach it as they are allocated."""
        spread = np.sqrt(self.chance * (1 - self.chance))
        total = int(self.places.sum())
        if wanted is None:
            return allocate(size, self.places, spread, allocation, least=least)
        best = sample_size(self.weight, self.chance, wanted, places=total)
        size = max(best, least_size(self.places))
        while True:
            counts = allocate(size, self.places, spread, allocation, least=least)
            if self.standard_error(counts) <= wanted or size >= total:
                return counts
            size = max(size + 1, round(1.02 * size))

    def standard_error(self, counts: Counts) -> float:
        """Expected of the estimated share, with the finite population correction."""
        variance = self.chance * (1 - self.chance) * (1 - counts / self.places) / counts
        return float(np.sqrt((self.weight**2 * variance).sum()))


def draw_sample(
    plan: SamplePlan, stratum: npt.NDArray[np.int64], names: Sequence[str], *, seed: int = 0
) -> tuple[Counts, Doubles]:
    """Draw a planned sample at random, without replacement within each stratum.

    Args:
        plan: of `plan_sample`, for the same strata.
        stratum: (N,) position in `names`.
        names: of the strata.
        seed: of the draw; the same seed draws the same places.

    Returns:
        (n,) rows in random order, so that neighbours in the list tell nothing of their stratum, and (n,) inclusion
        probabilities.
    """
    of, ordinal, chances = draw_ordinals(plan, seed=seed)
    places = {name: position for position, name in enumerate(names)}
    held = [np.flatnonzero(stratum == places[planned.name]) for planned in plan.strata]
    rows = [held[one][number] for one, number in zip(of.tolist(), ordinal.tolist(), strict=True)]
    return np.array(rows, np.int64), chances


def draw_ordinals(plan: SamplePlan, *, seed: int = 0) -> tuple[Counts, Counts, Doubles]:
    """As `draw_sample`, without the map: (n,) stratum in the plan, number among its places, and chance."""
    rng = np.random.default_rng(seed)
    numbers = [rng.choice(planned.places, planned.drawn, replace=False) for planned in plan.strata]
    of = np.repeat(np.arange(len(plan.strata)), [planned.drawn for planned in plan.strata])
    chances = np.repeat([planned.inclusion_probability for planned in plan.strata], [len(n) for n in numbers])
    order = rng.permutation(plan.size)
    return of[order], np.concatenate(numbers)[order].astype(np.int64), chances[order]


def _expected(area_map: AreaMap, target: str | None, users: Mapping[str, float]) -> Doubles:
    """(N,) expected chance that a place is right, or is of the target class."""
    for name, value in users.items():
        if name not in area_map.classes or not 0 <= value <= 1:
            raise AreasError(
                f"expected an accuracy between 0 and 1 of one of {', '.join(area_map.classes)}; got {name} = {value}: "
                "write for example wheat=0.85"
            )
    if target is not None and target not in area_map.classes:
        raise AreasError(
            f"expected one of the map's classes {', '.join(area_map.classes)}; got {target!r}: name one of them"
        )
    wanted = area_map.mapped if target is None else area_map.classes.index(target)
    chance = np.asarray(area_map.probabilities[np.arange(len(area_map)), wanted], np.float64)
    for name, value in users.items():
        if target in (None, name):
            chance[area_map.mapped == area_map.classes.index(name)] = value
    return chance
