"""A real store whose parcels' true crops are known: a map that errs, an adapter, and samples to fill in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely
from store_builders import MODEL, cell_ids, cells_batch, parcels_batch, squares

from surco.adapters import CropTypeAdapter, save_adapter
from surco.embedstore import Season, Store, comuna_at

CROPS = ("cherry", "maize", "vineyard", "wheat")
PARCELS = 800
CELLS = 300
SEASON = Season(2024)
PLACES = {"Talca": (-71.64, -35.44), "Curicó": (-71.24, -34.98)}
_LABELLED = 60


def truth() -> np.ndarray:
    """Position in `CROPS` of what grows on each parcel; wheat is common and cherries are rare."""
    return np.random.default_rng(1).choice(4, PARCELS, p=[0.08, 0.22, 0.3, 0.4])


def outlines() -> np.ndarray:
    """Half of the parcels near each place, in rows of ten without gaps."""
    return np.concatenate([squares(PARCELS // 2, *place, size=0.001) for place in PLACES.values()])


def area_valley(path: Path, *, unseen: int = 0) -> Store:
    """A store of parcels and cells of one season with the adapter `crops`, fitted on the first 60 parcels.

    Args:
        path: of the store.
        unseen: parcels, from the end, that were never observed.
    """
    rng = np.random.default_rng(2)
    crops = truth()
    vectors = _unit(rng.normal(size=(4, 64))[crops] + 2.2 * rng.normal(size=(PARCELS, 64)))
    adapter = CropTypeAdapter().fit(vectors[:_LABELLED], [CROPS[code] for code in crops[:_LABELLED]])
    if unseen:
        vectors[-unseen:] = 0
    training = {
        "unit": "parcels",
        "season": SEASON.name,
        "labels": "labels.geojson",
        "ids": [f"p{i}" for i in range(_LABELLED)],
    }
    store = Store.create(path)
    with store.transaction() as tx:
        tx.put_parcels([_parcels(vectors)], model_id=MODEL, season=SEASON)
        tx.put_cells([_cells(vectors)], model_id=MODEL, season=SEASON, resolution=9)
        tx.put_model(MODEL, {"title": "a test"})
        files = save_adapter(adapter, name="crops", model_id=MODEL, task="crop-type", training=training)
        tx.put_adapter("crops", files)
    return store


def fill_in(sample: Path, out: Path, **changes: object) -> Path:
    """The sample with the true crop in every `class`; properties of the first feature may be changed."""
    content = json.loads(sample.read_text(encoding="utf-8"))
    crops = truth()
    for feature in content["features"]:
        feature["properties"]["class"] = CROPS[crops[int(feature["id"][1:])]]
    content["features"][0]["properties"].update(changes)
    out.write_text(json.dumps(content), encoding="utf-8")
    return out


def _parcels(vectors: np.ndarray) -> pa.RecordBatch:
    shapes = outlines()
    batch = parcels_batch(shapes, vectors, [None] * PARCELS)
    centre = shapely.centroid(shapes)
    comuna = comuna_at(shapely.get_x(centre), shapely.get_y(centre))
    hectares = np.random.default_rng(3).uniform(0.5, 3.0, PARCELS)
    for name, values in (("comuna", comuna), ("metrics:area", pa.array((hectares * 1e4).astype(np.float32)))):
        place = batch.schema.get_field_index(name)
        batch = batch.set_column(place, batch.schema.field(name), values)
    return batch


def _cells(vectors: np.ndarray) -> pa.RecordBatch:
    return cells_batch(cell_ids(CELLS), vectors[:CELLS])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
