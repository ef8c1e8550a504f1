"""The rows that changed, as a Parquet file written while they are found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from surco.api.whole_file import whole_file
from surco.embedstore.changes import Matched, TablePair

__all__ = ["RowFile", "row_file"]

_TEXT = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    {
        "table": _TEXT, "model": _TEXT, "season": _TEXT, "res": pa.int32(), "h3": pa.uint64(), "id": pa.string(),
        "change": _TEXT, "distance": pa.float32(), "optical_gained": pa.int32(), "radar_gained": pa.int32(),
        "class_before": pa.int32(), "class_after": pa.int32(),
    }
)  # fmt: skip

Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class RowFile:
    """A file that rows are added to: those that came, went, or whose vector changed."""

    writer: pq.ParquetWriter

    def write(
        self, pair: TablePair, matched: Matched, distance: npt.NDArray[np.float32], classes: Pairs | None
    ) -> None:
        """Add a part's rows; `classes` are positions in the adapter's classes, null where there are none."""
        moved = np.flatnonzero(~(distance == 0))
        more = {
            "distance": pa.array(distance[moved], pa.float32(), from_pandas=True),
            **{f"{what}_gained": _gained(matched, f"n_{what}", moved) for what in ("optical", "radar")},
        }
        if classes is not None:
            for name, side in zip(("class_before", "class_after"), classes, strict=True):
                more[name] = pa.array(side[moved], pa.int32(), mask=side[moved] < 0)
        self._part(pair, matched.after.take(moved), "changed", more)
        self._part(pair, matched.added, "added", {})
        self._part(pair, matched.removed, "removed", {})

    def _part(self, pair: TablePair, rows: pa.Table, change: str, more: dict[str, Any]) -> None:
        if not rows.num_rows:
            return
        info, count = pair.either, rows.num_rows
        known: dict[str, Any] = {
            "table": info.table,
            "model": info.model_id,
            "season": info.season,
            "change": change,
        }
        columns: dict[str, Any] = {name: _constant(text, count) for name, text in known.items()}
        columns["res"] = np.full(count, info.resolution) if info.resolution is not None else None
        columns |= {
            name: rows[name].combine_chunks() for name in ("h3", "id") if name in rows.column_names
        } | more
        arrays = [_column(columns.get(field.name), count, field.type) for field in _SCHEMA]
        self.writer.write_table(pa.table(arrays, schema=_SCHEMA))


@contextmanager
def row_file(path: Path) -> Iterator[RowFile]:
    """A file that appears when all rows are in it."""
    with whole_file(path) as draft, pq.ParquetWriter(draft, _SCHEMA, compression="zstd") as writer:
        yield RowFile(writer)


def _column(values: Any, count: int, kind: Any) -> Any:
    """A column of the file, null where there are no values."""
    if values is None:
        return pa.nulls(count, kind)
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _gained(matched: Matched, name: str, rows: npt.NDArray[np.intp]) -> Any:
    columns: list[Any] = [side[name] for side in (matched.before, matched.after)]
    before, after = (np.asarray(column.fill_null(0), np.int64)[rows] for column in columns)
    return pa.array(after - before, pa.int32())


def _constant(value: str, count: int) -> Any:
    numbers: Any = pa.array(np.zeros(count, np.int32))
    return pa.DictionaryArray.from_arrays(numbers, pa.array([value]))
