"""A sample as one domain sees it, kept to the hectares of the mapped classes, and how far its shares may be off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.areas_count import KnownAreas
from surco.adapters.areas_sample import ReferenceSample, design_deviations

__all__ = ["LEAST_OF_CLASS", "FoundSample", "MappedGroups", "mapped_groups"]

Doubles = npt.NDArray[np.float64]
LEAST_OF_CLASS = 5
"""Sampled places of a class below which it gets no interval, or if mapped so no group: so few may agree by luck."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundSample:
    """A sample as one domain sees it.

    Attributes:
        sample: the sample.
        hectares: (n,) of each place in the domain, 0 outside it.
        reference: (n, C) 1.0 for the class found.
        mapped: (n,) position of the mapped class.
        proxies: (n, C) the map's probabilities.
        groups: of `mapped_groups`.
    """

    sample: ReferenceSample
    hectares: Doubles
    reference: Doubles
    mapped: npt.NDArray[np.int64]
    proxies: Doubles
    groups: MappedGroups

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """(n,) whether each sampled place lies in the domain."""
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
        """Degrees of freedom: places less strata that have two or more of them, or less groups if these are more."""
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
class MappedGroups:
    """Mapped classes whose hectares the estimate keeps to: (C,) group of each class, (G,) share of each group."""

    of: npt.NDArray[np.int64]
    share: Doubles


def mapped_groups(mapped: npt.NDArray[np.int64], known: KnownAreas) -> MappedGroups:
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
    return MappedGroups(np.minimum(of, count_of - 1), share / max(known.hectares, np.finfo(float).tiny))
