"""A table in pieces of bounded size, worked on by a few threads, in the table's order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from surco.api.map_products.within import Within
from surco.embedstore import TableInfo
from surco.embedstore.files import read_footer, read_groups

__all__ = ["Piece", "in_order", "read_piece", "table_pieces"]

_ROWS = 65_536
_THREADS, _AHEAD = 2, 4

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some row groups of a file of a table."""

    path: Path
    groups: tuple[int, ...]


def table_pieces(info: TableInfo, within: Within) -> Iterator[Piece]:
    """The pieces of a table, of about 65,000 rows at most, that may hold rows of a part of it.

    Raises:
        StoreError: a file that is damaged.
    """
    for path in info.files:
        if within.may_hold(path):
            yield from _pieces(path, within)


def _pieces(path: Path, within: Within) -> Iterator[Piece]:
    footer = read_footer(path)
    groups: list[int] = []
    rows = 0
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        if not within.group_may_hold(group):
            continue
        if groups and rows + group.num_rows > _ROWS:
            yield Piece(path, tuple(groups))
            groups, rows = [], 0
        groups.append(number)
        rows += group.num_rows
    if groups:
        yield Piece(path, tuple(groups))


def read_piece(piece: Piece, columns: Iterable[str], within: Within, unit: str) -> pa.Table:
    """The rows of a piece that belong to a part of the table; raises StoreError where its file is damaged.

    Args:
        piece: which.
        columns: to read; those that `within` needs are read as well.
        within: the part.
        unit: "cells" or "parcels".
    """
    wanted = dict.fromkeys((*columns, *within.columns(unit)))
    table = read_groups(piece.path, piece.groups, [*wanted]).replace_schema_metadata()
    rows = within.rows(table, unit)
    return table if rows is None or rows.all() else table.filter(pa.array(rows))


def in_order(work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    """What `work` makes of each of `given`, in their order; two threads work a few steps ahead of who takes.

    Closing the iterator ends the work: what has not begun is dropped. An error of `work` is raised in its place.
    """
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="surco-map")
    ahead: deque[Future[Made]] = deque()
    try:
        for each in given:
            ahead.append(pool.submit(work, each))
            if len(ahead) > _AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
