"""Whether a place is like any labelled class at all: an adapter must be able to say "none of these".

The squared Mahalanobis distance to the nearest class mean, under the within-class covariance of the discriminant, is
compared with that of labels in groups that were held out (the conformal p-value of Laxhammar and Falkman 2010).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

__all__ = ["Support"]

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
_MOST_DISTANCES = 1000
_BLOCK_VALUES = 1 << 19


@dataclass(frozen=True, slots=True)
class Support:
    """What is needed to say how usual a vector is.

    Attributes:
        whitener: (D, D) float32; `x @ whitener` has the identity as its within-class covariance.
        means: (K, D) float32 class means, whitened.
        distances: (M,) float32 sorted squared distances of held-out labels to their nearest class mean; empty where
            too few could be held out.
    """

    whitener: Floats
    means: Floats
    distances: Floats

    @classmethod
    def of(cls, covariance: Doubles, means: Doubles, held_out: Doubles) -> Self:
        """Support by a covariance (D, D), class means (K, D) and held-out squared distances (M,)."""
        lower = cholesky(covariance, lower=True)
        whitener = solve_triangular(lower, np.eye(len(lower)), lower=True).T
        kept = np.sort(held_out)
        if len(kept) > _MOST_DISTANCES:
            kept = np.quantile(kept, np.linspace(0, 1, _MOST_DISTANCES))
        return cls(
            whitener.astype(np.float32), (means @ whitener).astype(np.float32), kept.astype(np.float32)
        )

    def squared_distances(self, vectors: npt.NDArray[np.generic]) -> Floats:
        """(N,) squared distance of vectors (N, D) to the nearest class mean."""
        out = np.empty(len(vectors), np.float32)
        sizes = (self.means**2).sum(axis=1)
        for rows in self._blocks(len(vectors)):
            white = vectors[rows].astype(np.float32, copy=False) @ self.whitener
            apart = sizes - 2 * (white @ self.means.T)
            out[rows] = (white**2).sum(axis=1) + apart.min(axis=1)
        return out

    def share_as_far(self, vectors: npt.NDArray[np.generic]) -> Floats:
        """(N,) share of held-out labels that lie as far from every class mean as a vector, or farther; 0..1."""
        apart = self.squared_distances(vectors)
        farther = len(self.distances) - np.searchsorted(self.distances, apart)
        return ((farther + 1) / (len(self.distances) + 1)).astype(np.float32)

    def _blocks(self, rows: int) -> Iterator[slice]:
        step = max(1, _BLOCK_VALUES // max(self.means.shape))
        return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
