"""Which places to label next, quickly on a table of any size: chosen among evenly spaced rows of the area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.adapters import CropTypeAdapter
from surco.adapters.next_label import Ground as Campaign
from surco.adapters.next_label import select
from surco.api.fits.shelf import Shelved
from surco.api.fits.workshop import Workshop
from surco.api.next_label import place_features
from surco.api.next_label_files import LabelFiles, matched
from surco.api.next_label_table import PlaceTable, visits_of
from surco.api.refusals import UnknownError
from surco.api.search.cell_ranges import centres_of, rows_inside
from surco.api.search.regions import box_shape
from surco.embedstore import Sentence, Store
from surco.embedstore.cells import parents_of
from surco.embedstore.polygon_cells import cells_within
from surco.embedstore.scales import row_scales
from surco.embedstore.vector_sources import Source, source_of
from surco.embedstore.vectors import table_vectors

__all__ = ["CANDIDATES", "cells_inside", "next_places"]

CANDIDATES = 20_000
"""Most rows of an area that are chosen among, evenly spaced."""

_COMPARED = 400_000  # centres that are compared with a box larger than that

Rows = npt.NDArray[np.int64]


def next_places(
    shop: Workshop,
    store: Store,
    shelved: Shelved,
    *,
    count: int,
    bbox: Sequence[float] | None,
    season: str | None,
    labels: LabelFiles | None,
    seed: int,
) -> dict[str, Any]:
    """The places whose labels would help an adapter most, a fifth of them by chance, as GeoJSON with reasons.

    Args:
        shop: of the application.
        store: at its latest version.
        shelved: the adapter to go by, of classes.
        count: how many, 1 to 100.
        bbox: west, south, east, north in degrees; None is the whole table.
        season: whose vectors; None is the one that the adapter learned from.
        labels: those so far; None takes the places that the adapter learned from as visited.
        seed: of all draws.

    Raises:
        CardError: an adapter that tells no classes.
        UnknownError: no row in the box.
        CampaignError: fewer places left than asked for.
    """
    adapter = shop.shelf.adapter(shelved, CropTypeAdapter.task)
    training, model_id = shelved.card["training"], str(shelved.card["model_id"])
    unit: Any = "parcels" if training.get("unit") == "parcels" else "cells"
    learned_from = training.get("season")
    source = source_of(
        store,
        unit,
        season=season or (learned_from if isinstance(learned_from, str) else None),
        model_id=model_id,
    )
    area, step = _area(shop, source, bbox)
    places = min(len(area) * step, source.info.rows)
    rows = _without(source, _even(area), [] if labels else training.get("ids", []))
    table = _table(shop, source, rows)
    examples = (
        None
        if labels is None
        else matched(store, labels, season=source.info.season, unit=unit, model_id=model_id)
    )
    chosen = select(table.ground, visits_of(table, labels, examples), count=count, adapter=adapter, seed=seed)
    # The candidates are a sample of the area themselves.
    share = len(rows) / max(places, 1)
    chosen = replace(chosen, inclusion_probability=chosen.inclusion_probability * share)
    if unit == "parcels":
        table = _with_points(shop, source, table, rows, chosen.row)
    about_so_many = "about " if step > 1 else ""
    about = {
        "adapter": shelved.name,
        "version": shelved.version,
        "model": model_id,
        "season": source.info.season,
        "unit": unit,
        "resolution": source.info.resolution,
        "round": chosen.round,
        "seed": seed,
        "places": places,
        "candidates": len(rows),
        "method": f"chosen among {len(rows):,} evenly spaced of {about_so_many}{places:,} {unit} of the area",
    }
    return {"type": "FeatureCollection", "surco": about, "features": place_features(table, chosen)}


def _area(shop: Workshop, source: Source, bbox: Sequence[float] | None) -> tuple[Rows, int]:
    """Rows of the table within a box, ascending, and how many each stands for: of a large box every so manieth."""
    if bbox is None:
        return np.arange(source.info.rows), 1
    shape = box_shape(bbox)
    step = 1
    if source.table == "parcels":
        rows = shop.parcels(source).inside(shape)
    else:
        rows, step = cells_inside(source, shape)
    if not len(rows):
        west, south, east, north = (round(side, 4) for side in source.info.bbox)
        raise UnknownError(
            Sentence(
                f"Expected a bbox with {source.table} of season {source.info.season}, got {list(bbox)}, which "
                "has none. "
                f"The table lies in {west},{south},{east},{north}.",
                "next-nothing",
            )
        )
    return rows, step


def cells_inside(source: Source, shape: shapely.Geometry, compared: int = _COMPARED) -> tuple[Rows, int]:
    """Rows of the cells whose centres lie in a shape of boxes, and how many each stands for.

    Of a shape of more than `compared` cells only as many of the table, evenly spaced, are looked at.
    """
    cells, level = table_vectors(source).keys.to_numpy(), source.info.resolution or 0
    parts = [shapely.box(*part.bounds) for part in shapely.get_parts(shape)]
    step = -(-len(cells) // compared)
    if step > 1 and cells_within(shape, level) > compared:
        some = np.arange(0, len(cells), step)
        centres = centres_of(cells[some])
        inside = shapely.intersects_xy(shape, centres[:, 0], centres[:, 1])
        return some[inside], step
    return np.unique(np.concatenate([rows_inside(cells, level, part) for part in parts])), 1


def _even(area: Rows) -> Rows:
    """At most `CANDIDATES` of the rows, evenly spaced."""
    taken = min(len(area), CANDIDATES)
    return area[np.arange(taken, dtype=np.int64) * len(area) // max(taken, 1)]


def _without(source: Source, rows: Rows, ids: object) -> Rows:
    """Rows whose key is not among ids, as a card names them."""
    if not isinstance(ids, list) or not ids:
        return rows
    keys = table_vectors(source).keys.take(pa.array(rows, pa.int64()))
    words = np.array([str(key) for key in keys.to_pylist()], np.str_)
    return rows[~np.isin(words, [str(name) for name in ids])]


def _table(shop: Workshop, source: Source, rows: Rows) -> PlaceTable:
    """The rows as candidates of a campaign."""
    held, scale = table_vectors(source), row_scales(source)
    keys = held.keys.take(pa.array(rows, pa.int64()))
    if source.table == "cells":
        key: npt.NDArray[Any] = keys.to_numpy(zero_copy_only=False)
        lonlat = centres_of(key)
        # The seven cells below one parent tell much the same.
        groups = parents_of(key, (source.info.resolution or 1) - 1) if source.info.resolution else None
    else:
        key, groups = np.array(keys.to_pylist(), np.str_), None
        lonlat = np.zeros((len(rows), 2))
    regions = held.comuna[rows].astype(np.int64)
    ground = Campaign.of(np.asarray(held.embedding[rows]), scale[rows], regions=regions, groups=groups)
    return PlaceTable(source.info, key, lonlat, ground)


def _with_points(shop: Workshop, source: Source, table: PlaceTable, rows: Rows, chosen: Rows) -> PlaceTable:
    """The table with a point within each chosen parcel."""
    inside = shapely.point_on_surface(shop.parcels(source).shapes(rows[chosen]))
    lonlat = table.lonlat.copy()
    lonlat[chosen] = shapely.get_coordinates(inside)
    return replace(table, lonlat=lonlat)
