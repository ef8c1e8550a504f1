"""Hectares by class from a probability sample, alone or helped by the map's probabilities, with intervals.

Stratified: the map's total is shared out by the classes found, `A * sum(w a z) / sum(w a)`, with w = 1 / inclusion
probability, a hectares and z = 1 where the reference class is the one asked about. Where strata are the map's classes
and places are alike in area this is Olofsson et al. 2014; where strata are others, Stehman 2014 (International Journal
of Remote Sensing 35, 4923-4939).

Assisted: the map's probabilities p are summed over all places, and the sample says what they miss:
`lambda * sum(a p) + A * sum(w a (z - lambda p)) / sum(w a)`. With lambda = 1 it is the difference estimator (Särndal,
Swensson and Wretman 1992, chapter 6), with the lambda of least estimated variance prediction-powered inference, PPI++
(Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453), for a finite population and a stratified sample. The sample
keeps it honest however bad the map is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from surco.adapters.areas_sample import AreaMap, ReferenceSample, design_deviations
from surco.adapters.errors import AreasError

__all__ = ["LEAST_UNITS", "METHODS", "AreaEstimate", "AreaEstimates", "AreaMethod", "estimate_areas"]

Doubles = npt.NDArray[np.float64]
AreaMethod = Literal["assisted", "stratified"]
METHODS = {
    "stratified": "stratified estimator (Olofsson et al. 2014; Stehman 2014)",
    "assisted": "model-assisted estimator (Angelopoulos et al. 2023, PPI++)",
}
LEAST_UNITS = 20
"""Sampled places below which a domain gets no estimate: the normal theory of intervals needs about so many."""
_FEW = 5


@dataclass(frozen=True, slots=True)
class AreaEstimate:
    """Hectares of one class in one domain.

    `mapped` is counted from the map. `area`, `standard_error`, `low` and `high` (the interval) are None where `note`
    says why there is none; `units` is how many sampled places of the domain are of this class.
    """

    label: str
    mapped: float
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
        method: "assisted" or "stratified".
        power: lambda, how far the map's probabilities were believed, 0..1; 0 for "stratified".
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
class _Known:
    """What is known of one domain without a sample: hectares, and by class (C,) those mapped and those expected."""

    hectares: float
    mapped: Doubles
    expected: Doubles


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
    domains = _checked_domain(area_map, sample, domain, names, method, confidence)
    labels, reference = _labels(area_map, sample)
    proxies = np.zeros((len(sample), len(labels)))
    proxies[:, : len(area_map.classes)] = area_map.probabilities[sample.row]
    answers = []
    for code, (name, known) in enumerate(
        zip(names, _knowns(area_map, domains, names, len(labels)), strict=True)
    ):
        hectares = area_map.hectares[sample.row] * (domains[sample.row] == code)
        found = _Found(sample, hectares, np.eye(len(labels))[reference], proxies)
        answers.append(_domain(name, labels, known, found, method, confidence))
    return tuple(answers)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A sample as one domain sees it: hectares (n,), 0 outside it, reference classes and probabilities (n, C)."""

    sample: ReferenceSample
    hectares: Doubles
    reference: Doubles
    proxies: Doubles

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        return self.hectares > 0

    def shares(self, values: Doubles) -> Doubles:
        """(C,) estimated share of the domain's hectares."""
        weight = self.hectares / self.sample.inclusion_probability
        return np.asarray(weight @ values / weight.sum(), np.float64)

    def deviations(self, values: Doubles) -> Doubles:
        """(n, C) deviations of `shares`, linearised as a ratio; their squares sum to its variance.

        A place that weighs much draws the ratio to itself: its residual is divided by what it leaves to others, as
        the jackknife would.
        """
        weight = self.hectares / self.sample.inclusion_probability
        left = (weight.sum() - weight)[:, None]
        residual = self.hectares[:, None] * (values - self.shares(values)) / left
        return design_deviations(residual, self.sample.inclusion_probability, self.sample.stratum)

    def freedom(self) -> int:
        _, sizes = np.unique(self.sample.stratum[self.inside], return_counts=True)
        return max(int(sizes.sum() - (sizes > 1).sum()), 1)


