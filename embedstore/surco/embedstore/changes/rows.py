"""Rows of two tables by their key: those of both, side by side, and those of one; never more than a file in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from surco.embedstore.changes.pairs import TablePair
from surco.embedstore.files import read_batches, read_rows
from surco.embedstore.likeness import KEYS

__all__ = ["Matched", "matched_rows"]

_BATCH = 131_072


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Rows of a part of the land: `before` and `after` are the same places row by row; others were added or removed."""

    before: pa.Table
    after: pa.Table
    added: pa.Table
    removed: pa.Table


def matched_rows(
    pair: TablePair, columns: Sequence[str], told: Callable[[int, int], None] | None = None
) -> Iterator[Matched]:
    """The rows of a pair of tables, files that are the same left out.

    Memory holds the columns of one file of the earlier side (one coarse H3 parent of cells, all parcels) and a batch of
    the later one.

    Args:
        pair: of tables.
        columns: to read, besides the key.
        told: called with how many of how many files are done.

    Raises:
        StoreError: a damaged file.
    """
    key = KEYS[pair.table]
    wanted = [key, *columns]
    files = pair.files()
    for number, (before, after) in enumerate(files):
        yield from _of_files(before, after, key, wanted)
        if told is not None:
            told(number + 1, len(files))


def _of_files(before: Path | None, after: Path | None, key: str, columns: list[str]) -> Iterator[Matched]:
    old = None if before is None else read_rows(before, columns).replace_schema_metadata()
    met = np.zeros(0 if old is None else old.num_rows, np.bool_)
    for batch in () if after is None else read_batches(after, _BATCH, columns):
        new = pa.Table.from_batches([batch]).replace_schema_metadata()
        if old is None:
            yield Matched(new[:0], new[:0], new, new[:0])
            continue
        place: Any = pc.index_in(new[key], value_set=old[key].combine_chunks())
        where = place.drop_null().to_numpy()
        met[where] = True
        yield Matched(old.take(where), new.filter(place.is_valid()), new.filter(place.is_null()), old[:0])
    if old is not None and not met.all():
        yield Matched(old[:0], old[:0], old[:0], old.filter(pa.array(~met)))
