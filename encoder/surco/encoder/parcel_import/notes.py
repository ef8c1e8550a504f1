"""What cleaning, sorting out and comparing found, noted feature by feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from surco.encoder.parcel_import.cleaning import Cleaned
from surco.encoder.parcel_import.columns import Columns
from surco.encoder.parcel_import.features import Features
from surco.encoder.parcel_import.overlaps import Overlap, OverlapSearch
from surco.encoder.parcel_import.rows import ROW, ids_of
from surco.encoder.parcel_import.shelf import Sorted
from surco.encoder.parcel_import.tally import Finding, Findings

__all__ = ["note_faults", "note_overlaps", "note_repeats"]

_PIXEL_M2 = 100.0
_NARROW_M = 5.0
_LARGE_M2 = 10_000 * 1e4
_LOSS = 0.1


def note_faults(features: Features, cleaned: Cleaned, columns: Columns, findings: Findings) -> None:
    """What became of each feature of a batch: dropped, repaired, without an id, too small or too large."""
    ids: list[Any] = ids_of(features, columns).to_pylist()
    width = 2 * cleaned.area / np.maximum(cleaned.perimeter, 1e-9)
    for place, ident in enumerate(ids):
        row = features.first + place + 1
        before, after = float(cleaned.area_before[place]), float(cleaned.area[place])
        if cleaned.dropped[place] is not None:
            findings.add(Finding("dropped", cleaned.dropped[place], row, ident))
            continue
        if cleaned.repaired[place] is not None:
            lost = "; over 10 % of its area gone" if after < (1 - _LOSS) * before else ""
            findings.add(Finding("repaired", cleaned.repaired[place] + lost, row, ident, before, after))
        if ident is None:
            findings.add(Finding("renumbered", "no id", row, f"row-{row}"))
        if after < _PIXEL_M2 or width[place] < _NARROW_M:
            why = "smaller than a pixel of 100 m²" if after < _PIXEL_M2 else "narrower than 5 m"
            findings.add(Finding("sliver", why, row, ident, after=after))
        if after > _LARGE_M2:
            findings.add(Finding("large", "over 10,000 ha", row, ident, after=after))


def note_repeats(found: Sorted, findings: Findings) -> None:
    """Rows that are there twice, and ids that had to change."""
    rows = np.array([*found.repeated, *found.renamed], np.int64)
    if not len(rows):
        return
    given: list[dict[str, Any]] = found.take(rows, ["id", ROW]).to_pylist()
    for row, was in zip(rows.tolist(), given, strict=True):
        if row in found.repeated:
            findings.add(Finding("dropped", "the same parcel as before", was[ROW], was["id"]))
        else:
            now = found.renamed[row]
            findings.add(Finding("renumbered", "id of another parcel before", was[ROW], now, other=was["id"]))


def note_overlaps(search: OverlapSearch, found: Sorted, findings: Findings) -> float:
    """Note overlaps in groups, so that ids are looked up together; the m² shared in all."""
    total = 0.0
    waiting = []
    for overlap in search:
        if overlap.first in found.repeated or overlap.second in found.repeated:
            continue
        total += overlap.area
        waiting.append(overlap)
        if len(waiting) == 10_000:
            _note_some(waiting, found, findings)
            waiting = []
    _note_some(waiting, found, findings)
    return total


def _note_some(overlaps: Sequence[Overlap], found: Sorted, findings: Findings) -> None:
    if not overlaps:
        return
    pairs = np.array([(each.first, each.second) for each in overlaps], np.int64)
    numbers: list[Any] = found.take(pairs[:, 0], [ROW]).column(ROW).to_pylist()
    for each, row, one, other in zip(
        overlaps, numbers, found.ids(pairs[:, 0]), found.ids(pairs[:, 1]), strict=True
    ):
        findings.add(
            Finding("overlap", "shares ground with another parcel", row, one, after=each.area, other=other)
        )
