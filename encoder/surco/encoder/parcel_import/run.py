"""An import from file to file: read, clean, set aside, sort out, write, and give account."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import shapely

from surco.encoder.parcel_import.accounting import Plan, State, report_of
from surco.encoder.parcel_import.cleaning import clean
from surco.encoder.parcel_import.columns import choose_columns
from surco.encoder.parcel_import.features import Features
from surco.encoder.parcel_import.notes import note_faults, note_overlaps, note_repeats
from surco.encoder.parcel_import.opening import open_source, reference_of
from surco.encoder.parcel_import.overlaps import OverlapSearch
from surco.encoder.parcel_import.request import ParcelRequest
from surco.encoder.parcel_import.rows import out_schema, rows_of
from surco.encoder.parcel_import.shelf import Shelf
from surco.encoder.parcel_import.tally import Findings, ImportReport
from surco.encoder.parcel_import.writing import write_parcels
from surco.encoder.parcels import ParcelError

__all__ = ["import_parcels"]

Progress = Callable[[int, int, str], None]


def import_parcels(request: ParcelRequest, progress: Progress | None = None) -> ImportReport:
    """Make fiboa GeoParquet of an agency's file, with an account beside it.

    Memory holds a batch of features, and some 100 bytes of each that went by; the rest lies in a folder beside `out`
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
            state = State(Shelf(folder / "rows"), Findings(listing))
            with open_source(request, folder / "unpacked") as source:
                columns = choose_columns(source.schema, source.key, request)
                schema = out_schema(source.schema, columns, request)
                plan = Plan(request, source, reference_of(source, request), columns, schema)
                for features in source.batches:
                    _take_in(features, plan, state)
                    if progress is not None:
                        progress(state.read, max(source.count, state.read), "reading")
            if progress is not None:
                progress(state.read, state.read, "comparing and writing")
            report = _finish(plan, state, drafts)
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


def _take_in(features: Features, plan: Plan, state: State) -> None:
    """One batch, cleaned and set aside."""
    cleaned = clean(features, plan.reference.move)
    state.read += len(features.geometry)
    state.flattened += cleaned.flattened
    note_faults(features, cleaned, plan.columns, state.findings)
    kept = ~shapely.is_missing(cleaned.geometry)
    if not kept.any():
        return
    shapes = cleaned.geometry[kept]
    if not state.places.regions and not state.places.elsewhere:
        state.datum = plan.reference.datum_shift(*shapely.get_coordinates(features.geometry[kept][0])[0])
    state.away += plan.reference.away(shapes)
    rows = rows_of(features, cleaned, state.places.add(shapes), plan.columns, plan.request, plan.schema)
    if plan.columns.date is not None:
        state.undated += rows.column("determination:datetime").null_count
    state.shelf.put(rows, shapes, cleaned.area[kept])


def _finish(plan: Plan, state: State, drafts: dict[Path, Path]) -> ImportReport:
    """Sort out, compare, write the rows, and say what was found."""
    _refuse_nothing(plan, state)
    request, found = plan.request, state.shelf.sorted_out()
    note_repeats(found, state.findings)
    if found.repeated:
        state.places.remove(found.take(np.array([*found.repeated]), ["comuna"]).column("comuna"))
    search = OverlapSearch(found.bounds, found.area, found.shapes)
    state.overlap_area = note_overlaps(search, found, state.findings)
    state.untested = len(search.untested)
    origin = {"file": request.path.name, "sha256": _digest(request.path), "crs": plan.reference.name}
    collection = request.collection or request.out.stem
    kept = write_parcels(drafts[request.out], plan.schema, found, state.shelf.types, collection, origin)
    left = np.setdiff1d(np.arange(len(found.area)), list(found.repeated))
    return report_of(plan, state, _targets(request), kept, float(found.area[left].sum()))


def _refuse_nothing(plan: Plan, state: State) -> None:
    dropped: Mapping[str, int] = state.findings.counts.get("dropped", {})
    if state.read > sum(dropped.values()):
        return
    said = "; ".join(f"{count:,} {why}" for why, count in dropped.items()) or "an empty layer"
    raise ParcelError(
        f"Expected parcels in {plan.request.path}, in {plan.reference.name} as {plan.reference.said_by} says; got none "
        f"that can be kept of {state.read:,} features: {said}. If the CRS is another, say it with --crs."
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _account(report: ImportReport) -> str:
    facts = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(report).items()}
    return json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
