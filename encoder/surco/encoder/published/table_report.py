"""What importing tables of vectors did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from surco.encoder.published.table_places import Place

__all__ = ["TableReport", "table_report"]


@dataclass(frozen=True, slots=True)
class TableReport:
    """What `import_tables` did.

    Attributes:
        key: of the run; the same inputs give the same.
        files, rows: read; `rows_used` of them have a vector and lie in the area.
        place: what the rows stood for: "cells", "points" or "parcels".
        cells: rows in the store by H3 resolution.
        parcels: rows in the store; None where there are none.
        dimension: numbers in a vector.
        seconds: this run took.
        already: True where the store had everything and nothing was read.
    """

    key: str
    files: int
    rows: int
    rows_used: int
    place: Place
    cells: Mapping[int, int]
    parcels: int | None
    dimension: int
    seconds: float
    already: bool


def table_report(
    note: Mapping[str, Any], levels: Sequence[int], seconds: float, *, already: bool
) -> TableReport:
    """The report of a run from what is kept of it with its tables."""
    return TableReport(
        key=note["run"],
        files=note["files"],
        rows=note["rows"],
        rows_used=note["rows_used"],
        place=note["place"],
        cells={level: note["cells"][str(level)] for level in levels},
        parcels=note["parcels"],
        dimension=note["dimension"],
        seconds=seconds,
        already=already,
    )
