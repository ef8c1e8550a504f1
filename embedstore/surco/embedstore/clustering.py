"""Rows of a table grouped by the nearest of some thousand centroids, found by spherical k-means over a sample."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import numpy.typing as npt

from surco.embedstore.scan import available_threads
from surco.embedstore.vectors import Floats, Rows, TableVectors

__all__ = ["grouped", "units"]

_BLOCK = 16_384
_ROWS_PER_CENTROID = 64
_ROUNDS = 10


def grouped(
    vectors: TableVectors, rows: npt.NDArray[np.uint32], random: np.random.Generator
) -> tuple[Floats, Rows, npt.NDArray[np.uint32]]:
    """Lists of rows that are alike.

    Args:
        vectors: of the table.
        rows: (M,) which rows, ascending, at least one.
        random: for the sample and the first centroids.

    Returns:
        (L, D) centroids; (L + 1,) where each list begins; (M,) the rows list by list, ascending within each. L is
        about one and a half times the root of M, a power of two.
    """
    centroids = _centroids(vectors, rows, random)
    lists = _nearest(vectors, rows, centroids)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lists, minlength=len(centroids)))]).astype(np.int64)
    return centroids, offsets, rows[np.argsort(lists, kind="stable")]


def units(vectors: TableVectors, rows: npt.NDArray[np.unsignedinteger] | Rows | slice) -> Floats:
    """(M, D) float32 of length one; a row of zeros stays one."""
    inverse = np.nan_to_num(vectors.inverse_length[rows], nan=0.0)
    unit: Floats = vectors.embedding[rows].astype(np.float32) * inverse[:, None]
    return unit


def _centroids(vectors: TableVectors, rows: npt.NDArray[np.uint32], random: np.random.Generator) -> Floats:
    lists = min(2 ** round(np.log2(1.5 * np.sqrt(len(rows)))), len(rows))
    sample = np.sort(random.choice(len(rows), min(len(rows), _ROWS_PER_CENTROID * lists), replace=False))
    kmeans = faiss.Kmeans(
        vectors.embedding.shape[1],
        lists,
        niter=_ROUNDS,
        spherical=True,
        seed=int(random.integers(2**31)),
        min_points_per_centroid=1,
        max_points_per_centroid=_ROWS_PER_CENTROID,
    )
    kmeans.train(units(vectors, rows[sample]))
    return np.asarray(kmeans.centroids, np.float32)


def _nearest(vectors: TableVectors, rows: npt.NDArray[np.uint32], centroids: Floats) -> npt.NDArray[np.int32]:
    """(M,) list of each row."""
    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)
    lists = np.empty(len(rows), np.int32)

    def fill(block: slice) -> None:
        lists[block] = index.search(units(vectors, rows[block]), 1)[1][:, 0]

    with ThreadPoolExecutor(available_threads()) as pool:
        list(pool.map(fill, _blocks(len(rows))))
    # A row of zeros has no nearest one.
    return np.maximum(lists, 0)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK))
