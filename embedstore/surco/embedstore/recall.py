"""How many of the true neighbours a search finds in so many lists: measured on rows of the table, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from surco.embedstore.clustering import units
from surco.embedstore.vectors import Floats, Rows, TableVectors

__all__ = ["LARGEST_K", "Measured", "measured"]

LARGEST_K = 100
"""Recall is measured for this many neighbours; who asks for more is answered exactly."""

_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Measured:
    """What a search does and finds.

    Attributes:
        probes: how many lists it looks at.
        recall: share of the true `LARGEST_K` neighbours that it finds then, measured on rows of the table.
        reach: similarity to the nearest centroid that all but one in a hundred of these rows had. Of a query that is
            farther from all of them nothing is known.
    """

    probes: int
    recall: float
    reach: float


def measured(
    vectors: TableVectors,
    rows: npt.NDArray[np.uint32] | None,
    centroids: Floats,
    lists_of: Callable[[Rows], Rows],
    *,
    recall: float,
    questions: int,
    random: np.random.Generator,
) -> Measured:
    """As many lists as bring the measured recall half of the way from what is asked for to one.

    Args:
        vectors: of the table.
        rows: (M,) the rows that are searched, ascending; None is all.
        centroids: (L, D) of the lists that these rows are in.
        lists_of: list of each of some ascending rows.
        recall: share of true neighbours to find at least, below 1.
        questions: how many of the rows are asked about.
        random: chooses these.
    """
    asked = _directed(vectors, rows, questions, random)
    queries = units(vectors, asked)
    found = _neighbours(vectors, rows, queries)
    similarity = queries @ centroids.T
    named, place = np.unique(found, return_inverse=True)
    lists = lists_of(named)[place.reshape(found.shape)]
    counts = np.zeros(len(centroids))
    for row, near, theirs, in_list in zip(asked, similarity, found, lists, strict=True):
        rank = np.empty(len(centroids), np.int64)
        rank[np.argsort(-near, kind="stable")] = np.arange(len(centroids))
        others = np.flatnonzero(theirs != row)[:LARGEST_K]
        counts += np.bincount(rank[in_list[others]], minlength=len(centroids))
    curve = np.cumsum(counts) / max(counts.sum(), 1)
    probes = int(np.argmax(curve >= (1 + recall) / 2)) + 1
    reach = float(np.quantile(similarity.max(axis=1), 0.01))
    return Measured(probes, float(curve[probes - 1]), reach)


def _directed(
    vectors: TableVectors, rows: npt.NDArray[np.uint32] | None, count: int, random: np.random.Generator
) -> Rows:
    """(Q,) rows by chance, ascending, without rows of zeros."""
    total = len(vectors.inverse_length) if rows is None else len(rows)
    # Some more than are needed, since looking at all of a country's takes longer than leaving out a few.
    chosen = np.sort(random.choice(total, min(total, 4 * count), replace=False))
    chosen = chosen if rows is None else rows[chosen].astype(np.int64)
    chosen = chosen[np.isfinite(vectors.inverse_length[chosen])]
    return np.sort(random.choice(chosen, min(len(chosen), count), replace=False))


def _neighbours(vectors: TableVectors, rows: npt.NDArray[np.uint32] | None, queries: Floats) -> Rows:
    """(Q, K) rows most similar to each of (Q, D) unit vectors, most similar first; one pass over all rows."""
    total = len(vectors.inverse_length) if rows is None else len(rows)
    k = min(LARGEST_K + 1, total)
    best = np.full((len(queries), k), -np.inf, np.float32)
    held = np.zeros((len(queries), k), np.int64)
    for start in range(0, total, _BLOCK):
        block = slice(start, min(start + _BLOCK, total))
        these = np.arange(block.start, block.stop) if rows is None else rows[block].astype(np.int64)
        similarity, place = faiss.knn(
            queries, units(vectors, block if rows is None else these), min(k, len(these)),
            metric=faiss.METRIC_INNER_PRODUCT,
        )  # fmt: skip
        best = np.hstack([best, similarity])
        held = np.hstack([held, these[place]])
        order = np.argsort(-best, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(best, order, axis=1)
        held = np.take_along_axis(held, order, axis=1)
    return held
