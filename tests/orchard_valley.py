"""A small real store for questions: two seasons of parcels and cells in two comunas, with an adapter."""

from __future__ import annotations

from pathlib import Path

import h3ronpy.vector
import numpy as np
import pyarrow as pa
import shapely
from store_builders import MODEL, cells_batch, parcels_batch, squares

from surco.adapters import CropTypeAdapter, save_adapter
from surco.embedstore import Season, Store, comuna_at, comuna_of

EARLIER, LATER = Season(2023), Season(2024)
CROPS = ("cherry", "maize", "vineyard", "wheat")
PLACES = {"Talca": (-71.64, -35.44), "Curicó": (-71.24, -34.98)}
PARCELS = 60
NEW_ORCHARDS = ("p1", "p5", "p9")
"""Maize in the earlier season, cherries in the later, all near Talca."""

_RNG = np.random.default_rng(11)
_CENTRES = _RNG.normal(size=(len(CROPS), 64))


def crop_of(parcel: int, season: Season) -> int:
    """Position in `CROPS` of what grows on a parcel."""
    return 0 if season == LATER and f"p{parcel}" in NEW_ORCHARDS else parcel % len(CROPS)


def outlines() -> np.ndarray:
    """Half of the parcels near each place, in rows of ten without gaps."""
    return np.concatenate([squares(PARCELS // 2, *place) for place in PLACES.values()])


def unit(vectors: np.ndarray) -> np.ndarray:
    """(N, D) float32 of length one."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def replaced(batch: pa.RecordBatch, columns: dict[str, pa.Array]) -> pa.RecordBatch:
    """The batch with other values in some columns."""
    for name, values in columns.items():
        place = batch.schema.get_field_index(name)
        batch = batch.set_column(place, batch.schema.field(name), values)
    return batch


def seen(rows: int, codes: np.ndarray) -> dict[str, pa.Array]:
    """What was seen of each row, and a curve of NDVI by its crop."""
    rng = np.random.default_rng(rows)
    months = np.arange(12)
    curves = 45 + 30 * np.cos((months - 8)[None, :] * np.pi / 6 - codes[:, None] * 0.9)
    return {
        "n_optical": pa.array(rng.integers(2, 40, rows).astype(np.uint16)),
        "valid_fraction": pa.array(rng.random(rows).astype(np.float32)),
        "ndvi": pa.array(curves.astype(np.int8).tolist(), pa.list_(pa.int8(), 12)),
    }


def valley_parcels(season: Season) -> tuple[pa.RecordBatch, np.ndarray]:
    """Parcels with vectors about the centre of their crop, and those vectors; every third has no crop name."""
    rng = np.random.default_rng(season.year)
    shapes = outlines()
    codes = np.array([crop_of(i, season) for i in range(PARCELS)])
    vectors = unit(_CENTRES[codes] + 0.5 * rng.normal(size=(PARCELS, 64)))
    names = [None if i % 3 == 0 else CROPS[code] for i, code in enumerate(codes)]
    batch = parcels_batch(shapes, vectors, names)
    centre = shapely.centroid(shapes)
    comuna = comuna_at(shapely.get_x(centre), shapely.get_y(centre))
    return replaced(batch, seen(PARCELS, codes) | {"comuna": comuna}), vectors


def valley_cells(vectors: np.ndarray, season: Season, resolution: int) -> pa.RecordBatch:
    """The cells whose centres lie in a parcel, each with its parcel's vector and some noise of its own."""
    shapes = outlines()
    held = h3ronpy.vector.wkb_to_cells(
        pa.array(shapely.to_wkb(shapes)),
        resolution,
        containment_mode=h3ronpy.ContainmentMode.ContainsCentroid,
    )
    lists = pa.array(held)
    parcel = np.repeat(np.arange(PARCELS), pa.compute.list_value_length(lists).to_numpy())
    cells, first = np.unique(lists.flatten().to_numpy(), return_index=True)
    parcel = parcel[first]
    rng = np.random.default_rng(resolution + season.year)
    batch = cells_batch(cells.tolist(), unit(vectors[parcel] + 0.05 * rng.normal(size=(len(cells), 64))))
    codes = np.array([crop_of(int(i), season) for i in parcel])
    return replaced(batch, seen(len(cells), codes) | {"comuna": comuna_of(cells)})


def orchard_valley(path: Path) -> Store:
    """A store with parcels and cells of resolutions 9 and 11 of two seasons, and the adapter `crops`."""
    store = Store.create(path)
    with store.transaction() as tx:
        for season in (EARLIER, LATER):
            parcels, vectors = valley_parcels(season)
            tx.put_parcels([parcels], model_id=MODEL, season=season)
            for resolution in (9, 11):
                cells = valley_cells(vectors, season, resolution)
                tx.put_cells([cells], model_id=MODEL, season=season, resolution=resolution)
        tx.put_model(MODEL, {"title": "a test"})
        _, vectors = valley_parcels(LATER)
        labels = [CROPS[crop_of(i, LATER)] for i in range(PARCELS)]
        adapter = CropTypeAdapter().fit(vectors, labels)
        card = save_adapter(adapter, name="crops", model_id=MODEL, task="crop-type", training={})
        tx.put_adapter("crops", card)
    return store
