"""The report of what changed from one side of a store to another: tables by place, models, adapters, classes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surco.api.quality.coverage import By
from surco.api.store_diff.classes import ClassChanges, check_adapter, class_changes
from surco.api.store_diff.places import place_rows
from surco.api.store_diff.row_file import RowFile, row_file
from surco.embedstore.changes import (
    ChangeTally,
    Side,
    TablePair,
    changed_bundles,
    distances_of,
    find_sides,
    matched_rows,
    paired_tables,
)
from surco.embedstore.changes.tally import COLUMNS

__all__ = ["DiffRequest", "diff_report"]

Json = dict[str, Any]
Told = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class DiffRequest:
    """What to compare; fields as the options of `surco diff`. `rows` is a Parquet file for the rows that changed."""

    store: Path
    earlier: str | None = None
    later: str | None = None
    by: By = "region"
    adapter: str | None = None
    rows: Path | None = None


def diff_report(request: DiffRequest, told: Told | None = None) -> Json:
    """Compare two sides of a store.

    Files that are the same on both sides are not read: their rows count as the same, without a place.

    Returns:
        `from` and `to` (version, season, as_of), `bundles` (models and adapters), `tables`, each with its rows on both
        sides, `places` (all, then by region or comuna) and, of an adapter's model, `classes`; and `seconds`.

    Raises:
        EmbedstoreError: sides that there are not, or a damaged file.
        AdapterError: an adapter of another task, or a damaged one.
    """
    began = time.perf_counter()
    first, second = find_sides(request.store, request.earlier, request.later)
    if request.adapter is not None:
        check_adapter(second.store, request.adapter)
    pairs = list(paired_tables(first, second))
    with ExitStack() as stack:
        file = None if request.rows is None else stack.enter_context(row_file(request.rows))
        tables = [_table(request, second, pair, file, told) for pair in pairs if pair.files()]
    return {
        "from": _side(first),
        "to": _side(second),
        "bundles": [
            {"kind": each.kind, "name": each.name, "change": each.change}
            for each in changed_bundles(first, second)
        ],
        "unchanged_tables": len(pairs) - len(tables),
        "tables": tables,
        "seconds": round(time.perf_counter() - began, 2),
    }


def _side(side: Side) -> Json:
    days = [info.as_of for info in side.tables() if info.as_of is not None]
    return {
        "version": side.store.version,
        "season": side.season,
        "as_of": min(days).isoformat() if days else None,
        "words": str(side),
    }


def _table(
    request: DiffRequest, second: Side, pair: TablePair, file: RowFile | None, told: Told | None
) -> Json:
    info, tally = pair.either, ChangeTally()
    name = _name(pair)
    classes = class_changes(second.store, request.adapter, pair)
    columns = [*COLUMNS, *(["metrics:area"] if pair.table == "parcels" else [])]
    steps = None if told is None else (lambda done, total: told(done, total, name))
    for matched in matched_rows(pair, columns, steps):
        distance = distances_of(matched)
        tally.add(matched, distance)
        pairs = None if classes is None else classes.add(matched)
        if file is not None:
            file.write(pair, matched, distance, pairs)
    tally.same(pair.same_rows())
    return {
        "table": info.table,
        "model": info.model_id,
        "res": info.resolution,
        "season": {"from": pair.before and pair.before.season, "to": pair.after and pair.after.season},
        "as_of": {"from": _day(pair.before), "to": _day(pair.after)},
        "rows": {"from": pair.before.rows if pair.before else 0, "to": pair.after.rows if pair.after else 0},
        "places": place_rows(tally, request.by),
        "classes": _classes(classes),
    }


def _name(pair: TablePair) -> str:
    info = pair.either
    return f"{info.table} {info.season}" + ("" if info.resolution is None else f" res {info.resolution}")


def _day(info: Any) -> str | None:
    return None if info is None or info.as_of is None else info.as_of.isoformat()


def _classes(classes: ClassChanges | None) -> Json | None:
    return None if classes is None else classes.as_dict()
