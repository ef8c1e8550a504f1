"""A linear classification head: what every fitted adapter of this room is at query time.

Standardisation, discriminant, logistic regression and temperatures are all linear in the vector, and the log-linear
pool of two softmax heads is the softmax of the weighted sum of their logits (the normalisers do not depend on the
class). So one (D, K) matrix and one bias answer every query, with one matrix product a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LinearHead"]

Floats = npt.NDArray[np.float32]
_BLOCK_VALUES = 1 << 20  # 4 MB of float32 a block: the block, its logits and the weights stay in cache


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Class scores of a vector: `x @ weights + bias`.

    `weights` is (D, K) float32 and `bias` is (K,) float32, both in nats.
    """

    weights: Floats
    bias: Floats

    def logits(self, vectors: npt.NDArray[np.generic], scale: Floats | None = None) -> Floats:
        """Unnormalised log-probabilities (N, K) of vectors (N, D) of any real type.

        Where `scale` (N,) is given a row stands for `vectors[i] * scale[i]`, as quantised tables store it; the scale
        is applied to the K scores of a row instead of its D values.
        """
        out = np.empty((len(vectors), len(self.bias)), np.float32)
        for rows in self._blocks(len(vectors)):
            np.matmul(vectors[rows].astype(np.float32, copy=False), self.weights, out=out[rows])
            if scale is not None:
                out[rows] *= scale[rows, None]
            out[rows] += self.bias
        return out

    def probabilities(self, vectors: npt.NDArray[np.generic], scale: Floats | None = None) -> Floats:
        """Class probabilities (N, K) float32, rows summing to one; see `logits`."""
        out = self.logits(vectors, scale)
        for rows in self._blocks(len(out)):
            block = out[rows]
            block -= block.max(axis=1, keepdims=True)
            np.exp(block, out=block)
            block /= block.sum(axis=1, keepdims=True)
        return out

    def codes(self, vectors: npt.NDArray[np.generic], scale: Floats | None = None) -> npt.NDArray[np.intp]:
        """Position (N,) of the most probable class, without keeping the scores of all rows."""
        out = np.empty(len(vectors), np.intp)
        for rows in self._blocks(len(vectors)):
            self.logits(vectors[rows], None if scale is None else scale[rows]).argmax(axis=1, out=out[rows])
        return out

    def _blocks(self, rows: int) -> Iterator[slice]:
        step = max(1, _BLOCK_VALUES // max(self.weights.shape))
        return (slice(i, min(i + step, rows)) for i in range(0, rows, step))
