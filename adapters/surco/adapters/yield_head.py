"""What is left of a fitted yield model at query time: features, their weights, and how uncertain those are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.bayesian_ridge import BayesianRidge
from surco.adapters.kernel_features import Features

__all__ = ["YieldHead"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
_BLOCK = 32_768  # rows at a time: their features stay in the cache


@dataclass(frozen=True, slots=True)
class YieldHead:
    """A value and its standard deviation of each vector.

    Attributes:
        features: from vectors (N, D) to features (N, P).
        weights: (P,) of the standardised target.
        factor: (P, P); the weights' covariance is `factor @ factor.T`.
        noise: variance of one label, of the standardised target.
        kernel_variance: what the kernel has where the chosen rows say nothing; 0 for a linear model.
        centre, spread: the target is `centre + spread * standardised`.
    """

    features: Features
    weights: Floats
    factor: Floats
    noise: float
    kernel_variance: float
    centre: float
    spread: float

    @classmethod
    def of(
        cls, features: Features, ridge: BayesianRidge, kernel_variance: float, centre: float, spread: float
    ) -> YieldHead:
        """The head of a fitted model."""
        return cls(
            features,
            ridge.weights.astype(np.float32),
            ridge.factor.astype(np.float32),
            ridge.noise,
            float(kernel_variance),
            centre,
            spread,
        )

    def predict(self, vectors: npt.NDArray[np.floating[Any]]) -> tuple[Doubles, Doubles]:
        """Values (N,) and standard deviations (N,) of vectors (N, D), in the target's unit."""
        return self._in_blocks(len(vectors), lambda rows: self.features.of(vectors[rows]))

    def predict_int8(self, embedding: npt.NDArray[np.int8], scale: Floats) -> tuple[Doubles, Doubles]:
        """The same of quantised vectors, `embedding` (N, D) times `scale` (N,), a block of floats at a time."""

        def features(rows: slice) -> Floats:
            plain = embedding[rows].astype(np.float32) @ self.features.projection
            return self.features.of_directions(plain * scale[rows, None] + self.features.offset)

        return self._in_blocks(len(embedding), features)

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """The arrays by name."""
        return {**self.features.tensors(), "weights": self.weights, "factor": self.factor}

    def facts(self) -> dict[str, float]:
        """The numbers by name, of which `length` is the kernel's."""
        return {
            "length": self.features.length,
            "noise": self.noise,
            "kernel_variance": self.kernel_variance,
            "centre": self.centre,
            "spread": self.spread,
        }

    def _in_blocks(self, n: int, features: Callable[[slice], Floats]) -> tuple[Doubles, Doubles]:
        value, deviation = np.empty(n), np.empty(n)
        for start in range(0, n, _BLOCK):
            rows = slice(start, start + _BLOCK)
            block = features(rows)
            variance = np.square(block @ self.factor).sum(axis=1, dtype=np.float64) + self.noise
            variance += self.kernel_variance * self.features.left_over(block)
            value[rows] = self.centre + self.spread * (block @ self.weights)
            deviation[rows] = self.spread * np.sqrt(variance)
        return value, deviation
