"""Tables of two sides that are the same one: of one kind, model and resolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from surco.embedstore.changes.sides import Side
from surco.embedstore.schema import Table
from surco.embedstore.tables import TableInfo

__all__ = ["TablePair", "paired_tables"]


@dataclass(frozen=True, slots=True, eq=False)
class TablePair:
    """One table on both sides; None where a side does not have it."""

    before: TableInfo | None
    after: TableInfo | None

    @property
    def either(self) -> TableInfo:
        """The later one, or the only one."""
        info = self.after or self.before
        if info is None:
            raise ValueError("a pair has a table on one side at least")
        return info

    @property
    def table(self) -> Table:
        """What its rows are."""
        return "parcels" if self.either.table == "parcels" else "cells"

    def files(self) -> list[tuple[Path | None, Path | None]]:
        """Files of both sides by the part of the land that they hold, those that are one file left out."""
        before, after = (
            {file.name: file for file in info.files} if info else {} for info in (self.before, self.after)
        )
        pairs = [(before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())]
        return [pair for pair in pairs if pair[0] != pair[1]]

    def same_rows(self) -> int:
        """Rows of files that are the same on both sides."""
        changed = {file for pair in self.files() for file in pair if file is not None}
        return sum(rows_of(file) for file in (self.after.files if self.after else []) if file not in changed)


def paired_tables(first: Side, second: Side) -> Iterator[TablePair]:
    """Every table of either side, with its like on the other."""
    before, after = ({_key(side, info): info for info in side.tables()} for side in (first, second))
    for key in sorted(before.keys() | after.keys(), key=str):
        yield TablePair(before.get(key), after.get(key))


def rows_of(file: Path) -> int:
    """Rows of a Parquet file, from its footer."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(file).num_rows)


def _key(side: Side, info: TableInfo) -> tuple[str, str, int | None, str | None]:
    return info.table, info.model_id, info.resolution, info.season if side.season is None else None
