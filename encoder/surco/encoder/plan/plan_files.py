"""Plans as JSON documents: written whole or not at all, read back as they were, never with a secret in them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import shapely
from shapely.errors import ShapelyError

from surco.embedstore import Season
from surco.encoder.assets import Band
from surco.encoder.plan.cropland import Cropland
from surco.encoder.plan.document import ParcelFile, PlannedModel, RunPlan
from surco.encoder.plan.errors import PlanError
from surco.encoder.plan.ground import Ground
from surco.encoder.plan.json_files import read_json
from surco.encoder.plan.sources import SimulatedSource
from surco.encoder.plan.tiles import LandTile
from surco.encoder.reading.addresses import bare
from surco.encoder.scenes import Scene

__all__ = ["FORMAT", "plan_document", "plan_from_document", "read_plan", "write_plan"]

FORMAT = 1
"""Raised when a reader of the format before would take a plan for another one."""

Json = dict[str, Any]

_OUTSIDE = ("surco_plan", "key")
_BAND_NUMBERS = tuple(f.name for f in fields(Band) if f.name != "href")
"""All of a band besides its place, in the order in which `Band` takes them."""


def write_plan(plan: RunPlan, path: Path) -> None:
    """Write a plan under a temporary name, then give it its own; raises PlanError where that cannot be written."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        draft.write_text(
            json.dumps(plan_document(plan), ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8"
        )
        draft.replace(path)
    except OSError as error:
        raise PlanError(
            f"Expected to write the plan {path}; got {error.strerror}. Name another --out."
        ) from error


def read_plan(path: Path) -> RunPlan:
    """Read a plan.

    Raises:
        PlanError: no such file, no plan, or one of a newer format.
    """
    return plan_from_document(read_json(path, "a plan", "Make it with surco plan."), str(path))


def plan_document(plan: RunPlan) -> Json:
    """A plan as JSON; `plan_from_document` gives it back."""
    return {"surco_plan": FORMAT, "key": plan.key, **_content(plan)}


def _content(plan: RunPlan) -> Json:
    mask, season = plan.ground.cropland, plan.season
    return {
        "region": {
            "name": plan.region,
            "comunas": plan.ground.comunas,
            "polygon": None if plan.ground.polygon is None else plan.ground.polygon.hex(),
            "cropland": None if mask is None else asdict(mask),
        },
        "season": {
            "name": season.name, "year": season.year, "start_month": season.start_month,
            "as_of": None if season.as_of is None else season.as_of.isoformat(),
        },
        "model": asdict(plan.model),
        "resolutions": plan.resolutions,
        "parcels": None if plan.parcels is None else asdict(plan.parcels),
        "simulated": None if plan.simulated is None else {"seed": plan.simulated.seed},
        "step": plan.step,
        "estimate": dict(plan.estimate),
        "catalogues": plan.catalogues,
        "tiles": [[tile.name, tile.occupied, tile.pixels] for tile in plan.tiles],
        "scenes": [_scene_document(scene) for scene in plan.scenes],
    }  # fmt: skip


def plan_from_document(document: object, name: str) -> RunPlan:
    """The plan of a document as `plan_document` gives it; raises PlanError, naming its place, for another."""
    if not isinstance(document, dict) or not isinstance(document.get("surco_plan"), int):
        raise PlanError(f"Expected a plan of surco in {name}; got other JSON. Make it with surco plan.")
    if document["surco_plan"] != FORMAT:
        raise PlanError(
            f"Expected a plan of format {FORMAT} in {name}; got format {document['surco_plan']}. "
            "Plan anew, or use the version of surco that wrote it."
        )
    try:
        plan = _plan(document)
        # What was left out, added or of another type shows when the plan is written again.
        same = json.loads(json.dumps(_content(plan))) == {
            k: v for k, v in document.items() if k not in _OUTSIDE
        }
    except PlanError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, ShapelyError) as error:
        raise PlanError(
            f"Expected a whole plan in {name}; got {type(error).__name__}: {error}. Make it anew with surco plan."
        ) from error
    if not same:
        raise PlanError(
            f"Expected a plan as surco writes it in {name}; got another. Make it anew with surco plan."
        )
    return plan


def _plan(document: Json) -> RunPlan:
    region, season, simulated = document["region"], document["season"], document["simulated"]
    mask = region["cropland"]
    ground = Ground(
        None if region["comunas"] is None else tuple(region["comunas"]),
        None if region["polygon"] is None else shapely.from_wkb(bytes.fromhex(region["polygon"])).wkb,
        None if mask is None else Cropland(mask["path"], mask["digest"], tuple(mask["classes"])),
    )
    as_of = None if season["as_of"] is None else date.fromisoformat(season["as_of"])
    step = document["step"]
    return RunPlan(
        region=region["name"],
        season=Season(season["year"], season["start_month"], as_of),
        tiles=tuple(_tile(row, ground, step) for row in document["tiles"]),
        model=PlannedModel(**document["model"]),
        resolutions=tuple(document["resolutions"]),
        catalogues=tuple(document["catalogues"]),
        scenes=tuple(_scene(scene) for scene in document["scenes"]),
        simulated=None if simulated is None else SimulatedSource(simulated["seed"]),
        parcels=None if document["parcels"] is None else ParcelFile(**document["parcels"]),
        estimate=document["estimate"],
    )


def _tile(row: list[Any], ground: Ground, step: int) -> LandTile:
    name, occupied, pixels = row
    named = LandTile.named(name)
    return LandTile(named.zone, named.column, named.row, ground, step, occupied, pixels)


def _scene_document(scene: Scene) -> Json:
    """Addresses go in bare: their queries carry signatures, which are secrets and expire."""
    return {
        "id": scene.id, "collection": scene.collection, "sensor": scene.sensor,
        "datetime": scene.datetime.isoformat(), "footprint": shapely.to_wkb(scene.footprint, hex=True),
        "crs": scene.crs, "extent": scene.extent,
        "bands": {
            name: [bare(band.href), *(getattr(band, other) for other in _BAND_NUMBERS)]
            for name, band in scene.bands.items()
        },
    }  # fmt: skip


def _scene(document: Mapping[str, Any]) -> Scene:
    bands = {name: Band(*parts) for name, parts in document["bands"].items()}
    return Scene(
        document["id"],
        document["collection"],
        document["sensor"],
        datetime.fromisoformat(document["datetime"]),
        MappingProxyType(bands),
        shapely.from_wkb(document["footprint"]),
        document["crs"],
        None if document["extent"] is None else tuple(document["extent"]),
    )
