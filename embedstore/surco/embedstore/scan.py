"""The k rows of largest cosine among all rows of a table or some of them, exactly.

Blocks that fit the processor's cache become float32 and are multiplied with the query; a row whose cosine, as rounded
by float32, could be among the best is kept and compared again in float64 at the end.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import faiss
import numpy as np
import numpy.typing as npt

from surco.embedstore.vectors import Floats, Rows, TableVectors

__all__ = ["available_threads", "best_rows"]

_BLOCK = 8_192
_SHARE = 65_536  # fewer rows a thread are not worth its start
# A dot product of n values in float32 is off by n * 2^-24 * |a||b| at most (Higham, Accuracy and Stability of Numerical
# Algorithms, 3.1): 4e-6 for 64 and 6e-5 for 1,024 values of unit vectors; two of them are compared.
_ROUNDING = 2.0**-22


def best_rows(
    vectors: TableVectors, query: Floats, k: int, *, among: Rows | None = None, threads: int | None = None
) -> tuple[Rows, Floats]:
    """The k rows most similar to a query.

    Args:
        vectors: N rows.
        query: (D,) of length one.
        k: 1 or more.
        among: (M,) rows to choose from; None is all.
        threads: None is all that this process may use.

    Returns:
        (min(k, M),) rows and their cosines, largest first, equal ones by key; rows of zeros are left out.
    """
    if among is not None and 2 * len(among) > len(vectors.inverse_length):
        # Picking rows costs as much as comparing two in their order.
        vectors, among = _without_others(vectors, among), None
    count = len(vectors.inverse_length) if among is None else len(among)
    parts = max(1, min(threads or available_threads(), count // _SHARE))
    edges = np.linspace(0, count, parts + 1).astype(int).tolist()
    spans = list(pairwise(edges))
    if parts == 1:
        candidates = _scan(vectors, query, k, among, *spans[0])
    else:
        with ThreadPoolExecutor(parts) as pool:
            found = list(pool.map(lambda span: _scan(vectors, query, k, among, *span), spans))
        candidates = np.concatenate(found)
    return _ordered(vectors, query, k, candidates)


def available_threads() -> int:
    """How many processors this process may use, eight at most."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _without_others(vectors: TableVectors, rows: Rows) -> TableVectors:
    """All rows, but those not named have no direction."""
    inverse = np.full_like(vectors.inverse_length, np.nan)
    inverse[rows] = vectors.inverse_length[rows]
    return replace(vectors, inverse_length=inverse)


class _Best:
    """Rows that may be among the k best so far; `threshold` is what a further one must reach."""

    def __init__(self, k: int, margin: float) -> None:
        self._k = k
        self._margin = margin
        self._rows: list[Rows] = []
        self._scores: list[Floats] = []
        self._count = 0
        self._limit = max(4 * k, _BLOCK)
        self.threshold = -np.inf

    def offer(self, rows: Rows, scores: Floats) -> None:
        self._rows.append(rows)
        self._scores.append(scores)
        self._count += len(rows)
        if self._count >= self._limit or self.threshold == -np.inf:
            self.rows()

    def rows(self) -> Rows:
        """The candidates, without those that newer ones have beaten."""
        rows = np.concatenate(self._rows) if self._rows else np.empty(0, np.int64)
        scores = np.concatenate(self._scores) if self._scores else np.empty(0, np.float32)
        if len(rows) > self._k:
            worst = np.partition(scores, len(scores) - self._k)[len(scores) - self._k]
            self.threshold = float(worst) - self._margin
            keep = scores >= self.threshold
            rows, scores = rows[keep], scores[keep]
        self._rows, self._scores, self._count = [rows], [scores], len(rows)
        # Many equal rows all stay: what is looked at again must not grow with each block.
        self._limit = max(self._limit, 2 * len(rows))
        return rows


def _scan(vectors: TableVectors, query: Floats, k: int, among: Rows | None, start: int, stop: int) -> Rows:
    dimension = len(query)
    best = _Best(k, 2 * _ROUNDING * dimension)
    gathered = np.empty((0 if among is None else _BLOCK, dimension), np.int8)
    values = np.empty((_BLOCK, dimension), np.float32)
    scores = np.empty(_BLOCK, np.float32)
    # Not numpy's `dot`: BLAS would share each block among threads of its own, which wait for each other 400 times as
    # long as the block takes where the machine is busy.
    query = np.ascontiguousarray(query, np.float32)
    pointers = [faiss.swig_ptr(array) for array in (scores, query, values)]
    for first in range(start, stop, _BLOCK):
        last = min(first + _BLOCK, stop)
        n = last - first
        if among is None:
            block, inverse = vectors.embedding[first:last], vectors.inverse_length[first:last]
        else:
            rows = among[first:last]
            block = np.take(vectors.embedding, rows, axis=0, out=gathered[:n], mode="clip")
            inverse = vectors.inverse_length[rows]
        np.copyto(values[:n], block)
        faiss.fvec_inner_products_ny(*pointers, dimension, n)  # type: ignore[attr-defined] # its stubs are incomplete
        np.multiply(scores[:n], inverse, out=scores[:n])
        # False for NaN, a row of zeros.
        passing = np.flatnonzero(scores[:n] >= best.threshold)
        if len(passing):
            best.offer(passing + first if among is None else among[first + passing], scores[passing])
    return best.rows()


def _ordered(vectors: TableVectors, query: Floats, k: int, rows: Rows) -> tuple[Rows, Floats]:
    """The k best of the candidates by cosines in float64, each summed in the same order whatever its neighbours."""
    values = vectors.embedding[rows].astype(np.float64)
    length = np.sqrt(np.einsum("nd,nd->n", values, values))
    cosine = np.einsum("nd,d->n", values, query.astype(np.float64)) / length
    similarity: Floats = np.clip(cosine, -1.0, 1.0).astype(np.float32)
    order = np.lexsort((_key_order(vectors, rows), -similarity))[:k]
    return rows[order], similarity[order]


def _key_order(vectors: TableVectors, rows: Rows) -> npt.NDArray[np.generic]:
    """What sorts rows by key: cells lie in that order."""
    return vectors.keys.take(rows).to_numpy(zero_copy_only=False)
