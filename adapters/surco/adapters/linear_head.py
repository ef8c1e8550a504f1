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
Vectors = npt.NDArray[np.generic]
_BLOCK_VALUES = 1 << 19  # 2 MB of float32 a block: the block, its logits and the weights stay in cache


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Class scores of a vector: `x @ weights + bias`.

    `weights` is (D, K) float32 and `bias` is (K,) float32, both in nats.
    """

    weights: Floats
    bias: Floats

    def logits(self, vectors: Vectors, scale: Floats | None = None) -> Floats:
        """Unnormalised log-probabilities (N, K) of vectors (N, D) of any real type.

        Where `scale` (N,) is given a row stands for `vectors[i] * scale[i]`, as quantised tables store it; the scale
        is applied to the K scores of a row instead of its D values.
        """
        out = np.empty((len(vectors), len(self.bias)), np.float32)
        for rows, scores in self._blocks(vectors, scale):
            out[rows] = scores.T
        return out

    def probabilities(self, vectors: Vectors, scale: Floats | None = None) -> Floats:
        """Class probabilities (N, K) float32, rows summing to one; see `logits`."""
        out = np.empty((len(vectors), len(self.bias)), np.float32)
        for rows, scores in self._blocks(vectors, scale):
            scores -= scores.max(axis=0)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=0)
            out[rows] = scores.T
        return out

    def codes(self, vectors: Vectors, scale: Floats | None = None) -> npt.NDArray[np.intp]:
        """Position (N,) of the most probable class, the first of equals, without keeping the scores of all rows."""
        out = np.zeros(len(vectors), np.intp)
        for rows, scores in self._blocks(vectors, scale):
            best, winner = scores[0], out[rows]
            for k in range(
                1, len(scores)
            ):  # argmax along the first axis, over whole rows instead of single values
                np.copyto(winner, k, where=scores[k] > best)
                np.maximum(best, scores[k], out=best)
        return out

    def _blocks(self, vectors: Vectors, scale: Floats | None) -> Iterator[tuple[slice, Floats]]:
        """Rows and their logits with the classes first, (K, block): reductions over classes then run along memory."""
        step = max(1, _BLOCK_VALUES // max(self.weights.shape))
        turned = np.ascontiguousarray(self.weights.T)
        for start in range(0, len(vectors), step):
            rows = slice(start, min(start + step, len(vectors)))
            scores = turned @ vectors[rows].astype(np.float32, copy=False).T
            if scale is not None:
                scores *= scale[rows]
            scores += self.bias[:, None]
            yield rows, scores
