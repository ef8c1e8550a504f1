"""How well labelled places cover the table: a Gaussian kernel on vectors, and the greedy choice that raises it most.

MaxHerding (Bae, Noh, Sutherland, ECCV 2024, arXiv 2407.12212): generalised coverage is the mean over all candidates of
their likeness to the most alike labelled one. It is submodular, so the greedy choice is within 1 - 1/e of the best, and
gains can be evaluated lazily (Minoux 1978).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from surco.adapters.next_label.openings import Openings

__all__ = ["Coverage", "herded"]

Floats = npt.NDArray[np.float32]
_BANDWIDTH = 0.5
_ASKED = 512


@dataclass(frozen=True, slots=True)
class Coverage:
    """Likeness among M candidates.

    Attributes:
        candidates: (M, D) float32 vectors.
        kernel: (M, M) float32, exp(-d² / 2s²), in 0..1.
        covered: (M,) float32, likeness of each candidate to the most alike labelled vector; 0 where none is labelled.
        bandwidth: s, in the vectors' units.
    """

    candidates: Floats
    kernel: Floats
    covered: Floats
    bandwidth: float

    @classmethod
    def of(cls, candidates: Floats) -> Self:
        """Likeness among candidates (M, D), nothing labelled.

        The bandwidth is half the median distance between candidates: a table's own unit, whatever model made it.
        """
        bandwidth = _bandwidth(candidates)
        kernel = _likeness(candidates, candidates, bandwidth)
        return cls(candidates, kernel, np.zeros(len(candidates), np.float32), bandwidth)

    def labelled(self, vectors: Floats) -> Coverage:
        """The same with further labelled vectors (L, D)."""
        if not len(vectors):
            return self
        likeness = _likeness(self.candidates, vectors, self.bandwidth).max(axis=1)
        return replace(self, covered=np.maximum(self.covered, likeness))

    def taken(self, rows: Sequence[int]) -> Coverage:
        """The same with some of the candidates labelled, by position."""
        return replace(self, covered=np.maximum(self.covered, self.kernel[[*rows]].max(axis=0, initial=0.0)))

    def mean(self) -> float:
        """Generalised coverage, 0..1."""
        return float(self.covered.mean())


def herded(coverage: Coverage, openings: Openings, count: int) -> list[int]:
    """The `count` candidates that raise coverage most, one after another, the first of equals."""
    covered = coverage.covered.copy()
    gains = np.maximum(coverage.kernel - covered, 0.0).sum(axis=1)
    bounds = [(-float(gain), row) for row, gain in enumerate(gains)]
    heapq.heapify(bounds)
    chosen: list[int] = []
    closed: list[tuple[float, int]] = []
    while len(chosen) < count:
        if not bounds:  # every group has had its turn: what was passed over is open again
            bounds, closed = closed, []
            heapq.heapify(bounds)
        bound, row = heapq.heappop(bounds)
        if not openings.open[row]:
            closed.append((bound, row))
            continue
        gain = (-float(np.maximum(coverage.kernel[row] - covered, 0.0).sum()), row)
        if bounds and gain > bounds[0]:
            heapq.heappush(bounds, gain)
            continue
        chosen.append(openings.take(row))
        np.maximum(covered, coverage.kernel[row], out=covered)
    return chosen


def _likeness(a: Floats, b: Floats, bandwidth: float) -> Floats:
    squares = _squares(a, b)
    np.maximum(squares, 0.0, out=squares)
    squares *= -0.5 / bandwidth**2
    return np.exp(squares, out=squares)


def _squares(a: Floats, b: Floats) -> Floats:
    squares = a @ b.T
    squares *= -2.0
    squares += (a * a).sum(axis=1)[:, None]
    squares += (b * b).sum(axis=1)
    return squares


def _bandwidth(candidates: Floats) -> float:
    """Half the median distance between 512 candidates, evenly taken; 1 where most are the same."""
    some = candidates[np.linspace(0, len(candidates) - 1, min(_ASKED, len(candidates))).astype(int)]
    median = float(np.median(_squares(some, some)))
    return _BANDWIDTH * median**0.5 if median > 1e-12 else 1.0
