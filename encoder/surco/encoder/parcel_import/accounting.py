"""What is known while features go by, and the report made of it at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from surco.encoder.parcel_import.columns import Columns
from surco.encoder.parcel_import.features import Source
from surco.encoder.parcel_import.opening import Reference
from surco.encoder.parcel_import.places import PlaceCount
from surco.encoder.parcel_import.request import ParcelRequest
from surco.encoder.parcel_import.shelf import Shelf
from surco.encoder.parcel_import.tally import Findings, ImportReport

__all__ = ["Plan", "State", "report_of"]

_MANY = 0.1
_GOOD_M = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is decided before the first feature is read; `schema` is that of the output."""

    request: ParcelRequest
    source: Source
    reference: Reference
    columns: Columns
    schema: pa.Schema


@dataclass(slots=True)
class State:
    """What has been seen.

    Attributes:
        shelf, findings, places: rows set aside, what was noted of them, and where they lie.
        read, flattened, away, undated: features; outlines with heights, outside the area of their CRS, without a date.
        datum: see `Reference.datum_shift`.
        overlap_area, untested: m² that parcels share, and how many were not compared.
    """

    shelf: Shelf
    findings: Findings
    places: PlaceCount = field(default_factory=PlaceCount)
    read: int = 0
    flattened: int = 0
    away: int = 0
    undated: int = 0
    datum: tuple[float, float] | None = None
    overlap_area: float = 0.0
    untested: int = 0


def report_of(
    plan: Plan, state: State, targets: tuple[Path, Path, Path], kept: int, area: float
) -> ImportReport:
    """The report of an import that went well, `kept` parcels of `area` m² in all."""
    findings = state.findings
    out, account, listing = targets
    counts = {what: dict(findings.counts.get(what, {})) for what in ("repaired", "dropped", "renumbered")}
    return ImportReport(
        out=out,
        account=account,
        listing=listing,
        kind=plan.source.kind,
        layer=plan.source.layer,
        crs=plan.reference.name,
        crs_from=plan.reference.said_by,
        read=state.read,
        kept=kept,
        repaired=counts["repaired"],
        dropped=counts["dropped"],
        renumbered=counts["renumbered"],
        examples={what: dict(whys) for what, whys in findings.examples.items()},
        overlaps=findings.total("overlap"),
        overlap_area=state.overlap_area,
        overlaps_untested=state.untested,
        slivers=findings.total("sliver"),
        large=findings.total("large"),
        in_chile=state.places.regions.total(),
        elsewhere=state.places.elsewhere,
        regions=dict(state.places.regions.most_common()),
        area=area,
        flattened=state.flattened,
        columns={name: title for name, title in plan.columns.kept.items() if name != title},
        id_from=plan.columns.id,
        crop_from=plan.columns.crop,
        notes=(*plan.source.notes, *_remarks(plan, state)),
    )


def _remarks(plan: Plan, state: State) -> list[str]:
    reference, columns, remarks = plan.reference, plan.columns, []
    if state.findings.total("renumbered") > state.read * _MANY:
        remarks.append(
            f"Over a tenth of the ids (column {columns.id}) are missing or occur again; another column may be "
            "meant: name it with --id-column."
        )
    if state.datum is not None and not 0 <= state.datum[1] < _GOOD_M:
        remarks.append(
            f"{reference.name} is on an old datum: outlines were moved by some {state.datum[0]:,.0f} m, which is known "
            f"to {f'about {state.datum[1]:.0f} m' if state.datum[1] >= 0 else 'nobody knows how many metres'}. "
            "Compare them with imagery."
        )
    if state.undated:
        remarks.append(f"{state.undated:,} parcels have no date that can be read in column {columns.date}.")
    if state.away:
        remarks.append(
            f"{state.away:,} parcels lie outside the area that {reference.name} is made for; check the CRS."
        )
    if state.places.exchanged > state.places.elsewhere / 2:
        remarks.append(
            f"{state.places.exchanged:,} parcels would lie in Chile if longitude and latitude were exchanged."
        )
    return remarks
