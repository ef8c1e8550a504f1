"""Whether probabilities come true: the reliability diagram's points, and the error of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Reliability", "class_calibration_errors", "reliability"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_BINS = 15
_DRAWN = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """One point of the diagram: the mean confidence of rows of like confidence, and how many of them were right."""

    confidence: float
    accuracy: float
    n: int


def reliability(codes: Codes, proba: Doubles, bins: int = _DRAWN) -> tuple[Reliability, ...]:
    """Points of the reliability diagram of probabilities (N, K), in bins of equal mass by confidence."""
    confidence = proba.max(axis=1)
    hit = proba.argmax(axis=1) == codes
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(codes)))
    return tuple(Reliability(float(confidence[p].mean()), float(hit[p].mean()), len(p)) for p in parts)


def class_calibration_errors(codes: Codes, proba: Doubles, bins: int = _BINS) -> Doubles:
    """Calibration error (K,) of each class's probability against its occurrence, in bins of equal mass.

    Their mean is the classwise expected calibration error (Kull et al. 2019).
    """
    n, k = proba.shape
    errors = np.zeros(k)
    for c in range(k):
        order = np.argsort(proba[:, c], kind="stable")
        for part in np.array_split(order, min(bins, n)):
            errors[c] += len(part) / n * abs(proba[part, c].mean() - (codes[part] == c).mean())
    return errors
