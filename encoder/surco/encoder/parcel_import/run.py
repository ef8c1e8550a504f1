"""An import from file to file: read, clean, set aside, sort out, write, and give account."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely

from surco.encoder.parcel_import.cleaning import clean
from surco.encoder.parcel_import.columns import Columns, choose_columns
from surco.encoder.parcel_import.features import Features, Source
from surco.encoder.parcel_import.notes import note_faults, note_overlaps, note_repeats
from surco.encoder.parcel_import.opening import Reference, open_source, reference_of
from surco.encoder.parcel_import.overlaps import OverlapSearch
from surco.encoder.parcel_import.places import PlaceCount
from surco.encoder.parcel_import.request import ParcelRequest
from surco.encoder.parcel_import.rows import out_schema, rows_of
from surco.encoder.parcel_import.shelf import Shelf
from surco.encoder.parcel_import.tally import Findings, ImportReport
from surco.encoder.parcel_import.writing import write_parcels
from surco.encoder.parcels import ParcelError

__all__ = ["import_parcels"]

Progress = Callable[[int, int, str], None]
_MANY = 0.1
_GOOD_M = 2.0


@dataclass(slots=True)
class _State:
    """What is known while features go by."""

    shelf: Shelf
    findings: Findings
    places: PlaceCount = field(default_factory=PlaceCount)
    read: int = 0
    flattened: int = 0
    away: int = 0
    undated: int = 0
    datum: tuple[float, float] | None = None


def import_parcels(request: ParcelRequest, progress: Progress | None = None) -> ImportReport:
    """Make fiboa GeoParquet of an agency's file, with an account beside it.

    Memory holds a batch of features, and some 60 bytes of each that went by; the rest lies in a folder beside `out`
    until the end. Three files appear at once when all went well: `out`, `NAME.report.json` and `NAME.findings.csv`.

    Args:
        request: the file and what it does not say itself.
        progress: called with (features read, features there are, what is being done).

    Raises:
        ParcelError: a file, layer, CRS or column that cannot be used, nothing to keep, or no place to write.
    """
    _check_out(request)
    with (
        _writing(request),
        np.errstate(all="ignore"),  # GEOS leaves marks on odd outlines; what comes of them is checked
        tempfile.TemporaryDirectory(prefix=".surco-parcels-", dir=request.out.parent) as made,
    ):
        folder = Path(made)
        drafts = {target: folder / target.name for target in _targets(request)}
        with drafts[_targets(request)[2]].open("w", encoding="utf-8", newline="") as listing:
            state = _State(Shelf(folder / "rows"), Findings(listing))
            with open_source(request, folder / "unpacked") as source:
                columns = choose_columns(source.schema, source.key, request)
                schema = out_schema(source.schema, columns, request)
                reference = reference_of(source, request)
                for features in source.batches:
                    _take_in(features, state, columns, request, schema, reference)
                    if progress is not None:
                        progress(state.read, max(source.count, state.read), "reading")
            if progress is not None:
                progress(state.read, state.read, "comparing and writing")
            report = _finish(request, source, reference, columns, schema, state, drafts)
        drafts[report.account].write_text(_account(report), encoding="utf-8")
        for target in reversed(list(drafts)):
            drafts[target].replace(target)
    return report


def _targets(request: ParcelRequest) -> tuple[Path, Path, Path]:
    stem = request.out.with_suffix("")
    return (
        request.out,
        stem.with_name(f"{stem.name}.report.json"),
        stem.with_name(f"{stem.name}.findings.csv"),
    )


def _check_out(request: ParcelRequest) -> None:
    named = request.out.suffix.lower() in (".parquet", ".geoparquet") and not request.out.is_dir()
    if not named or not request.out.parent.is_dir():
        raise ParcelError(
            f"Expected to write a .parquet file in a folder that is there; got {request.out}. "
            "Name it as parcels.parquet, and make the folder first."
        )
    if request.path.exists() and request.out.exists() and request.out.samefile(request.path):
        raise ParcelError(
            f"Expected another file to write than the one to read; got {request.out} for both. "
            "Keep what the agency sent as it is, and choose another --out."
        )


@contextmanager
def _writing(request: ParcelRequest) -> Iterator[None]:
    """What the disk refuses, in words."""
    try:
        yield
    except OSError as error:
        raise ParcelError(
            f"Expected to write {request.out} and what is set aside beside it; got {error.strerror or error}. "
            "Free some room (about twice the file's size), or choose another folder."
        ) from error


def _take_in(
    features: Features,
    state: _State,
    columns: Columns,
    request: ParcelRequest,
    schema: pa.Schema,
    reference: Reference,
) -> None:
    """One batch, cleaned and set aside."""
    cleaned = clean(features, reference.move)
    state.read += len(features.geometry)
    state.flattened += cleaned.flattened
    note_faults(features, cleaned, columns, state.findings)
    kept = ~shapely.is_missing(cleaned.geometry)
    if not kept.any():
        return
    shapes = cleaned.geometry[kept]
    if not state.places.regions and not state.places.elsewhere:
        state.datum = reference.datum_shift(*shapely.get_coordinates(features.geometry[kept][0])[0])
    state.away += reference.away(shapes)
    rows = rows_of(features, cleaned, state.places.add(shapes), columns, request, schema)
    if columns.date is not None:
        state.undated += rows.column("determination:datetime").null_count
    state.shelf.put(rows, shapes, cleaned.area[kept])


def _finish(
    request: ParcelRequest,
    source: Source,
    reference: Reference,
    columns: Columns,
    schema: pa.Schema,
    state: _State,
    drafts: dict[Path, Path],
) -> ImportReport:
    """Sort out, write the rows, and say what was found."""
    findings = state.findings
    dropped: Mapping[str, int] = findings.counts.get("dropped", {})
    if state.read == findings.total("dropped"):
        said = "; ".join(f"{count:,} {why}" for why, count in dropped.items()) or "an empty layer"
        raise ParcelError(
            f"Expected parcels in {request.path}, in {reference.name} as {reference.said_by} says; got none that can "
            f"be kept of {state.read:,} features: {said}. If the CRS is another, say it with --crs."
        )
    found = state.shelf.sorted_out()
    note_repeats(found, findings)
    if found.repeated:
        state.places.remove(found.take(np.array([*found.repeated]), ["comuna"]).column("comuna"))
    search = OverlapSearch(found.bounds, found.area, found.shapes)
    shared = note_overlaps(search, found, findings)
    origin = {"file": request.path.name, "sha256": _digest(request.path), "crs": reference.name}
    kept = write_parcels(
        drafts[request.out], schema, found, state.shelf.types, request.collection or request.out.stem, origin
    )
    left = np.setdiff1d(np.arange(len(found.area)), list(found.repeated))
    out, account, listing = _targets(request)
    counts = {what: dict(findings.counts.get(what, {})) for what in ("repaired", "dropped", "renumbered")}
    return ImportReport(
        out=out,
        account=account,
        listing=listing,
        kind=source.kind,
        layer=source.layer,
        crs=reference.name,
        crs_from=reference.said_by,
        read=state.read,
        kept=kept,
        repaired=counts["repaired"],
        dropped=counts["dropped"],
        renumbered=counts["renumbered"],
        examples={what: dict(whys) for what, whys in findings.examples.items()},
        overlaps=findings.total("overlap"),
        overlap_area=shared,
        overlaps_untested=len(search.untested),
        slivers=findings.total("sliver"),
        large=findings.total("large"),
        in_chile=state.places.regions.total(),
        elsewhere=state.places.elsewhere,
        regions=dict(state.places.regions.most_common()),
        area=float(found.area[left].sum()),
        flattened=state.flattened,
        columns={name: title for name, title in columns.kept.items() if name != title},
        id_from=columns.id,
        crop_from=columns.crop,
        notes=(*source.notes, *_remarks(state, reference, columns)),
    )


def _remarks(state: _State, reference: Reference, columns: Columns) -> list[str]:
    remarks = []
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


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _account(report: ImportReport) -> str:
    facts = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(report).items()}
    return json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
