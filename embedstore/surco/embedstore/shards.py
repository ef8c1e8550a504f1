"""How the rows of a large table are divided for its index: by region of Chile, and elsewhere by coarse H3 parent.

A shard's rows are in the order of the table's keys, and so of place; a region of more than `largest` rows is cut into
several shards. No shard has rows of two regions, but for the one of places that are too few for a shard of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore.cells import parents_of
from surco.embedstore.vectors import TableVectors

__all__ = ["FEWEST", "LARGEST", "Shard", "divided", "region_of", "rows_of_shard"]

LARGEST = 1 << 23
"""Rows of a shard at most, unless told otherwise: some 0.6 GB of memory to build one."""

FEWEST = 1_000
"""Rows of a shard of its own; places with fewer are put together."""

_BLOCK = 1 << 20
_PARENT = 2  # of 86,700 km², about a region
_REST = "rest"

_Labels = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Shard:
    """Some rows of a table.

    Attributes:
        name: "all", or as "r07-1of2" (region 7), "822e7ffffffffff-1of1" (H3 parent), "rest-1of1".
        region: number of the region of Chile; 0 elsewhere.
        labels: what rows are told by (`_labels`); none means all rows.
        part: which part of these rows, from 0.
        parts: into how many they are cut.
        first: the first row that may be of it.
        last: one after the last.
    """

    name: str
    region: int
    labels: tuple[int, ...]
    part: int
    parts: int
    first: int
    last: int


@dataclass(slots=True)
class _Group:
    rows: int
    first: int
    last: int


def divided(vectors: TableVectors, largest: int = LARGEST) -> tuple[Shard, ...]:
    """The shards of a table: one where it has at most `largest` rows."""
    count = len(vectors.inverse_length)
    if count <= largest:
        return (Shard("all", 0, (), 0, 1, 0, count),)
    groups = _groups(vectors)
    few = [label for label, group in groups.items() if group.rows < FEWEST]
    found = [
        part
        for label, group in sorted(groups.items())
        if label not in few
        for part in _parts(_name(label), label if _is_region(label) else 0, (label,), group, largest)
    ]
    if few:
        joined = _Group(
            sum(groups[label].rows for label in few),
            min(groups[label].first for label in few),
            max(groups[label].last for label in few),
        )
        found += _parts(_REST, 0, tuple(sorted(few)), joined, largest)
    return tuple(found)


def rows_of_shard(vectors: TableVectors, shard: Shard) -> npt.NDArray[np.uint32]:
    """(M,) rows, ascending. Looks at comunas and, where these are unknown, at keys; takes 4 bytes a row."""
    if not shard.labels:
        return np.arange(shard.first, shard.last, dtype=np.uint32)
    wanted = np.array(shard.labels, np.uint64)
    found = [
        (np.flatnonzero(np.isin(labels, wanted)) + start).astype(np.uint32)
        for start, labels in _labels(vectors, shard.first, shard.last)
    ]
    return np.array_split(np.concatenate(found), shard.parts)[shard.part]


def region_of(comuna: int) -> int:
    """Number of the region of a comuna by its official code; 0 for 0."""
    return comuna // 1_000


def _groups(vectors: TableVectors) -> dict[int, _Group]:
    groups: dict[int, _Group] = {}
    for start, labels in _labels(vectors, 0, len(vectors.inverse_length)):
        named, firsts, counts = np.unique(labels, return_index=True, return_counts=True)
        lasts = len(labels) - np.unique(labels[::-1], return_index=True)[1]
        columns = (each.tolist() for each in (named, firsts, lasts, counts))
        for label, first, last, rows in zip(*columns, strict=True):
            group = groups.setdefault(label, _Group(0, start + first, 0))
            group.rows += rows
            group.last = start + last
    return groups


def _labels(vectors: TableVectors, first: int, last: int) -> Iterator[tuple[int, _Labels]]:
    """Block by block, the first row of it and for each row its region, or its coarse parent (0 of a parcel)."""
    cells = pa.types.is_uint64(vectors.keys.type)
    for start in range(first, last, _BLOCK):
        stop = min(start + _BLOCK, last)
        labels = vectors.comuna[start:stop].astype(np.uint64) // np.uint64(1_000)
        unknown = np.flatnonzero(labels == 0)
        if cells and len(unknown):
            keys = vectors.keys.slice(start, stop - start).to_numpy()
            labels[unknown] = parents_of(keys[unknown], _PARENT)
        yield start, labels


def _parts(name: str, region: int, labels: tuple[int, ...], group: _Group, largest: int) -> list[Shard]:
    parts = -(-group.rows // largest)
    return [
        Shard(f"{name}-{part + 1}of{parts}", region, labels, part, parts, group.first, group.last)
        for part in range(parts)
    ]


def _is_region(label: int) -> bool:
    return 0 < label < 100


def _name(label: int) -> str:
    return f"r{label:02d}" if _is_region(label) else f"{label:x}"
