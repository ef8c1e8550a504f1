"""Inverted lists: rows grouped by the nearest of some thousand centroids, so that a search looks at few of them.

An IVF index (Sivic and Zisserman 2003; Jégou, Douze and Schmid 2011) that keeps row numbers only, 4 bytes a row: the
vectors of the rows that a query's lists name are compared exactly, as all others are. What may be missed are rows of
lists that were not looked at; how many are, is measured when the lists are made. Of a large table each shard has lists
of its own: a search ranks the lists of all of them, or of those of a region, and opens the shards of the nearest.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.embedstore.recall import Measured
from surco.embedstore.sidecar import open_sidecar
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import Floats, Rows

__all__ = ["InvertedLists", "ShardLists", "forget_lists", "open_shard", "shard_folder", "stored_lists"]


@dataclass(frozen=True, slots=True, eq=False)
class ShardLists:
    """The lists of one shard: (L + 1,) where each begins in (M,) `rows`, which ascend within a list."""

    offsets: Rows
    rows: npt.NDArray[np.uint32]

    def of(self, lists: Rows) -> list[npt.NDArray[np.uint32]]:
        """The rows of each of some lists."""
        begins, ends = self.offsets[lists].tolist(), self.offsets[lists + 1].tolist()
        return [self.rows[begin:end] for begin, end in zip(begins, ends, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class InvertedLists:
    """L lists of all rows of a table, of which a search may look at those of one region only.

    Attributes:
        centroids: (L, D) float32 unit vectors, shard by shard.
        begins: (S + 1,) where each shard's lists begin.
        shards: name and folder of each.
        count: rows in all lists.
        measured: how many lists a search looks at and what it finds, in `span`.
        regions: the same within each region, by its number, as far as that region has shards of its own.
        comunas: codes that the rows have, by region; 0 where unknown.
        span: the lists that are looked at: all, or those of a region.
    """

    centroids: Floats
    begins: Rows
    shards: tuple[tuple[str, Path], ...]
    count: int
    measured: Measured
    regions: Mapping[int, Measured] = field(default_factory=dict)
    comunas: Mapping[int, frozenset[int]] = field(default_factory=dict)
    span: slice = field(default_factory=lambda: slice(None))
    _opened: dict[int, ShardLists] = field(default_factory=dict, repr=False)
    _opening: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def probes(self) -> int:
        """How many lists a search looks at."""
        return self.measured.probes

    @property
    def recall(self) -> float:
        """Share of the true neighbours that it finds then."""
        return self.measured.recall

    def knows(self, query: Floats) -> bool:
        """Whether a unit vector (D,) is like those that recall was measured on."""
        return bool(np.vecdot(self.centroids[self.span], query).max() >= self.measured.reach)

    def near(self, query: Floats, count: int) -> Rows | None:
        """Rows of the lists nearest to a unit vector (D,), in no particular order, at least `count` where there are.

        None where a shard of them is damaged or gone.
        """
        similarity = np.vecdot(self.centroids[self.span], query)
        probes = self.probes
        found = self._rows_of(np.argpartition(-similarity, probes - 1)[:probes])
        while found is not None and len(found) < count and probes < len(similarity):
            probes = min(2 * probes, len(similarity))
            found = self._rows_of(np.argpartition(-similarity, probes - 1)[:probes])
        return found

    def within(self, comunas: frozenset[int]) -> InvertedLists | None:
        """These lists, of which only a region's are looked at; None unless the comunas are all that one region has."""
        meant = [region for region, codes in self.comunas.items() if codes & comunas]
        if len(meant) != 1 or meant[0] not in self.regions or self.comunas[meant[0]] - comunas:
            return None
        of_it = [
            number for number, (name, _) in enumerate(self.shards) if name.startswith(f"r{meant[0]:02d}-")
        ]
        span = slice(int(self.begins[of_it[0]]), int(self.begins[of_it[-1] + 1]))
        return replace(self, measured=self.regions[meant[0]], span=span)

    def shard(self, number: int) -> ShardLists | None:
        """The lists of a shard, opened once; None where they are damaged, gone or others than these."""
        with self._opening:
            if number not in self._opened:
                opened = open_shard(self.shards[number][1])
                if opened is None or len(opened.offsets) != self.begins[number + 1] - self.begins[number] + 1:
                    return None
                self._opened[number] = opened
            return self._opened[number]

    def hold(self, number: int, offsets: Rows, rows: npt.NDArray[np.uint32]) -> None:
        """Take the lists of a shard from memory."""
        self._opened[number] = ShardLists(offsets, rows)

    def lists_of(self, rows: Rows, shards: Iterable[int]) -> Rows:
        """The list of each of some ascending rows of these shards; raises OSError where one is damaged or gone."""
        lists = np.full(len(rows), -1, np.int64)
        for number in shards:
            opened = self.shard(number)
            if opened is None:
                raise OSError(f"{self.shards[number][1]} is damaged")
            places = np.flatnonzero(np.isin(opened.rows, rows.astype(np.uint32)))
            found = np.searchsorted(opened.offsets, places, side="right") - 1
            lists[np.searchsorted(rows, opened.rows[places])] = found + self.begins[number]
        return lists

    def _rows_of(self, lists: npt.NDArray[np.int64]) -> Rows | None:
        lists = np.sort(lists) + (self.span.start or 0)
        of_shard = np.searchsorted(self.begins, lists, side="right") - 1
        found: list[npt.NDArray[np.uint32]] = []
        for number in np.unique(of_shard).tolist():
            opened = self.shard(number)
            if opened is None:
                return None
            found += opened.of(lists[of_shard == number] - self.begins[number])
        return np.concatenate(found).astype(np.int64)


def shard_folder(source: Source, name: str, seed: int) -> Path:
    """Where the lists of a shard lie; one name and seed always have the same rows."""
    return source.folder(f"lists-{name}-{seed}")


def open_shard(folder: Path) -> ShardLists | None:
    """The lists of a shard; None where there are none, or they are damaged."""
    if open_sidecar(folder) is None:
        return None
    offsets, rows = (_mapped(folder, name) for name in ("offsets", "rows"))
    return ShardLists(offsets, rows)


def stored_lists(source: Source) -> InvertedLists | None:
    """The lists of a table; None where none were made for this version of it, or they are damaged."""
    folder = source.folder("lists")
    return _opened(folder, source) if folder.is_dir() else None


def forget_lists() -> None:
    """Open lists again, as after they were made anew."""
    _opened.cache_clear()


@lru_cache(maxsize=4)
def _opened(folder: Path, source: Source) -> InvertedLists | None:
    facts = open_sidecar(folder)
    if facts is None:
        return None
    centroids = _mapped(folder, "centroids")
    # A table of one shard has its lists in the same folder.
    shards = facts.get("shards", [["all", None]])
    folders = tuple((name, folder if at is None else source.folder(at)) for name, at in shards)
    return InvertedLists(
        centroids,
        np.array(facts.get("begins", [0, len(centroids)]), np.int64),
        folders,
        source.info.rows,
        Measured(int(facts["probes"]), float(facts["recall"]), float(facts["reach"])),
        {int(region): Measured(*found) for region, found in facts.get("regions", {}).items()},
        {int(region): frozenset(codes) for region, codes in facts.get("comunas", {}).items()},
    )


def _mapped(folder: Path, name: str) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return array.view(np.ndarray)
