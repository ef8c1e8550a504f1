"""A linear classification head: what every fitted adapter of this room is at query time.

Standardisation, discriminant, logistic regression and temperatures are all linear in the vector, and the log-linear
pool of two softmax heads is the softmax of the weighted sum of their logits (the normalisers do not depend on the
class). So one (D, K) matrix and one bias answer every query, with one matrix product a block.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.blas_threads import single_threaded, usable_threads

__all__ = ["HeadOnly", "LinearHead"]

Floats = npt.NDArray[np.float32]
Vectors = npt.NDArray[np.generic]
_BLOCK_VALUES = (
    1 << 17
)  # half a megabyte of float32 a block: the block and its scores stay in the core's own cache
_BLOCKS_A_THREAD = 8  # fewer are not worth a thread


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Class scores of a vector: `x @ weights + bias`.

    `weights` is (D, K) float32 and `bias` is (K,) float32, both in nats. `floor` is the share of every row's
    probability that is spread evenly over the classes, 0..1: some places are of a kind that no label showed.
    """

    weights: Floats
    bias: Floats
    floor: float = 0.0

    def logits(self, vectors: Vectors, scale: Floats | None = None) -> Floats:
        """Unnormalised log-probabilities (N, K) of vectors (N, D) of any real type.

        Where `scale` (N,) is given a row stands for `vectors[i] * scale[i]`, as quantised tables store it; the scale
        is applied to the K scores of a row instead of its D values.
        """
        out = np.empty((len(vectors), len(self.bias)), np.float32)

        def keep(rows: slice, scores: Floats) -> None:
            out[rows] = scores.T

        self._each_block(vectors, scale, keep)
        return out

    def probabilities(self, vectors: Vectors, scale: Floats | None = None) -> Floats:
        """Class probabilities (N, K) float32, rows summing to one; see `logits`."""
        out = np.empty((len(vectors), len(self.bias)), np.float32)

        def keep(rows: slice, scores: Floats) -> None:
            scores -= scores.max(axis=0)
            np.exp(scores, out=scores)
            scores *= (1 - self.floor) / scores.sum(axis=0)
            scores += np.float32(self.floor / len(scores))
            out[rows] = scores.T

        self._each_block(vectors, scale, keep)
        return out

    def codes(self, vectors: Vectors, scale: Floats | None = None) -> npt.NDArray[np.intp]:
        """Position (N,) of the most probable class, the first of equals, without keeping the scores of all rows."""
        classes = len(self.bias)
        kind = np.uint8 if classes <= np.iinfo(np.uint8).max else np.uint32
        rank = np.arange(classes, 0, -1, dtype=kind)[:, None]  # the first class has the highest
        out = np.empty(len(vectors), np.intp)

        def keep(rows: slice, scores: Floats) -> None:
            # argmax along memory: comparing whole rows of one class is vectorised, numpy's argmax of short rows is not.
            best = np.equal(scores, scores.max(axis=0)) * rank
            np.subtract(classes, best.max(axis=0), out=out[rows], casting="unsafe")

        self._each_block(vectors, scale, keep)
        return out

    def _each_block(
        self, vectors: Vectors, scale: Floats | None, keep: Callable[[slice, Floats], None]
    ) -> None:
        """Call `keep` with rows and their scores, classes first (K, rows), in parallel where there are many rows."""
        step = max(1, _BLOCK_VALUES // max(self.weights.shape))
        starts = range(0, len(vectors), step)
        threads = min(usable_threads(), max(1, len(starts) // _BLOCKS_A_THREAD))
        share = -(-len(starts) // threads) if starts else 0

        def work(number: int) -> None:
            for start in starts[number * share : (number + 1) * share]:
                rows = slice(start, min(start + step, len(vectors)))
                keep(rows, self._scores(vectors[rows], None if scale is None else scale[rows]))

        # Products of blocks this small are slower on several threads of BLAS, much slower where the machine is busy.
        with single_threaded():
            if threads == 1:
                work(0)
                return
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, range(threads)))

    def _scores(self, vectors: Vectors, scale: Floats | None) -> Floats:
        scores = np.ascontiguousarray((vectors.astype(np.float32, copy=False) @ self.weights).T)
        if scale is not None:
            scores *= scale
        scores += self.bias[:, None]
        return scores


@dataclass(frozen=True, slots=True)
class HeadOnly:
    """A fitted head that is asked for probabilities and then forgotten; of scikit-learn's contract for that."""

    classes_: npt.NDArray[Any]
    head: LinearHead

    def predict_proba(self, X: Any) -> Floats:
        """Class probabilities (N, K) of vectors (N, D), columns as `classes_`."""
        return self.head.probabilities(np.asarray(X))
