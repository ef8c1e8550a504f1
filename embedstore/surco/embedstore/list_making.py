"""Making the index of a table: shard by shard, each once and for good, and then how much a search of them finds.

A shard takes a share of the table at a time, so that a country at H3 resolution 11 needs no more memory than a valley.
What was made before a process was killed is kept; only the measuring is done again.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from surco.embedstore.clustering import grouped
from surco.embedstore.disk import writing_to
from surco.embedstore.errors import SearchError
from surco.embedstore.inverted import InvertedLists, forget_lists, shard_folder, stored_lists
from surco.embedstore.recall import LARGEST_K, Measured, measured
from surco.embedstore.shards import FEWEST, LARGEST, Shard, divided, region_of, rows_of_shard
from surco.embedstore.sidecar import drop_older, ensure_sidecar, publish_sidecar
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import Floats, TableVectors, table_vectors

__all__ = ["make_lists"]

_QUESTIONS = 128
_QUESTIONS_OF_A_REGION = 128
_KEPT_VERSIONS = 2

Report = Callable[[int, int, str], None]


def make_lists(
    source: Source,
    *,
    recall: float = 0.99,
    seed: int = 0,
    largest: int = LARGEST,
    processes: int = 1,
    progress: Report = lambda done, total, text: None,
) -> InvertedLists:
    """Group the rows of a table and keep the lists beside it; those of shards that are there already stay.

    As many lists are looked at as bring the measured recall half of the way from what is asked for to one.

    Args:
        source: the table.
        recall: share of true neighbours that an answer should have at least, below 1.
        seed: for what is chosen by chance.
        largest: rows of a shard at most; a table of no more has one shard.
        processes: how many shards are made at a time.
        progress: told how many steps of how many are done, and what is done next.

    Raises:
        SearchError: a table of fewer than a thousand rows, a recall that is not between 0 and 1, a shard of less than a
            thousand rows, or no process.
        StoreError: the store cannot be written, or its disk is full.
    """
    _check(source, recall, largest, processes)
    with writing_to(source.root):
        vectors = table_vectors(source)
        shards = divided(vectors, largest)
        if len(shards) == 1:
            _publish(source, partial(_whole, source, vectors, recall, seed))
        else:
            _make_shards(source, shards, seed, processes, progress)
            _publish(source, partial(_joined, source, vectors, shards, recall, seed, progress))
    made = stored_lists(source)
    if made is None:
        raise SearchError("the index that was made", "another one, or none", "Make it again.")
    return made


def _check(source: Source, recall: float, largest: int, processes: int) -> None:
    rows = source.info.rows
    if rows < FEWEST:
        raise SearchError(
            f"a table of {FEWEST} rows or more",
            f"{rows} rows",
            "It needs no index: exact search is as fast.",
        )
    if not 0 < recall < 1:
        raise SearchError("a recall between 0 and 1", f"{recall}", "0.99 is a good one.")
    if largest < FEWEST:
        raise SearchError(f"shards of {FEWEST} rows or more", f"{largest}", "Some millions are good.")
    if processes < 1:
        raise SearchError("one process or more", f"{processes}", "Leave it out for one.")


def _publish(source: Source, write: Callable[[Path], dict[str, Any]]) -> None:
    folder = source.folder("lists")
    publish_sidecar(folder, write)
    drop_older(folder, f"lists of {source.name}", _KEPT_VERSIONS)
    forget_lists()


def _whole(source: Source, vectors: TableVectors, recall: float, seed: int, draft: Path) -> dict[str, Any]:
    """The one shard of a table, with its measured recall."""
    random = np.random.default_rng(seed)
    centroids, offsets, rows = grouped(vectors, np.arange(source.info.rows, dtype=np.uint32), random)
    _save(draft, centroids=centroids, offsets=offsets, rows=rows)
    begins = np.array([0, len(centroids)])
    unmeasured = Measured(0, 0.0, 0.0)
    index = InvertedLists(centroids, begins, (("all", draft),), len(rows), unmeasured)
    index.hold(0, offsets, rows)
    return _facts(source, _measured(vectors, index, recall, random))


def _make_shards(
    source: Source, shards: tuple[Shard, ...], seed: int, processes: int, progress: Report
) -> None:
    """Make those that are missing."""
    for done, shard in enumerate(_each_made(source, shards, seed, processes)):
        progress(done + 1, len(shards) + 1, shard.name)
    for shard in shards:
        drop_older(source.folder("lists"), f"lists {shard.name} of {source.name}", _KEPT_VERSIONS)


def _each_made(source: Source, shards: tuple[Shard, ...], seed: int, processes: int) -> Iterator[Shard]:
    if processes == 1:
        for shard in shards:
            _make_shard(source, seed, shard)
            yield shard
        return
    threads = max(1, (os.cpu_count() or 1) // processes)
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawning, faiss.omp_set_num_threads, (threads,)) as pool:
        for shard, _ in zip(shards, pool.map(partial(_make_shard, source, seed), shards), strict=True):
            yield shard


def _make_shard(source: Source, seed: int, shard: Shard) -> None:
    ensure_sidecar(shard_folder(source, shard.name, seed), partial(_shard, source, seed, shard))


def _shard(source: Source, seed: int, shard: Shard, draft: Path) -> dict[str, Any]:
    vectors = table_vectors(source)
    random = np.random.default_rng([seed, *shard.name.encode()])
    centroids, offsets, rows = grouped(vectors, rows_of_shard(vectors, shard), random)
    _save(draft, centroids=centroids, offsets=offsets, rows=rows)
    return {"table": f"lists {shard.name} of {source.name}"}


def _joined(
    source: Source,
    vectors: TableVectors,
    shards: tuple[Shard, ...],
    recall: float,
    seed: int,
    progress: Report,
    draft: Path,
) -> dict[str, Any]:
    """All shards as one index: their centroids, and what a search finds in all of them and in each region."""
    random = np.random.default_rng(seed)
    folders = [shard_folder(source, shard.name, seed) for shard in shards]
    parts = [np.load(folder / "centroids.npy", allow_pickle=False) for folder in folders]
    centroids = np.concatenate(parts)
    begins = np.cumsum([0, *map(len, parts)])
    _save(draft, centroids=centroids)
    named = tuple((shard.name, folder) for shard, folder in zip(shards, folders, strict=True))
    index = InvertedLists(centroids, begins, named, source.info.rows, Measured(0, 0.0, 0.0))
    progress(len(shards), len(shards) + 1, "recall")
    found = _measured(vectors, index, recall, random)
    regions = {
        region: _within(vectors, shards, index, region, recall, random)
        for region in sorted({shard.region for shard in shards} - {0})
    }
    progress(len(shards) + 1, len(shards) + 1, "done")
    return _facts(source, found) | {
        "shards": [[name, folder.name.partition("-")[2]] for name, folder in named],
        "begins": begins.tolist(),
        "regions": {region: [each.probes, each.recall, each.reach] for region, each in regions.items()},
        "comunas": _comunas(vectors),
    }


def _measured(
    vectors: TableVectors, index: InvertedLists, recall: float, random: np.random.Generator
) -> Measured:
    """What a search of all rows finds."""
    every = range(len(index.shards))
    return measured(
        vectors,
        None,
        index.centroids,
        lambda rows: index.lists_of(rows, every),
        recall=recall,
        questions=_QUESTIONS,
        random=random,
    )


def _within(
    vectors: TableVectors,
    shards: tuple[Shard, ...],
    index: InvertedLists,
    region: int,
    recall: float,
    random: np.random.Generator,
) -> Measured:
    """What a search of a region's rows finds."""
    numbers = [number for number, shard in enumerate(shards) if shard.region == region]
    first, last = (int(index.begins[each]) for each in (numbers[0], numbers[-1] + 1))
    rows = np.concatenate([rows_of_shard(vectors, shards[number]) for number in numbers])
    return measured(
        vectors,
        rows,
        index.centroids[first:last],
        lambda named: index.lists_of(named, numbers) - first,
        recall=recall,
        questions=_QUESTIONS_OF_A_REGION,
        random=random,
    )


def _comunas(vectors: TableVectors) -> dict[int, list[int]]:
    """Codes that the table has, by region; 0 where unknown."""
    found: dict[int, list[int]] = {}
    for code in np.flatnonzero(np.bincount(vectors.comuna)).tolist():
        found.setdefault(region_of(code), []).append(code)
    return found


def _facts(source: Source, found: Measured) -> dict[str, Any]:
    return {
        "table": f"lists of {source.name}",
        "probes": found.probes,
        "recall": found.recall,
        "reach": found.reach,
        "k": LARGEST_K,
    }


def _save(draft: Path, **arrays: Floats | npt.NDArray[Any]) -> None:
    for name, array in arrays.items():
        np.save(draft / f"{name}.npy", array, allow_pickle=False)
