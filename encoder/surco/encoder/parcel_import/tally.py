"""The account of an import: counts, what was done to which feature, and where it is written."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

__all__ = ["Finding", "Findings", "ImportReport"]

_LISTED = 100_000
_EXAMPLES = 5
_FORMULA = ("=", "@", "+", "-", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one feature, or two.

    Attributes:
        what: "dropped", "repaired", "renumbered", "overlap", "sliver" or "large".
        why: in words.
        row: of the feature in the file, the first is 1.
        id: that it has, or would have had.
        before, after: m² before and after; NaN where they say nothing.
        other: id of the second feature, or the id that the agency gave.
    """

    what: str
    why: str
    row: int
    id: str | None
    before: float | None = None
    after: float | None = None
    other: str | None = None


@dataclass(slots=True)
class Findings:
    """Counts findings and writes each to a CSV as it comes, at most 100,000 of a kind."""

    file: IO[str]
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    examples: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._row(["what", "why", "row", "id", "area_before_m2", "area_after_m2", "other"])

    def add(self, finding: Finding) -> None:
        """Count a finding and list it."""
        kind = self.counts.setdefault(finding.what, Counter())
        kind[finding.why] += 1
        named = self.examples.setdefault(finding.what, {}).setdefault(finding.why, [])
        if len(named) < _EXAMPLES:
            named.append(finding.id or f"row {finding.row}")
        if kind.total() <= _LISTED:
            areas = [
                "" if area is None or area != area else f"{area:.1f}"
                for area in (finding.before, finding.after)
            ]
            self._row([finding.what, finding.why, str(finding.row), finding.id, *areas, finding.other])

    def total(self, what: str) -> int:
        """How many of a kind."""
        return self.counts.get(what, Counter()).total()

    def _row(self, cells: list[str | None]) -> None:
        csv.writer(self.file, lineterminator="\n").writerow([_harmless(cell) for cell in cells])


def _harmless(cell: str | None) -> str:
    """Text that a spreadsheet will not run as a formula; numbers stay."""
    text = cell or ""
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import found and did.

    Attributes:
        out, account, listing: the Parquet file, the account as JSON, findings feature by feature as CSV.
        kind, layer: of the file.
        crs: the name of the CRS that outlines were read in, and `crs_from` who said so.
        read, kept: features.
        repaired, dropped, renumbered: reasons and how many; `examples` names some ids of each.
        overlaps: pairs of parcels that share ground, `overlap_area` their m², `overlaps_untested` parcels left out.
        slivers, large: parcels that are too narrow or small to be seen, or over 10,000 ha; all were kept.
        in_chile: parcels in Chile, `regions` by region; `elsewhere` all others, which were kept too.
        area: m² of all parcels.
        flattened: outlines that had heights.
        columns: the agency's columns that got another name.
        id_from, crop_from: the column of the ids and that of the crops, None where there was none.
        notes: what else there is to know.
    """

    out: Path
    account: Path
    listing: Path
    kind: str
    layer: str
    crs: str
    crs_from: str
    read: int
    kept: int
    repaired: Mapping[str, int]
    dropped: Mapping[str, int]
    renumbered: Mapping[str, int]
    examples: Mapping[str, Mapping[str, list[str]]]
    overlaps: int
    overlap_area: float
    overlaps_untested: int
    slivers: int
    large: int
    in_chile: int
    elsewhere: int
    regions: Mapping[str, int]
    area: float
    flattened: int
    columns: Mapping[str, str]
    id_from: str | None
    crop_from: str | None
    notes: tuple[str, ...]
