"""Intervals that cover: how far labels were from predictions that had not seen their group.

Errors over the model's own deviation are ranked, every group with the same weight (Dunn, Wasserman and Ramdas 2022,
doi:10.1080/01621459.2022.2060112, "pooling CDFs"). Labels of one group err together, so the correction for a finite
number is by the number of labels that err on their own, between that of groups and that of labels (Kish 1965).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

__all__ = ["ConformalInterval"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_MOST_SCORES = 2000


@dataclass(frozen=True, slots=True)
class ConformalInterval:
    """Held-out errors over their stated deviations, as a distribution.

    Attributes:
        scores: (S,) float32, rising: |error| / deviation.
        mass: (S,) float32, rising to 1: share of the groups' weight at or below each score.
        root_mean_square: of the scores, groups weighted alike.
        groups: G.
        independent: how many labels err on their own, G to N.
    """

    scores: npt.NDArray[np.float32]
    mass: npt.NDArray[np.float32]
    root_mean_square: float
    groups: int
    independent: float

    @classmethod
    def of(cls, scores: Doubles, groups: Codes) -> ConformalInterval:
        """From scores (N,) of labels predicted without their groups (N,), 0..G-1."""
        sizes = np.bincount(groups)
        weight = 1 / (sizes[groups] * len(sizes))
        order = np.argsort(scores, kind="stable")
        mass = np.cumsum(weight[order])
        keep = np.unique(np.linspace(0, len(scores) - 1, min(len(scores), _MOST_SCORES)).round().astype(int))
        return cls(
            scores[order][keep].astype(np.float32),
            (mass[keep] / mass[-1]).astype(np.float32),
            float(np.sqrt(weight @ scores**2)),
            len(sizes),
            _independent(scores, groups, sizes),
        )

    @classmethod
    def unknown(cls) -> ConformalInterval:
        """Of labels of a single group, which say nothing of other groups."""
        empty = np.zeros(0, np.float32)
        return cls(empty, empty, 0.0, 1, 1.0)

    def factor(self, coverage: float) -> float:
        """How many deviations to go to each side for this coverage, 0..1; infinite where nothing is known.

        Where there are too few labels for a rank (fewer than nine for 90 %), Student's distribution with G - 1 degrees
        of freedom stands in for it; labels that are all alike then say nothing of the spread.
        """
        if self.groups < 2:
            return float("inf")
        level = coverage * (1 + 1 / self.independent)
        if level <= 1:
            place = int(np.searchsorted(self.mass, np.float32(level) - np.float32(1e-6)))
            return float(self.scores[min(place, len(self.scores) - 1)])
        if self.root_mean_square == 0:
            return float("inf")
        return float(scipy.stats.t.ppf(0.5 + coverage / 2, self.groups - 1) * self.root_mean_square)


def _independent(scores: Doubles, groups: Codes, sizes: npt.NDArray[np.intp]) -> float:
    """Kish's number of independent labels, N / (1 + (n - 1) * correlation within groups), at least G."""
    total, count = len(scores), len(sizes)
    if count < 2 or total == count:
        return float(count)
    means = np.bincount(groups, scores) / sizes
    within = ((scores - means[groups]) ** 2).sum() / (total - count)
    usual = (total - (sizes.astype(float) ** 2).sum() / total) / (count - 1)
    between = (sizes * (means - scores.mean()) ** 2).sum() / (count - 1)
    shared = max((between - within) / usual, 0.0)
    correlation = shared / (shared + within) if shared + within > 0 else 0.0
    return float(max(total / (1 + (total / count - 1) * correlation), count))
