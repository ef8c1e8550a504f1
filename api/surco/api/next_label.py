"""`surco next-label`: a store, label files and an area in, the places to visit next out, as GeoJSON to be filled in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surco.adapters import load_adapter
from surco.adapters.next_label import CHANCE, Selection, select
from surco.api.fitting import Unit
from surco.api.maps import adapter_model
from surco.api.next_label_files import matched, read_label_files
from surco.api.next_label_table import PlaceTable, place_table, visits_of
from surco.api.refusals import ExportError
from surco.api.whole_file import whole_file
from surco.embedstore import Examples, Store, coded

__all__ = ["NextLabelReport", "NextLabelRequest", "next_places", "place_features"]

Report = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class NextLabelRequest:
    """What to choose from, and where to write it.

    Attributes:
        store: the store's folder.
        out: the `.geojson` to write.
        labels: label files so far, filled-in outputs of before among them; none begins a campaign.
        adapter: whose predictions to go by; None fits one on the labels.
        count: how many places, 1 to 100.
        season, unit, model_id: which table; as for `surco adapters fit`.
        aoi: west,south,east,north or a GeoJSON file; None is the whole table.
        class_column: of the label files.
        seed: of all draws.
    """

    store: Path
    out: Path
    labels: tuple[Path, ...] = ()
    adapter: str | None = None
    count: int = 10
    season: str | None = None
    unit: Unit = "auto"
    model_id: str | None = None
    aoi: str | None = None
    class_column: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class NextLabelReport:
    """What was chosen: the unit, how many places there are, which were taken, and what became of the labels."""

    out: Path
    unit: str
    season: str
    places: int
    selection: Selection
    visited: int
    unmatched: int
    conflicts: int

    def text(self) -> str:
        """The report for people."""
        chosen = self.selection
        arms = {arm: int((chosen.arm == arm).sum()) for arm in dict.fromkeys(chosen.arm.tolist())}
        lines = [
            f"Round {chosen.round}: {len(chosen)} of {self.places:,} {self.unit} of season {self.season} to visit -> "
            f"{self.out}",
            "  " + ", ".join(f"{count} by {arm}" for arm, count in arms.items()),
            f"{self.visited} {self.unit} are labelled so far.",
        ]
        if self.conflicts:
            lines.append(f"{self.conflicts} {self.unit} have two classes and count as not visited.")
        if self.unmatched:
            lines.append(f"{self.unmatched} labels name no {self.unit} of the store.")
        return "\n".join(
            [*lines, f"Fill in `class` of each place; visit all of the {CHANCE}, or it is none."]
        )


def next_places(request: NextLabelRequest, progress: Report | None = None) -> NextLabelReport:
    """Choose the next places to visit and write them; a file of that name is replaced once the new one is complete.

    Raises:
        EmbedstoreError: the store, the labels or the season cannot be used.
        EncoderError: an area that is none.
        AdapterError: no places left, a count out of range, an adapter of another model or task.
        ApiError: an area without rows, an output that cannot be written.
    """
    _check_out(request)
    store = Store.open(request.store)
    model_id = request.model_id if request.adapter is None else adapter_model(store, request.adapter)
    files = read_label_files(request.labels, request.class_column)
    examples = (
        None
        if files is None
        else matched(store, files, season=request.season, unit=request.unit, model_id=model_id)
    )
    if progress is not None:
        progress(0, 1, "reading the table")
    table = place_table(
        store, _unit(store, request.unit, examples, model_id), request.season, model_id, request.aoi
    )
    adapter = request.adapter and load_adapter(
        store.adapter_dir(request.adapter), model_id=table.info.model_id, task="crop-type"
    )
    visits = visits_of(table, files, examples)
    chosen = select(
        table.ground,
        visits,
        count=request.count,
        adapter=adapter or None,
        seed=request.seed,
        progress=progress,
    )
    _write(request, table, chosen, store.version)
    return NextLabelReport(
        request.out,
        table.info.table,
        table.info.season,
        len(table.ground),
        chosen,
        len(visits),
        0 if examples is None else len(examples.unmatched),
        0 if examples is None else len(examples.conflicts),
    )


def _check_out(request: NextLabelRequest) -> None:
    out = request.out
    if out.suffix.lower() not in (".geojson", ".json") or not out.parent.is_dir():
        raise ExportError(
            f"Expected a file ending in .geojson in a folder that is there, got {out}. Rename it, or make the folder."
        )
    if out.resolve() in [path.resolve() for path in request.labels]:
        raise ExportError(f"Expected another file than the labels, got {out}. They are never changed.")


def _unit(store: Store, unit: Unit, examples: Examples | None, model_id: str | None) -> Unit:
    if examples is not None:
        return examples.unit
    if unit != "auto":
        return unit
    held = [info.table for info in store.tables() if model_id in (None, info.model_id)]
    return "parcels" if "parcels" in held else "cells"


def _write(request: NextLabelRequest, table: PlaceTable, chosen: Selection, version: int) -> None:
    about = {
        "model": table.info.model_id,
        "season": table.info.season,
        "unit": table.info.table,
        "resolution": table.info.resolution,
        "store_version": version,
        "adapter": request.adapter,
        "round": chosen.round,
        "seed": request.seed,
        "places": len(table.ground),
    }
    content = {"type": "FeatureCollection", "surco": about, "features": place_features(table, chosen)}
    try:
        with whole_file(request.out) as draft:
            draft.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ExportError(
            f"Expected to be able to write {request.out}, got: {error}. Choose another place."
        ) from error


def place_features(table: PlaceTable, chosen: Selection) -> list[dict[str, Any]]:
    """Chosen places as GeoJSON features whose `class` is to be filled in, with what chose each and why."""
    places = np.round(table.lonlat[chosen.row], 7).tolist()
    return [
        {
            "type": "Feature",
            "id": key,
            "geometry": {"type": "Point", "coordinates": place},
            "properties": {
                "rank": rank + 1,
                "class": None,
                "arm": str(chosen.arm[rank]),
                "round": chosen.round,
                "reason": str(chosen.reason[rank]),
                "reason_said": coded(chosen.reason[rank]),
                "predicted": chosen.predicted[rank],
                "probability": _rounded(chosen.probability[rank], 4),
                "inclusion_probability": _rounded(chosen.inclusion_probability[rank], 12),
            },
        }
        for rank, (key, place) in enumerate(zip(table.ids(chosen.row), places, strict=True))
    ]


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
