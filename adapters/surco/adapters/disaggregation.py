"""Official totals brought down to places: estimates that add up to the totals exactly, with intervals.

A place i of area c has the value y_i = f(x_i) + u_c + e_i, with f linear in the vectors, u_c what the area shares and
e_i the place's own. A total is the mean of its places by hectares, and the mean of a linear model is the model of the
mean vector: f is learned from totals in closed form. Given the totals exactly,

    y_i = f(x_i) + k_i (t_c - f(mean x of c)),   k_i = (var u + w_i var e) / (var u + var e * sum of squared w),

with w_i the place's share of the area's hectares: area-to-point kriging (Kyriakidis 2004,
doi:10.1111/j.1538-4632.2004.tb01135.x), whose weights make the result mass-preserving ("pycnophylactic", Tobler 1979).
What differs between areas need not differ in the same way between places of one: f's differences within an area are
multiplied by the share of the totals that it explains when each is held out (never below 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

from surco.adapters.bayesian_ridge import BayesianRidge, learned_ratios
from surco.adapters.checks import require_finite
from surco.adapters.errors import LabelsError, SettingsError, VectorsError
from surco.adapters.kernel_features import standardised

__all__ = ["Disaggregated", "disaggregate"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_RATIO = float(np.log(0.5))
_LEAST_SHARED = (
    0.1  # of an area's error is its own at least: else k_i would be the place's share of the hectares
)
_LEAST_AREAS = 3  # for a deviation that means something


@dataclass(frozen=True, slots=True)
class Disaggregated:
    """Values of places that add up to the totals of their areas.

    Attributes:
        value: (N,) in the totals' unit; NaN in areas without a total.
        low, high: (N,) between which a place lies with probability `coverage`, infinite where under three totals tell
            nothing of the spread; NaN in areas without a total.
        areas: names of the areas that have a total and places, sorted.
        explained: R² of the totals, each predicted from the vectors without itself; None under three.
        coverage: of the intervals.
    """

    value: Doubles
    low: Doubles
    high: Doubles
    areas: tuple[str, ...]
    explained: float | None
    coverage: float


@dataclass(frozen=True, slots=True)
class _Areas:
    """N places in G areas with a total: area (N,), share of its hectares (N,), totals (G,), squared shares (G,)."""

    area: Codes
    share: Doubles
    total: Doubles
    concentration: Doubles

    def mean(self, rows: npt.NDArray[Any]) -> Doubles:
        """Mean (G, P) of rows (N, P) by hectares."""
        out = np.zeros((len(self.total), rows.shape[1]))
        np.add.at(out, self.area, rows * self.share[:, None])
        return out

    def sums(self, values: Doubles) -> Doubles:
        """Mean (G,) of values (N,) by hectares."""
        return np.asarray(np.bincount(self.area, values * self.share, len(self.total)))


def disaggregate(
    X: Any,
    hectares: Any,
    areas: Any,
    totals: Mapping[str, float],
    *,
    coverage: float = 0.9,
    least: float | None = None,
    place_spread: float = 0.2,
) -> Disaggregated:
    """Estimate every place from the totals of areas.

    Args:
        X: (N, D) vectors of the places, all of one crop.
        hectares: (N,) area of each, above 0.
        areas: (N,) name of the area each lies in.
        totals: value per hectare of each area, such as its yield in t/ha (production over hectares).
        coverage: of the intervals, 0..1.
        least: a bound that no place passes, such as 0.
        place_spread: how much places of one area and one vector differ, as a share of the mean total: totals cannot
            tell. Farms differ by 0.15 to 0.25 in surveys and in the synthetic country.

    Raises:
        LabelsError: no area has both a total and places; a total that is not finite or below `least`; lengths that
            differ.
        VectorsError: NaN or infinity, hectares that are not above 0.
        SettingsError: coverage or spread outside 0..1.
    """
    _check_settings(coverage, place_spread)
    vectors = np.asarray(X, np.float64)
    names = np.asarray(areas).astype(str)
    size = _checked_hectares(hectares, vectors, names)
    inside, known, total = _known_areas(names, totals, least)
    found = np.full((3, len(names)), np.nan)
    rows = np.flatnonzero(inside)
    shares = _shares(names[rows], known, total, size[rows])
    value, deviation, explained = _estimate(vectors[rows], shares, place_spread)
    value = _at_least(value, shares, least)
    factor = _factor(coverage, len(known))
    half = factor * deviation if np.isfinite(factor) else np.where(deviation > 0, np.inf, 0.0)
    low, high = value - half, value + half
    found[:, rows] = value, low if least is None else np.maximum(low, least), high
    return Disaggregated(found[0], found[1], found[2], tuple(known), explained, coverage)


def _estimate(vectors: Doubles, areas: _Areas, place_spread: float) -> tuple[Doubles, Doubles, float | None]:
    """Values (N,), standard deviations (N,), and how well the totals are explained."""
    centre, spread = float(areas.total.mean()), float(areas.total.std()) or 1.0
    features = standardised(vectors, each=False)
    rows = features.of(vectors).astype(np.float64)
    means, target = areas.mean(rows), (areas.total - centre) / spread
    ratios, _ = learned_ratios(means, target, features.blocks(), (_RATIO,))
    ridge = BayesianRidge.fit(means, target, features.blocks(), ratios)
    own = (place_spread * abs(centre) / spread) ** 2
    shared = np.maximum(ridge.noise - own * areas.concentration, _LEAST_SHARED * ridge.noise)
    error = shared + own * areas.concentration
    pull = (shared[areas.area] + own * areas.share) / error[areas.area]
    explained = _explained(ridge, means, target)
    believed = 1.0 if explained is None else max(explained, 0.0)
    contrast = rows - pull[:, None] * means[areas.area]
    within = contrast @ ridge.weights
    value = believed * within + pull * target[areas.area]
    variance = np.square(contrast @ ridge.factor).sum(axis=1) + ((1 - believed) * within) ** 2
    variance += np.maximum(shared[areas.area] + own - pull**2 * error[areas.area], 0)
    return centre + spread * value, spread * np.sqrt(variance), explained


def _explained(ridge: BayesianRidge, means: Doubles, target: Doubles) -> float | None:
    """R² of standardised totals (G,), each predicted from the mean features (G, P) without itself."""
    if len(target) < _LEAST_AREAS:
        return None
    without = ridge.held_out(means, target, np.arange(len(target)))
    return 1 - float(np.mean((target - without.mean) ** 2)) / max(float(np.mean(target**2)), 1e-12)


def _at_least(value: Doubles, areas: _Areas, least: float | None) -> Doubles:
    """Values none of which is below `least`, with the same sums: what is lifted is taken from the others alike."""
    out = value.copy()
    if least is None:
        return out
    for area in np.unique(areas.area[value < least]):
        rows = np.flatnonzero(areas.area == area)
        out[rows] = _lifted(value[rows], areas.share[rows], float(areas.total[area]), least)
    return out


def _lifted(value: Doubles, share: Doubles, total: float, least: float) -> Doubles:
    free = np.ones(len(value), bool)
    for _ in range(len(value)):
        rest = total - least * share[~free].sum()
        shift = (rest - value[free] @ share[free]) / share[free].sum()
        below = free & (value + shift < least)
        if not below.any():
            break
        free &= ~below
        if not free.any():
            return np.full(len(value), total)
    return np.asarray(np.where(free, value + shift, least))


def _factor(coverage: float, areas: int) -> float:
    if areas < _LEAST_AREAS:
        return float("inf")
    return float(scipy.stats.t.ppf(0.5 + coverage / 2, areas - 1))


def _shares(names: npt.NDArray[np.str_], known: list[str], total: Doubles, size: Doubles) -> _Areas:
    area = np.searchsorted(np.array(known), names).astype(np.intp)
    share = size / np.bincount(area, size)[area]
    return _Areas(area, share, total, np.bincount(area, share**2).astype(np.float64))


def _known_areas(
    names: npt.NDArray[np.str_], totals: Mapping[str, float], least: float | None
) -> tuple[npt.NDArray[np.bool_], list[str], Doubles]:
    """Which places lie in an area with a total (N,), those areas' names, sorted, and their totals (G,)."""
    present = np.unique(names)
    known = sorted(str(name) for name in totals if str(name) in set(present.tolist()))
    if not known:
        raise LabelsError(
            f"expected totals of areas that have places; got totals of {len(totals)} areas and places in "
            f"{len(present)} others, such as {', '.join(present[:3].tolist()) or 'none'}: compare the areas' names"
        )
    by_name = {str(name): float(total) for name, total in totals.items()}
    total = np.array([by_name[name] for name in known])
    for name, value in zip(known, total.tolist(), strict=True):
        if not np.isfinite(value) or (least is not None and value < least):
            raise LabelsError(
                f"expected totals per hectare that are finite{'' if least is None else f' and at least {least:g}'}; "
                f"got {value:g} of {name}: correct it, or leave the area out"
            )
    return np.isin(names, known), known, total


def _checked_hectares(hectares: Any, vectors: Doubles, names: npt.NDArray[np.str_]) -> Doubles:
    size = np.asarray(hectares, np.float64)
    if vectors.ndim != 2 or names.shape != (len(vectors),) or size.shape != names.shape:
        raise LabelsError(
            f"expected one area and its hectares a vector; got vectors {vectors.shape}, hectares {size.shape} and "
            f"areas {names.shape}: take all three from the same rows"
        )
    require_finite(vectors)
    bad = np.flatnonzero(~(np.isfinite(size) & (size > 0)))
    if len(bad):
        raise VectorsError(
            f"expected hectares above 0; got {size[bad[0]]:g} in row {bad[0]} and {len(bad)} such in all: leave those "
            "places out"
        )
    return size


def _check_settings(coverage: float, place_spread: float) -> None:
    if not 0 < coverage < 1:
        raise SettingsError(f"expected a coverage between 0 and 1; got {coverage!r}: use 0.9 for 90 %")
    if not 0 <= place_spread <= 1:
        raise SettingsError(
            f"expected a place_spread between 0 and 1; got {place_spread!r}: use 0.2 where nothing is known"
        )
