"""What the viewer's page starts from: what the store holds, the country's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import h3
import numpy as np
import shapely

from surco.adapters import AdapterError, YieldAdapter, read_card
from surco.api.maps import CLASS_TASKS
from surco.api.ogc.comuna_outlines import comuna_outlines
from surco.api.settings import Settings
from surco.embedstore import Season, Store, TableInfo, comunas
from surco.viewer import class_styles

__all__ = ["names", "overview"]


def overview(store: Store, settings: Settings) -> dict[str, Any]:
    """Seasons, tables, adapters that draw maps, where the data lies, and what is shown first.

    An adapter of a model of which the store holds no vectors (any more) has nothing to draw and is left out.
    """
    tables = store.tables()
    bounds = np.array([info.bbox for info in tables]).reshape(-1, 4)
    box = (
        [*bounds[:, :2].min(axis=0).tolist(), *bounds[:, 2:].max(axis=0).tolist()] if len(bounds) else _CHILE
    )
    season = settings.season or next(reversed(store.seasons()), None)
    held = {info.model_id for info in tables}
    drawn = [facts for name in store.adapters() if (facts := _adapter(store, name)) is not None]
    adapters = [each for each in drawn if each["model"] in held]
    named = _first_adapter(adapters, tables, season, settings.adapter)
    model = next((each["model"] for each in adapters if each["name"] == named), None) or _first_model(tables)
    return {
        "area": settings.area_name,
        "version": store.version,
        "start_month": store.start_month,
        "bbox": _mainland(box),
        "grounds": _grounds(tables),
        "seasons": [_season(store, tables, name) for name in store.seasons()],
        "models": store.models(),
        "adapters": adapters,
        "comunas": _addresses(),
        "defaults": {
            "season": season,
            "adapter": named,
            "model": model,
            "unit": _unit(tables, season, model),
        },
    }


def _mainland(box: list[float]) -> list[float]:
    """What is shown first of a box over Chile: not the sea between the mainland and islands 3,700 km away."""
    west, south, east, north = box
    chilean = _ISLANDS[0] <= west and _ISLANDS[1] <= south and east <= _ISLANDS[2] and north <= _ISLANDS[3]
    return [_CHILE[0], south, east, north] if chilean and west < _CHILE[0] < east else box


@lru_cache(maxsize=1)
def names() -> dict[str, Any]:
    """Names of regions and comunas, each with a place inside it."""
    table = comuna_outlines()
    shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    regions = np.array(table["region"].to_pylist(), object)
    named = [
        {"name": name, "rank": "comuna", "position": _inside(shape)}
        for name, shape in zip(table["comuna_name"].to_pylist(), shapes, strict=True)
    ]
    for region in np.unique(regions.astype(str)):
        largest = max(shapes[regions == region], key=shapely.area)
        whole = shapely.union_all([part for part in shapes[regions == region] if part.distance(largest) < 1])
        named.append({"name": str(region), "rank": "region", "position": _inside(whole)})
    return {"names": named}


_CHILE = [-75.7, -55.9, -66.4, -17.5]
_ISLANDS = (-109.6, -56.6, -66.3, -17.4)
"""All of Chile, Rapa Nui and Juan Fernández too: west, south, east, north."""


def _inside(shape: Any) -> list[float]:
    # The middle of the largest circle within, so that a name stands clear of the borders.
    parts = shapely.get_parts(shape)
    middle = shapely.maximum_inscribed_circle(max(parts, key=shapely.area), tolerance=0.01)
    lon, lat = shapely.get_coordinates(middle)[0]
    return [round(float(lon), 4), round(float(lat), 4)]


def _adapter(store: Store, name: str) -> dict[str, Any] | None:
    """What the page needs of an adapter that draws maps; None of the others, and of one that cannot be read."""
    try:
        card = read_card(store.adapter_dir(name))
    except AdapterError:
        return None
    if card["task"] not in (*CLASS_TASKS, YieldAdapter.task):
        return None
    classes = [str(each) for each in card.get("classes") or []]
    return {
        "name": name,
        "task": card["task"],
        "model": card["model_id"],
        "unit": card.get("unit"),
        "coverage": card.get("parameters", {}).get("coverage"),
        "classes": [asdict(style) for style in class_styles(classes)],
    }


@lru_cache(maxsize=1)
def _addresses() -> dict[str, list[str]]:
    """Name, province and region of each comuna by its code."""
    rows = comunas().select(["cut", "comuna", "provincia", "region"]).to_pylist()
    return {str(row["cut"]): [row["comuna"], row["provincia"], row["region"]] for row in rows}


def _first_adapter(
    adapters: Sequence[Mapping[str, Any]], tables: Sequence[TableInfo], season: str | None, wanted: str | None
) -> str | None:
    """The one wanted, else the first that has vectors in the season, else the first; None where there is none."""
    names = [each["name"] for each in adapters]
    if wanted in names:
        return wanted
    now = {info.model_id for info in tables if info.season == season}
    return next((each["name"] for each in adapters if each["model"] in now), next(iter(names), None))


def _first_model(tables: Sequence[TableInfo]) -> str | None:
    ordered = sorted(tables, key=lambda info: (info.season, info.table == "parcels"))
    return ordered[-1].model_id if ordered else None


def _unit(tables: Sequence[TableInfo], season: str | None, model: str | None) -> str:
    held = ("parcels", season, model)
    return "parcels" if any((t.table, t.season, t.model_id) == held for t in tables) else "cells"


def _grounds(tables: Sequence[TableInfo]) -> list[dict[str, Any]]:
    """Areas that the store was filled with one after another, by the name of their scenes; none where it was one."""
    notes = [note for table in tables for note in table.meta.get("runs", [])]
    found = {note["name"]: note["bbox"] for note in notes if "name" in note}
    return [{"name": name, "bbox": bbox} for name, bbox in found.items()] if len(found) > 1 else []


def _season(store: Store, tables: Sequence[TableInfo], name: str) -> dict[str, Any]:
    held = [info for info in tables if info.season == name]
    months = Season.parse(name, store.start_month).months()
    models = sorted({info.model_id for info in held})
    return {
        "name": name,
        "as_of": min((info.as_of.isoformat() for info in held if info.as_of), default=None),
        "months": [first.strftime("%Y-%m") for first, _ in months],
        "models": {model: _model([info for info in held if info.model_id == model]) for model in models},
    }


def _model(tables: Sequence[TableInfo]) -> dict[str, Any]:
    """What a season has of one model: rows of parcels, and cells by resolution, coarsest first."""
    cells = sorted((info for info in tables if info.table == "cells"), key=lambda info: info.resolution or 0)
    return {
        "parcels": sum(info.rows for info in tables if info.table == "parcels"),
        "cells": [
            {
                "resolution": info.resolution,
                "rows": info.rows,
                "cell_ha": h3.average_hexagon_area(info.resolution, unit="m^2") / 1e4,
            }
            for info in cells
        ],
    }
