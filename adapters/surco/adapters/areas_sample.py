"""What areas are estimated from: a map with its hectares, and a probability sample of places with a reference class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import AreasError

__all__ = ["AreaMap", "ReferenceSample", "design_deviations"]

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AreaMap:
    """A whole map: hectares, mapped class and probabilities of every place that could be drawn.

    Attributes:
        classes: K names.
        mapped: (N,) position of the mapped class in `classes`.
        probabilities: (N, K) of each class, rows sum to one.
        hectares: (N,) that count: those inside an area where a polygon cuts a place, 0 or more.

    Raises:
        AreasError: shapes that differ, values that are not finite, hectares below 0 or all of them 0.
    """

    classes: tuple[str, ...]
    mapped: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.floating]
    hectares: Doubles

    def __post_init__(self) -> None:
        n, k = len(self.hectares), len(self.classes)
        if self.probabilities.shape != (n, k) or self.mapped.shape != (n,) or n == 0:
            raise AreasError(
                f"expected a class, {k} probabilities and hectares of each of the map's places; got shapes "
                f"{self.mapped.shape}, {self.probabilities.shape}, {self.hectares.shape}: pass those of the same rows"
            )
        if not np.isfinite(self.hectares).all() or (self.hectares < 0).any() or self.hectares.sum() <= 0:
            raise AreasError(
                "expected finite hectares, not negative, some above 0; got others: check the areas of the map, "
                "and that it meets the area asked for"
            )
        sums = self.probabilities.sum(axis=1)
        if not np.isfinite(sums).all() or (np.abs(sums - 1) > 1e-3).any():
            raise AreasError(
                "expected probabilities whose rows sum to one; got others: leave out places that were never observed"
            )
        if self.mapped.min() < 0 or self.mapped.max() >= k:
            raise AreasError(
                f"expected mapped classes 0 to {k - 1}; got others: leave out places without a class"
            )

    def __len__(self) -> int:
        return len(self.hectares)


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceSample:
    """A probability sample of n places of a map, each with the class that was found there.

    Attributes:
        row: (n,) positions in the map.
        reference: (n,) class found, any text.
        inclusion_probability: (n,) chance that the design gave each place, above 0 and at most 1.
        stratum: (n,) name of the stratum that each was drawn from; "" for all where there was one.

    Raises:
        AreasError: lengths that differ, no places, one place twice, an empty class, inclusion probabilities outside
            (0, 1], or a stratum with a single place that was not drawn for certain: it shows no variance.
    """

    row: npt.NDArray[np.int64]
    reference: npt.NDArray[np.str_]
    inclusion_probability: Doubles
    stratum: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        lengths = {len(self.row), len(self.reference), len(self.inclusion_probability), len(self.stratum)}
        if len(lengths) != 1 or lengths == {0}:
            raise AreasError(
                f"expected a row, class, inclusion probability and stratum of each sampled place; got {lengths} of "
                "them: pass arrays of one length, above 0"
            )
        if len(np.unique(self.row)) != len(self.row):
            raise AreasError("expected each place once; got one twice: keep one label of each place")
        if (self.reference == "").any():
            raise AreasError(
                "expected a class of each sampled place; got an empty one: fill it in, or say 'unknown'"
            )
        chance = self.inclusion_probability
        if not ((chance > 0) & (chance <= 1)).all():
            bad = chance[~((chance > 0) & (chance <= 1))][0]
            raise AreasError(
                f"expected inclusion probabilities above 0 and at most 1; got {bad}: divide the places drawn from a "
                "stratum by the places that it has"
            )
        self._require_pairs()

    def _require_pairs(self) -> None:
        names, codes = np.unique(self.stratum, return_inverse=True)
        uncertain = np.bincount(codes, self.inclusion_probability < 1)
        lone = names[(np.bincount(codes) == 1) & (uncertain > 0)]
        if len(lone):
            raise AreasError(
                f"expected at least two sampled places in each stratum; got one in {', '.join(lone[:5]) or 'all'}: "
                "draw more there, or give it the name of a stratum like it if both had the same inclusion probability"
            )

    def __len__(self) -> int:
        return len(self.row)

    def taken(self, places: npt.NDArray[np.bool_]) -> Doubles:
        """(n,) 1.0 for sampled places where `places` (N,) is true, else 0.0."""
        return np.asarray(places[self.row], np.float64)


def design_deviations(
    values: Doubles, chance: Doubles, stratum: Sequence[str] | npt.NDArray[np.str_]
) -> Doubles:
    """Deviations whose sums of products are design-based variances and covariances of estimated totals.

    The variance of the estimated total of column c is `(d[:, c] ** 2).sum()`, its covariance with that of another
    column the sum of products: Hájek's estimator for stratified samples of fixed size with unequal probabilities
    (Hájek 1981; Berger 2004, Journal of Nonparametric Statistics 16, 445-455). With equal probabilities in a stratum it
    is the textbook's `N² (1 - n/N) s² / n`, finite population correction and all.

    Args:
        values: (n, C) of the sampled places, 0 outside the domain asked about.
        chance: (n,) inclusion probabilities.
        stratum: (n,) names.

    Returns:
        (n, C) float64.
    """
    _, codes = np.unique(np.asarray(stratum), return_inverse=True)
    size = np.bincount(codes).astype(np.float64)
    left = 1 - chance
    expanded = values / chance[:, None]
    centre = np.zeros((len(size), values.shape[1]))
    np.add.at(centre, codes, left[:, None] * expanded)
    weight = np.bincount(codes, left)
    centre /= np.where(weight > 0, weight, 1)[:, None]
    correction = left * (size / np.maximum(size - 1, 1))[codes]
    return np.asarray(np.sqrt(correction)[:, None] * (expanded - centre[codes]), np.float64)
