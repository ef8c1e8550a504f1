"""How many places a sample needs, and how they are shared out to strata.

Size by Cochran 1977 (Sampling Techniques, equation 5.25) as Olofsson et al. 2014 use it in section 5.1; allocations are
those that they compare.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import AreasError

__all__ = ["ALLOCATIONS", "Allocation", "allocate", "least_size", "sample_size"]

Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Allocation = Literal["equal", "neyman", "proportional", "rare"]
ALLOCATIONS = ("equal", "neyman", "proportional", "rare")
_LEAST = 2


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


def least_size(places: npt.ArrayLike) -> int:
    """Places that the smallest sample of strata with (H,) places has: two of each, or all of one."""
    return int(np.minimum(np.asarray(places, np.int64), _LEAST).sum())


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
