"""Inverted lists: rows grouped by the nearest of some thousand centroids, so that a search looks at few of them.

An IVF index (Sivic and Zisserman 2003; Jégou, Douze and Schmid 2011) that keeps row numbers only, 4 bytes a row: the
vectors of the rows that a query's lists name are compared exactly, as all others are. What may be missed are rows of
lists that were not looked at; how many are, is measured when the lists are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from surco.embedstore.disk import writing_to
from surco.embedstore.errors import SearchError
from surco.embedstore.scan import available_threads, best_rows
from surco.embedstore.sidecar import drop_older, open_sidecar, publish_sidecar
from surco.embedstore.vectors import Floats, Rows, Source, TableVectors, table_vectors

__all__ = ["LARGEST_K", "InvertedLists", "make_lists", "stored_lists"]

LARGEST_K = 100
"""Recall is measured for this many neighbours; who asks for more is answered exactly."""

_FEWEST = 1_000
_BLOCK = 16_384
_ROWS_PER_CENTROID = 64
_ROUNDS = 10
_QUESTIONS = 128
_KEPT_VERSIONS = 2


@dataclass(frozen=True, slots=True, eq=False)
class InvertedLists:
    """N rows in L lists.

    Attributes:
        centroids: (L, D) float32 unit vectors.
        offsets: (L + 1,) int64, where each list begins in `rows`.
        rows: (N,) uint32, ascending within a list.
        probes: how many lists a search looks at.
        recall: share of the true `LARGEST_K` neighbours that it finds then, measured on rows of the table.
        reach: similarity to the nearest centroid that all but one in a hundred of these rows had. Of a query that is
            farther from all of them nothing is known.
    """

    centroids: Floats
    offsets: Rows
    rows: npt.NDArray[np.uint32]
    probes: int
    recall: float
    reach: float

    def knows(self, query: Floats) -> bool:
        """Whether a unit vector (D,) is like those that recall was measured on."""
        return bool(np.vecdot(self.centroids, query).max() >= self.reach)

    def near(self, query: Floats, count: int) -> Rows:
        """Rows of the lists nearest to a unit vector (D,), in no particular order, at least `count` where there are."""
        similarity = np.vecdot(self.centroids, query)
        probes = self.probes
        found = self._rows_of(np.argpartition(-similarity, probes - 1)[:probes])
        while len(found) < min(count, len(self.rows)):
            probes = min(2 * probes, len(similarity))
            found = self._rows_of(np.argpartition(-similarity, probes - 1)[:probes])
        return found

    def _rows_of(self, lists: npt.NDArray[np.int64]) -> Rows:
        begins, ends = self.offsets[lists].tolist(), self.offsets[lists + 1].tolist()
        found = [self.rows[begin:end] for begin, end in zip(begins, ends, strict=True)]
        return np.concatenate(found).astype(np.int64)


def make_lists(source: Source, *, recall: float = 0.99, seed: int = 0) -> InvertedLists:
    """Group the rows of a table and keep the lists beside it; what was kept before is replaced.

    As many lists are looked at as bring the measured recall half of the way from what is asked for to one.

    Raises:
        SearchError: a table of fewer than a thousand rows, or a recall that is not between 0 and 1.
        StoreError: the store cannot be written, or its disk is full.
    """
    rows = source.info.rows
    if rows < _FEWEST:
        raise SearchError(
            f"a table of {_FEWEST} rows or more",
            f"{rows} rows",
            "It needs no index: exact search is as fast.",
        )
    if not 0 < recall < 1:
        raise SearchError("a recall between 0 and 1", f"{recall}", "0.99 is a good one.")
    vectors = table_vectors(source)
    folder = source.folder("lists")
    with writing_to(source.root):
        publish_sidecar(folder, lambda draft: _write(source, vectors, recall, seed, draft))
        drop_older(folder, f"lists of {source.name}", _KEPT_VERSIONS)
    _opened.cache_clear()
    made = stored_lists(source)
    if made is None:
        raise SearchError("the index that was made", "another one, or none", "Make it again.")
    return made


def stored_lists(source: Source) -> InvertedLists | None:
    """The lists of a table; None where none were made for this version of it, or they are damaged."""
    folder = source.folder("lists")
    return _opened(folder) if folder.is_dir() else None


@lru_cache(maxsize=4)
def _opened(folder: Path) -> InvertedLists | None:
    facts = open_sidecar(folder)
    if facts is None:
        return None
    centroids, offsets, rows = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
        for name in ("centroids", "offsets", "rows")
    )
    measured = float(facts["recall"]), float(facts["reach"])
    return InvertedLists(centroids, offsets, rows, int(facts["probes"]), *measured)


def _write(source: Source, vectors: TableVectors, recall: float, seed: int, draft: Path) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    centroids = _centroids(vectors, random)
    lists = _nearest_centroid(vectors, centroids)
    rows = np.argsort(lists, kind="stable").astype(np.uint32)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lists, minlength=len(centroids)))]).astype(np.int64)
    for name, array in (("centroids", centroids), ("offsets", offsets), ("rows", rows)):
        np.save(draft / f"{name}.npy", array, allow_pickle=False)
    curve, reach = _measured(vectors, centroids, lists, random)
    wanted = (1 + recall) / 2
    probes = int(np.argmax(curve >= wanted)) + 1
    return {
        "table": f"lists of {source.name}",
        "probes": probes,
        "recall": float(curve[probes - 1]),
        "reach": reach,
        "k": LARGEST_K,
    }


def _centroids(vectors: TableVectors, random: np.random.Generator) -> Floats:
    """Spherical k-means over a sample; about one and a half times the root of the number of rows, a power of two."""
    count = len(vectors.inverse_length)
    lists = 2 ** round(np.log2(1.5 * np.sqrt(count)))
    sample = np.sort(random.choice(count, min(count, _ROWS_PER_CENTROID * lists), replace=False))
    kmeans = faiss.Kmeans(
        vectors.embedding.shape[1],
        lists,
        niter=_ROUNDS,
        spherical=True,
        seed=int(random.integers(2**31)),
        min_points_per_centroid=1,
        max_points_per_centroid=_ROWS_PER_CENTROID,
    )
    kmeans.train(_unit(vectors, sample))
    return np.asarray(kmeans.centroids, np.float32)


def _nearest_centroid(vectors: TableVectors, centroids: Floats) -> npt.NDArray[np.int64]:
    """(N,) list of each row."""
    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)
    lists = np.empty(len(vectors.inverse_length), np.int64)

    def fill(block: slice) -> None:
        lists[block] = index.search(_unit(vectors, block), 1)[1][:, 0]

    with ThreadPoolExecutor(available_threads()) as pool:
        list(pool.map(fill, _blocks(len(lists))))
    # A row of zeros has no nearest one.
    return np.maximum(lists, 0)


def _measured(
    vectors: TableVectors, centroids: Floats, lists: npt.NDArray[np.int64], random: np.random.Generator
) -> tuple[npt.NDArray[np.float64], float]:
    """Of rows of the table as queries: (L,) mean share of true neighbours found in 1, 2, … L lists; and the reach."""
    directed = np.flatnonzero(np.isfinite(vectors.inverse_length))
    found = np.zeros(len(centroids))
    total, reaches = 0, []
    for row in random.choice(directed, min(len(directed), _QUESTIONS), replace=False).tolist():
        (query,) = _unit(vectors, np.array([row]))
        neighbours, _ = best_rows(vectors, query, LARGEST_K + 1)
        neighbours = neighbours[neighbours != row]
        similarity = np.vecdot(centroids, query)
        reaches.append(similarity.max())
        rank = np.empty(len(centroids), np.int64)
        rank[np.argsort(-similarity, kind="stable")] = np.arange(len(centroids))
        found += np.bincount(rank[lists[neighbours]], minlength=len(centroids))
        total += len(neighbours)
    return np.cumsum(found) / max(total, 1), float(np.quantile(reaches, 0.01))


def _unit(vectors: TableVectors, rows: Rows | slice) -> Floats:
    """(M, D) float32 of length one; a row of zeros stays one."""
    inverse = np.nan_to_num(vectors.inverse_length[rows], nan=0.0)
    unit: Floats = vectors.embedding[rows].astype(np.float32) * inverse[:, None]
    return unit


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK))
