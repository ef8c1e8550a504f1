"""A store with what maps over HTTP are made of: two seasons of cells, parcels, adapters of classes and of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from store_builders import MODEL, cell_ids, cells_batch, parcels_batch, squares

from surco.adapters import CropTypeAdapter, YieldAdapter, save_adapter
from surco.adapters.legends import load_legend
from surco.api.legend_levels import legend_record
from surco.embedstore import Season, Store, comuna_at, comuna_of

CROPS = ("cherry", "maize", "vineyard", "wheat")
BEFORE, NOW = Season(2023), Season(2024)
TALCA, CURICO = (-71.64, -35.44), (-71.24, -34.98)
PARCELS = 200
UNSEEN = 5


def map_store(path: Path, cells: int = 3_000) -> Store:
    """The store, half of its cells round Talca and half round Curicó.

    In the season before a fifth of the cells had another crop. Five cells of each season were never observed.
    Adapters: `crops` (with INE's legend, of enough labels in groups to abstain), `others` (of other labels), `few` (of
    too few to abstain), `yields` (of values).
    """
    near = [cell_ids(cells // 2, lon=lon, lat=lat) for lon, lat in (TALCA, CURICO)]
    ids = sorted({*near[0], *near[1]})
    now = np.random.default_rng(5).integers(0, 4, len(ids))
    before = np.where(np.random.default_rng(6).random(len(ids)) < 0.2, (now + 1) % 4, now)
    parcels = np.random.default_rng(7).integers(0, 4, PARCELS)
    store = Store.create(path)
    with store.transaction() as tx:
        for season, kinds in ((BEFORE, before), (NOW, now)):
            tx.put_cells([_cells(ids, kinds, season.year)], model_id=MODEL, season=season, resolution=9)
        tx.put_parcels([_parcels(parcels)], model_id=MODEL, season=NOW)
        tx.put_model(MODEL, {"title": "a test", "licence": "CC-BY-4.0", "credits": "Copernicus"})
        for name, files in _adapters().items():
            tx.put_adapter(name, files)
    return store


def vectors_of(kinds: np.ndarray, seed: int, noise: float = 0.12) -> np.ndarray:
    """(N, 64) unit vectors of crops that can be told apart, mostly."""
    rng = np.random.default_rng(seed)
    vectors = _centres()[kinds] + noise * rng.normal(size=(len(kinds), 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _centres() -> np.ndarray:
    centres = np.random.default_rng(8).normal(size=(4, 64))
    return centres / np.linalg.norm(centres, axis=1, keepdims=True) * 0.6


def _cells(ids: Sequence[int], kinds: np.ndarray, seed: int) -> pa.RecordBatch:
    vectors = vectors_of(kinds, seed)
    vectors[:UNSEEN] = 0
    return _with(cells_batch(ids, vectors), {"comuna": comuna_of(np.array(ids, np.uint64))})


def _parcels(kinds: np.ndarray) -> pa.RecordBatch:
    shapes = np.concatenate([squares(PARCELS // 2, *place, size=0.001) for place in (TALCA, CURICO)])
    batch = parcels_batch(shapes, vectors_of(kinds, 9), [None] * PARCELS)
    middle = shapely.centroid(shapes)
    hectares = np.random.default_rng(3).uniform(0.5, 3.0, PARCELS)
    return _with(
        batch,
        {
            "comuna": comuna_at(shapely.get_x(middle), shapely.get_y(middle)),
            "metrics:area": pa.array((hectares * 1e4).astype(np.float32)),
        },
    )


def _with(batch: pa.RecordBatch, columns: Mapping[str, Any]) -> pa.RecordBatch:
    for name, values in columns.items():
        place = batch.schema.get_field_index(name)
        batch = batch.set_column(place, batch.schema.field(name), values)
    return batch


def _adapters() -> dict[str, dict[str, bytes]]:
    kinds = np.arange(160) % 4
    names = np.array(CROPS)[kinds]
    crops = CropTypeAdapter().fit(vectors_of(kinds, 10), names, groups=np.arange(160) // 16)
    others = CropTypeAdapter().fit(vectors_of(kinds[:40], 11, 0.25), names[:40])
    few = CropTypeAdapter().fit(vectors_of(kinds[:6], 12), names[:6])
    tonnes = 4 + 2 * kinds + np.random.default_rng(13).normal(size=160) * 0.3
    values = YieldAdapter(unit="t/ha").fit(vectors_of(kinds, 10), tonnes, groups=np.arange(160) // 16)
    legend = {"legend": legend_record(load_legend("ine"), CROPS)}
    made = {"crops": (crops, "crop-type", legend), "others": (others, "crop-type", {})}
    made |= {"few": (few, "crop-type", {}), "yields": (values, "yield", {})}
    return {
        name: save_adapter(adapter, name=name, model_id=MODEL, task=task, training=training)
        for name, (adapter, task, training) in made.items()
    }
