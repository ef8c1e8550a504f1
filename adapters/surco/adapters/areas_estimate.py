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
from surco.adapters.areas_groups import LEAST_OF_CLASS, FoundSample, mapped_groups
from surco.adapters.areas_sample import AreaMap, ReferenceSample
from surco.adapters.errors import AreasError
from surco.embedstore import Sentence

__all__ = ["LEAST_UNITS", "METHODS", "estimate_areas"]

Doubles = npt.NDArray[np.float64]
METHODS = ("assisted", "stratified")
LEAST_UNITS = 20
"""Sampled places below which a domain gets no estimate: the normal theory of intervals needs about so many."""


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

    Intervals are Student's, with as many degrees of freedom as `FoundSample.freedom` says. One
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
        found = FoundSample(
            sample, hectares, every[reference], mapped, proxies, mapped_groups(mapped[hectares > 0], known)
        )
        answers.append(_domain(names[code], labels, known, found, method, confidence))
    return tuple(answers)


def _domain(
    name: str,
    labels: Sequence[str],
    known: KnownAreas,
    found: FoundSample,
    method: AreaMethod,
    confidence: float,
) -> AreaEstimates:
    units, seen = int(found.inside.sum()), found.reference[found.inside].sum(axis=0).astype(int)
    counted = zip(labels, known.mapped.tolist(), known.expected.tolist(), seen.tolist(), strict=True)
    if units < LEAST_UNITS:
        note = Sentence(
            f"{units} sampled places lie here; an estimate needs {LEAST_UNITS}",
            "area-few",
            count=units,
            least=LEAST_UNITS,
        )
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
        note = Sentence("no sampled place is of this class", "area-class-unmet")
        return AreaEstimate(label, mapped, expected, None, None, None, None, 0, note)
    area = min(max(area, 0.0), total)
    if error <= 1e-9 * total:
        note = Sentence("the sample met no error in this class, so it shows no variance", "area-no-error")
        return AreaEstimate(label, mapped, expected, area, None, None, None, seen, note)
    if seen < LEAST_OF_CLASS:
        note = Sentence(
            f"sampled places of this class: {seen}; an interval needs {LEAST_OF_CLASS}",
            "area-class-few",
            count=seen,
            least=LEAST_OF_CLASS,
        )
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