def _domain(
    name: str, labels: Sequence[str], known: _Known, found: _Found, method: AreaMethod, confidence: float
) -> AreaEstimates:
    units, seen = int(found.inside.sum()), found.reference[found.inside].sum(axis=0).astype(int)
    if units < LEAST_UNITS:
        note = f"{units} sampled places lie here; an estimate needs {LEAST_UNITS}"
        classes = tuple(
            AreaEstimate(label, float(mapped), None, None, None, None, int(count), note)
            for label, mapped, count in zip(labels, known.mapped, seen, strict=True)
        )
        return AreaEstimates(name, known.hectares, units, classes, method, 0.0, confidence)
    own, helped = found.deviations(found.reference), found.deviations(found.proxies)
    power = _power(own, helped) if method == "assisted" else 0.0
    shares = found.shares(found.reference - power * found.proxies)
    area = power * known.expected + known.hectares * shares
    error = known.hectares * np.sqrt(((own - power * helped) ** 2).sum(axis=0))
    margin = stats.t.ppf(0.5 + confidence / 2, found.freedom()) * error
    columns = (known.mapped, area, error, margin)
    rows = zip(labels, np.stack(columns, axis=1).tolist(), seen.tolist(), strict=True)
    classes = tuple(_class(known.hectares, label, values, count) for label, values, count in rows)
    return AreaEstimates(name, known.hectares, units, classes, method, power, confidence)


def _class(total: float, label: str, values: Sequence[float], seen: int) -> AreaEstimate:
    mapped, area, error, margin = values
    if seen == 0:
        return AreaEstimate(label, mapped, None, None, None, None, 0, "no sampled place is of this class")
    area = min(max(area, 0.0), total)
    if error <= 1e-9 * total:
        note = "the sample met no error, so it shows no variance"
        return AreaEstimate(label, mapped, area, None, None, None, seen, note)
    note = f"rests on {seen} sampled places" if seen < _FEW else ""
    return AreaEstimate(
        label, mapped, area, error, max(area - margin, 0.0), min(area + margin, total), seen, note
    )


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


def _knowns(
    area_map: AreaMap, domains: npt.NDArray[np.int64], names: Sequence[str], labels: int
) -> list[_Known]:
    """Sums over the whole map, by domain; places in none are counted in a last bin that is dropped."""
    k, bins = len(area_map.classes), np.where(domains < 0, len(names), domains)
    total = np.bincount(bins, area_map.hectares, len(names) + 1)
    mapped, expected = np.zeros((len(names) + 1, labels)), np.zeros((len(names) + 1, labels))
    counts = np.bincount(bins * k + area_map.mapped, area_map.hectares, (len(names) + 1) * k)
    mapped[:, :k] = counts.reshape(-1, k)
    for column in range(k):
        chances = area_map.hectares * area_map.probabilities[:, column]
        expected[:, column] = np.bincount(bins, chances, len(names) + 1)
    return [_Known(float(total[i]), mapped[i], expected[i]) for i in range(len(names))]


def _checked_domain(
    area_map: AreaMap,
    sample: ReferenceSample,
    domain: Any,
    names: Sequence[str],
    method: str,
    confidence: float,
) -> npt.NDArray[np.int64]:
    if method not in METHODS:
        raise AreasError(
            f"expected the method {' or '.join(sorted(METHODS))}; got {method!r}: use one of them"
        )
    if not 0 < confidence < 1:
        raise AreasError(f"expected a confidence between 0 and 1; got {confidence}: use 0.95 for 95 %")
    if sample.row.min() < 0 or sample.row.max() >= len(area_map):
        raise AreasError(
            f"expected a sample of the map's {len(area_map)} places; got a row outside: pass the map it was drawn from"
        )
    found = np.zeros(len(area_map), np.int64) if domain is None else np.asarray(domain, np.int64)
    if found.shape != (len(area_map),) or found.min() < -1 or found.max() >= len(names):
        raise AreasError(
            f"expected a domain 0 to {len(names) - 1}, or -1, of each of {len(area_map)} places; got shape "
            f"{found.shape}: pass the positions of the domains' names"
        )
    return found
