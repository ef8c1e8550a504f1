"""Hectares by class from a probability sample, alone or helped by the map's probabilities, with intervals.

Stratified: the hectares A of each mapped class are shared out by the classes found where it is mapped,
`sum over g of A_g * sum(w a z) / sum(w a)`, with w = 1 / inclusion probability, a hectares, and z = 1 where the class
found is the one asked about; mapped classes with few sampled places are taken together. Where strata are the map's
classes and places are alike in area this is Olofsson et al. 2014; where strata are others it is Stehman 2014
(International Journal of Remote Sensing 35, 4923-4939), post-stratified by the map.

Assisted: the map's probabilities p are summed over all places, and the sample says what they miss:
`lambda * sum(a p) + sum over g of A_g * sum(w a (z - lambda p)) / sum(w a)`. With lambda = 1 it is the difference
estimator (Särndal, Swensson and Wretman 1992, chapter 6), with the lambda of least estimated variance it is
prediction-powered inference, PPI++ (Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453), for a finite population and
a stratified sample. The sample keeps it honest however bad the map is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from surco.adapters.areas_count import (
    AreaEstimate,
    AreaEstimates,
    AreaMethod,
    KnownAreas,
    checked_domain,
    known_areas,
)
from surco.adapters.areas_sample import AreaMap, ReferenceSample, design_deviations
from surco.adapters.errors import AreasError

__all__ = ["LEAST_OF_CLASS", "LEAST_UNITS", "METHODS", "estimate_areas"]

Doubles = npt.NDArray[np.float64]
METHODS = ("assisted", "stratified")
LEAST_UNITS = 20
"""Sampled places below which a domain gets no estimate: the normal theory of intervals needs about so many."""
LEAST_OF_CLASS = 5
"""Sampled places found to be of a class below which it gets no interval: so few may agree by luck."""


def estimate_areas(
    area_map: AreaMap,
    sample: ReferenceSample,
    *,
    domain: npt.NDArray[np.int64] | None = None,
    names: Sequence[str] = ("all",),
    method: AreaMethod = "assisted",
    confidence: float = 0.95,
) -> tuple[AreaEstimates, ...]:
    """Estimate hectares by class, in all of a map or in each of its domains.

    Intervals are Student's, with as many degrees of freedom as places less strata that have two of them or more. One
    lambda serves all classes of a domain, so that their areas add up to the domain's; it makes the mean of the classes'
    variances, each divided by that of the stratified estimator, least, and is kept within 0 and 1.

    Args:
        area_map: the map, of all places that the sample could have met.
        sample: places drawn from it, with what was found there.
        domain: (N,) position in `names` of each place's domain, -1 where it is in none; None for one domain of all.
        names: of the domains.
        method: "assisted" or "stratified".
        confidence: of the intervals, 0..1.

    Raises:
        AreasError: an unknown method or confidence, a sample of other rows, domains of another length.
    """
    _require(area_map, sample, method, confidence)
    domains = checked_domain(area_map, domain, names)
    labels, reference = _labels(area_map, sample)
    proxies = np.zeros((len(sample), len(labels)))
    proxies[:, : len(area_map.classes)] = area_map.probabilities[sample.row]
    every = np.eye(len(labels))
    answers = []
    for code, known in enumerate(known_areas(area_map, domains, len(names), len(labels))):
        hectares = area_map.hectares[sample.row] * (domains[sample.row] == code)
        mapped = area_map.mapped[sample.row]
        found = _Found(
            sample, hectares, every[reference], mapped, proxies, _groups(mapped[hectares > 0], known)
        )
        answers.append(_domain(names[code], labels, known, found, method, confidence))
    return tuple(answers)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A sample as one domain sees it.

    Attributes:
        sample: the sample.
        hectares: (n,) of each place in the domain, 0 outside it.
        reference: (n, C) 1.0 for the class found.
        mapped: (n,) position of the mapped class.
        proxies: (n, C) the map's probabilities.
        groups: of `_groups`.
    """

    sample: ReferenceSample
    hectares: Doubles
    reference: Doubles
    mapped: npt.NDArray[np.int64]
    proxies: Doubles
    groups: _Groups

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        return self.hectares > 0

    def shares(self, values: Doubles) -> Doubles:
        """(C,) estimated share of the domain's hectares."""
        _, means = self._means(values)
        return np.asarray(self.groups.share @ means, np.float64)

    def deviations(self, values: Doubles) -> Doubles:
        """(n, C) deviations of `shares`, linearised; their squares sum to its variance.

        A place that weighs much draws its group's mean to itself: its residual is divided by what it leaves to others,
        as the jackknife would, as far as the design's own correction for small strata does not do so.
        """
        weight, means = self._means(values)
        group = self.groups.of[self.mapped]
        total = np.bincount(group, weight, len(self.groups.share))[group]
        _, stratum, size = np.unique(self.sample.stratum, return_inverse=True, return_counts=True)
        corrected = (size / np.maximum(size - 1, 1))[stratum]
        left = np.where(self.inside, total - weight, 1.0)
        factor = np.maximum(1 / total.clip(min=np.finfo(float).tiny), 1 / (left * corrected))
        residual = (self.groups.share[group] * self.hectares * factor)[:, None] * (values - means[group])
        residual[~self.inside] = 0
        return design_deviations(residual, self.sample.inclusion_probability, self.sample.stratum)

    def errors(self) -> Doubles:
        """(C,) sampled places that are of a class and not mapped so, or mapped so and not of it."""
        said = np.eye(self.reference.shape[1])[self.mapped]
        return np.asarray(np.abs(self.reference - said)[self.inside].sum(axis=0), np.float64)

    def freedom(self) -> int:
        _, sizes = np.unique(self.sample.stratum[self.inside], return_counts=True)
        return max(int(sizes.sum() - max((sizes > 1).sum(), len(self.groups.share))), 1)

    def _means(self, values: Doubles) -> tuple[Doubles, Doubles]:
        """(n,) expanded hectares, and (G, C) their weighted mean of the values in each group."""
        weight = self.hectares / self.sample.inclusion_probability
        group = self.groups.of[self.mapped]
        sums = np.zeros((len(self.groups.share), values.shape[1]))
        np.add.at(sums, group, weight[:, None] * values)
        return weight, sums / np.bincount(group, weight, len(sums))[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Mapped classes whose hectares the estimate keeps to: (C,) group of each class, (G,) share of each group."""

    of: npt.NDArray[np.int64]
    share: Doubles


def _groups(mapped: npt.NDArray[np.int64], known: KnownAreas) -> _Groups:
    """A group for each mapped class with enough sampled places; the others are one, with the least of these if need be.

    Args:
        mapped: (m,) positions of the sampled places inside the domain.
        known: what is known of the domain.
    """
    count = np.bincount(mapped, minlength=len(known.mapped))
    small = (count < LEAST_OF_CLASS) & ((known.mapped > 0) | (count > 0))
    while small.any() and count[small].sum() < LEAST_OF_CLASS and not small.all():
        rest = np.where(small | (count == 0), count.max() + 1, count)
        if rest.min() > count.max():
            break
        small[rest.argmin()] = True
    own = np.flatnonzero(~small & (count > 0))
    of = np.full(len(count), len(own))
    of[own] = np.arange(len(own))
    count_of = len(own) + int(small.any())
    share = np.bincount(of, known.mapped, len(own) + 1)[:count_of]
    # Classes that are neither mapped nor sampled here belong to no group, and weigh nothing in any.
    return _Groups(np.minimum(of, count_of - 1), share / max(known.hectares, np.finfo(float).tiny))


def _domain(
    name: str,
    labels: Sequence[str],
    known: KnownAreas,
    found: _Found,
    method: AreaMethod,
    confidence: float,
) -> AreaEstimates:
    units, seen = int(found.inside.sum()), found.reference[found.inside].sum(axis=0).astype(int)
    counted = zip(labels, known.mapped.tolist(), known.expected.tolist(), seen.tolist(), strict=True)
    if units < LEAST_UNITS:
        note = f"{units} sampled places lie here; an estimate needs {LEAST_UNITS}"
        few = tuple(AreaEstimate(*each[:3], None, None, None, None, each[3], note) for each in counted)
        return AreaEstimates(name, known.hectares, units, few, method, 0.0, confidence)
    own, helped = found.deviations(found.reference), found.deviations(found.proxies)
    power = _power(own, helped) if method == "assisted" else 0.0
    area = power * known.expected + known.hectares * found.shares(found.reference - power * found.proxies)
    error = known.hectares * np.sqrt(((own - power * helped) ** 2).sum(axis=0))
    margin = stats.t.ppf(0.5 + confidence / 2, found.freedom()) * error
    error[found.errors() == 0] = 0.0
    figures = np.stack((area, error, margin), axis=1).tolist()
    classes = tuple(_class(known.hectares, *each) for each in zip(counted, figures, strict=True))
    return AreaEstimates(name, known.hectares, units, classes, method, power, confidence)


def _class(total: float, counted: tuple[str, float, float, int], figures: Sequence[float]) -> AreaEstimate:
    label, mapped, expected, seen = counted
    area, error, margin = figures
    if seen == 0:
        note = "no sampled place is of this class"
        return AreaEstimate(label, mapped, expected, None, None, None, None, 0, note)
    area = min(max(area, 0.0), total)
    if error <= 1e-9 * total:
        note = "the sample met no error in this class, so it shows no variance"
        return AreaEstimate(label, mapped, expected, area, None, None, None, seen, note)
    if seen < LEAST_OF_CLASS:
        note = f"sampled places of this class: {seen}; an interval needs {LEAST_OF_CLASS}"
        return AreaEstimate(label, mapped, expected, area, None, None, None, seen, note)
    low, high = max(area - margin, 0.0), min(area + margin, total)
    return AreaEstimate(label, mapped, expected, area, error, low, high, seen)


def _power(own: Doubles, helped: Doubles) -> float:
    """Lambda of the least mean variance, each class's measured by that of the stratified estimator."""
    alone = (own**2).sum(axis=0)
    counted = alone > 0
    weight = 1 / alone[counted]
    gain = ((own * helped).sum(axis=0)[counted] * weight).sum()
    cost = ((helped**2).sum(axis=0)[counted] * weight).sum()
    return float(np.clip(gain / cost, 0, 1)) if cost > 0 else 0.0


def _labels(area_map: AreaMap, sample: ReferenceSample) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Classes of the map, then those that only the sample has; and the position of each sampled place's."""
    names = list(area_map.classes)
    labels = names + sorted(set(sample.reference.tolist()) - set(names))
    place = {label: position for position, label in enumerate(labels)}
    return labels, np.array([place[label] for label in sample.reference.tolist()], np.int64)


def _require(area_map: AreaMap, sample: ReferenceSample, method: str, confidence: float) -> None:
    if method not in METHODS:
        raise AreasError(f"expected the method {' or '.join(METHODS)}; got {method!r}: use one of them")
    if not 0 < confidence < 1:
        raise AreasError(f"expected a confidence between 0 and 1; got {confidence}: use 0.95 for 95 %")
    if sample.row.min() < 0 or sample.row.max() >= len(area_map):
        raise AreasError(
            f"expected a sample of the map's {len(area_map)} places; got a row outside: pass the map it was drawn from"
        )
