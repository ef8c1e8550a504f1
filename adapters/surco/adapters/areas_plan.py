"""How many places to visit, how many of each stratum, and which: planning a stratified sample of a map.

Size by Cochran 1977 (Sampling Techniques, equation 5.25) as Olofsson et al. 2014 use it in section 5.1; allocations are
those that they compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from surco.adapters.areas_sample import AreaMap
from surco.adapters.errors import AreasError

__all__ = [
    "ALLOCATIONS",
    "Allocation",
    "PlannedStratum",
    "SamplePlan",
    "allocate",
    "draw_sample",
    "plan_sample",
    "sample_size",
]

Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Allocation = Literal["equal", "neyman", "proportional", "rare"]
ALLOCATIONS = ("equal", "neyman", "proportional", "rare")
_LEAST = 2
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


def sample_size(
    weights: npt.ArrayLike, expected: npt.ArrayLike, standard_error: float, *, places: int | None = None
) -> int:
    """Places that a target standard error needs, with strata that are best allocated.

    Args:
        weights: (H,) share of the area of each stratum, summing to one.
        expected: (H,) expected share of each stratum that is as asked: user's accuracies for overall accuracy, or the
            share that is of a class for that class's area.
        standard_error: wanted, of a share of the whole area.
        places: of the map, for the finite population correction; None leaves it out.

    Returns:
        `(sum W S)² / (V + sum W S² / N)` with S² = p (1 - p), rounded up, at least 2.

    Raises:
        AreasError: shares outside 0..1, weights that do not sum to one, a standard error that is not positive.
    """
    share, chance = np.asarray(weights, np.float64), np.asarray(expected, np.float64)
    if share.shape != chance.shape or share.ndim != 1 or abs(share.sum() - 1) > 1e-6 or (share < 0).any():
        raise AreasError(
            "expected shares of the strata that sum to one, and one expected value each; got others: divide each "
            "stratum's hectares by those of the map"
        )
    if not ((chance >= 0) & (chance <= 1)).all():
        raise AreasError(f"expected accuracies between 0 and 1; got {chance.tolist()}: write 0.9 for 90 %")
    if not 0 < standard_error < 1:
        raise AreasError(
            f"expected a standard error between 0 and 1; got {standard_error}: 0.01 is one point of accuracy"
        )
    spread = np.sqrt(chance * (1 - chance))
    finite = 0.0 if places is None else float(share @ spread**2) / places
    return max(_LEAST, int(np.ceil((share @ spread) ** 2 / (standard_error**2 + finite) - 1e-9)))


def allocate(
    size: int, places: npt.ArrayLike, spread: npt.ArrayLike, method: Allocation, *, least: int = 50
) -> Counts:
    """Share a sample out to strata.

    Args:
        size: places to draw.
        places: (H,) that each stratum has, above 0.
        spread: (H,) standard deviation expected within each, for "neyman".
        method: "equal"; "proportional" to places; "neyman", proportional to places times spread; "rare", at least
            `least` in each stratum (or as many as an equal share) and the rest by places, as Olofsson et al. advise.
        least: for "rare".

    Returns:
        (H,) places, at least two and at most all of each stratum.

    Raises:
        AreasError: another method, or a sample too small for two places in each stratum.
    """
    have = np.asarray(places, np.int64)
    bottom = np.minimum(have, _LEAST)
    if method not in ALLOCATIONS:
        raise AreasError(f"expected an allocation {', '.join(ALLOCATIONS)}; got {method!r}: use one of them")
    if size < bottom.sum():
        raise AreasError(
            f"expected at least two places in each of {len(have)} strata, {bottom.sum()} in all; got a sample of "
            f"{size}: draw more, or use fewer strata"
        )
    weight = {
        "equal": np.ones(len(have)),
        "neyman": have.astype(np.float64) * np.asarray(spread, np.float64),
        "proportional": have.astype(np.float64),
        "rare": have.astype(np.float64),
    }[method]
    if method == "rare":
        bottom = np.minimum(have, max(_LEAST, min(least, size // len(have))))
    return _shared_out(min(size, int(have.sum())), weight, bottom, have)


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
        standard_error: wanted: of overall accuracy, 0..1, or with `target` of that class's area divided by the area.
        target: a class whose area is aimed at; None for overall accuracy.
        size: places to visit, instead of a standard error.
        allocation: see `allocate`.
        least: see `allocate`.
        users: user's accuracies that are expected of some classes, 0..1, by class.

    Raises:
        AreasError: an unknown class, settings outside their ranges, a sample that is too small for the strata.
    """
    places = np.bincount(stratum, minlength=len(names))
    kept = np.flatnonzero(places)
    hectares = np.bincount(stratum, area_map.hectares, len(names))
    hit = _expected(area_map, target, users or {})
    count = np.maximum(places, 1)
    chance = np.clip(np.bincount(stratum, hit, len(names)) / count, _SURE, 1 - _SURE)[kept]
    weight = hectares[kept] / hectares.sum()
    scale = 1.0 if target is None else float(weight @ chance)
    needed = (
        size
        if size is not None
        else sample_size(weight, chance, standard_error * scale, places=len(area_map))
    )
    spread = np.sqrt(chance * (1 - chance))
    floor = 0 if size is not None else int(np.minimum(places[kept], _LEAST).sum())
    drawn = allocate(max(needed, floor), places[kept], spread, allocation, least=least)
    left = 1 - drawn / places[kept]
    error = float(np.sqrt((weight**2 * spread**2 * left / drawn).sum())) / scale
    strata = tuple(
        PlannedStratum(names[i], int(places[i]), float(hectares[i]), int(n), float(p))
        for i, n, p in zip(kept.tolist(), drawn, chance, strict=True)
    )
    return SamplePlan(strata, target or "overall accuracy", error)


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
    rng = np.random.default_rng(seed)
    rows, chances = [], []
    for planned in plan.strata:
        held = np.flatnonzero(stratum == list(names).index(planned.name))
        rows.append(rng.choice(held, planned.drawn, replace=False))
        chances.append(np.full(planned.drawn, planned.inclusion_probability))
    order = rng.permutation(plan.size)
    return np.concatenate(rows)[order].astype(np.int64), np.concatenate(chances)[order]


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


def _shared_out(size: int, weight: Doubles, bottom: Counts, most: Counts) -> Counts:
    """Whole numbers between two bounds, as near to shares by weight as they allow, that sum to `size`.

    Strata whose share is out of bounds are given their bound, and the rest is shared again.
    """
    shares = np.zeros(len(weight))
    free = np.ones(len(weight), bool)
    weight = np.maximum(weight, weight.max() * 1e-9 if weight.max() > 0 else 1.0)
    while free.any():
        left = size - shares[~free].sum()
        shares[free] = left * weight[free] / weight[free].sum()
        low, high = free & (shares < bottom), free & (shares > most)
        bound = low if (bottom - shares)[low].sum() >= (shares - most)[high].sum() else high
        if not bound.any():
            break
        shares[bound] = np.where(low, bottom, most)[bound]
        free &= ~bound
    return _rounded(shares, size, most)


def _rounded(shares: Doubles, size: int, most: Counts) -> Counts:
    """Largest remainders."""
    counts = np.floor(shares + 1e-9).astype(np.int64)
    order = np.argsort(counts - shares, kind="stable")
    for place in order[counts[order] < most[order]][: max(size - int(counts.sum()), 0)]:
        counts[place] += 1
    return counts
