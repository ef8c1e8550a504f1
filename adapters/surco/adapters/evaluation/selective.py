"""What abstaining buys, and whether conformal sets hold the truth as often as they promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.scores import Estimate, score

__all__ = ["Coverage", "coverage_of", "coverages", "selective_accuracy"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_SHARES = tuple(round(0.05 * i, 2) for i in range(2, 21))


@dataclass(frozen=True, slots=True)
class Coverage:
    """Conformal sets at one nominal coverage: how often they hold the truth, and how many classes they name."""

    nominal: float
    covered: Estimate
    mean_size: float
    single: float
    """Share of rows whose set is one class."""


def selective_accuracy(codes: Codes, proba: Doubles) -> tuple[tuple[float, float], ...]:
    """(share answered, accuracy of the answers) where only the surest rows of (N, K) are answered."""
    order = np.argsort(-proba.max(axis=1), kind="stable")
    hit = (proba.argmax(axis=1) == codes)[order]
    right = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    at = [max(1, round(share * len(hit))) for share in _SHARES]
    return tuple((share, float(right[i - 1])) for share, i in zip(_SHARES, at, strict=True))


def coverage_of(nominal: float, held: npt.NDArray[np.bool_], codes: Codes, groups: Codes) -> Coverage:
    """Coverage of sets (N, K) with the interval of whole groups resampled."""
    inside = held[np.arange(len(codes)), codes]
    # The share of rows that are inside is the accuracy of a classifier that is right exactly there.
    as_answer = np.where(inside[:, None], [1.0, 0.0], [0.0, 1.0])
    covered = score(np.zeros(len(codes), np.intp), as_answer, ["inside", "outside"], groups).accuracy
    size = held.sum(axis=1)
    return Coverage(nominal, covered, float(size.mean()), float((size == 1).mean()))


def coverages(
    sets: Mapping[float, npt.NDArray[np.bool_]], codes: Codes, groups: Codes
) -> tuple[Coverage, ...]:
    """Coverage at each nominal level."""
    return tuple(coverage_of(nominal, held, codes, groups) for nominal, held in sorted(sets.items()))
