"""Small real tables for tests of the store, with sane defaults; not a fixture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h3ronpy
import h3ronpy.vector
import numpy as np
import pyarrow as pa
import shapely

from surco.embedstore import (
    Season,
    Store,
    cells_schema,
    fixed_size_column,
    parcels_schema,
    quantize,
)

MODEL = "surco-test-1"
SEASON = Season(2024)
LON, LAT = -71.55, -35.42


def unit_vectors(n: int, dimension: int = 64, seed: int = 0) -> np.ndarray:
    """(N, D) random unit vectors."""
    vectors = np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cell_ids(n: int, resolution: int = 9, lon: float = LON, lat: float = LAT) -> list[int]:
    """The n cells nearest to a place, in the order of H3's rings."""
    start = h3ronpy.vector.coordinates_to_cells(pa.array([lat]), pa.array([lon]), resolution)
    rings = int(np.ceil(np.sqrt(n / 3))) + 1
    return pa.array(h3ronpy.grid_disk(start, rings, flatten=True)).to_pylist()[:n]


def embedding_columns(vectors: np.ndarray) -> dict[str, pa.Array]:
    """The columns that cells and parcels share."""
    n = len(vectors)
    embedding, scale = quantize(vectors)
    spread, spread_scale = quantize(np.abs(vectors) / 10)
    return {
        "embedding": fixed_size_column(embedding),
        "embedding_scale": pa.array(scale),
        "spread": fixed_size_column(spread),
        "spread_scale": pa.array(spread_scale),
        "ndvi": pa.array([[10, 20, None, *range(9)]] * n, pa.list_(pa.int8(), 12)),
        "n_pixels": pa.array([100] * n, pa.uint32()),
        "valid_fraction": pa.array([0.5] * n, pa.float32()),
        "n_optical": pa.array([20] * n, pa.uint16()),
        "n_radar": pa.array([30] * n, pa.uint16()),
        "comuna": pa.nulls(n, pa.uint16()),
    }


def cells_batch(cells: Sequence[int], vectors: np.ndarray) -> pa.RecordBatch:
    """Rows of `cells`."""
    h3 = pa.array(cells, pa.uint64())
    geometry = pa.array(h3ronpy.vector.cells_to_wkb_points(h3)).cast(pa.binary())
    columns = {"h3": h3, "geometry": geometry} | embedding_columns(vectors)
    return pa.record_batch(columns, schema=cells_schema(vectors.shape[1]))


def squares(n: int, lon: float = LON, lat: float = LAT, size: float = 0.002) -> np.ndarray:
    """Square parcels in rows of ten, without gaps."""
    step = np.arange(n)
    west, south = lon + step % 10 * size, lat + step // 10 * size
    return shapely.box(west, south, west + size, south + size)


def parcels_batch(shapes: np.ndarray, vectors: np.ndarray, crops: Sequence[str | None]) -> pa.RecordBatch:
    """Rows of `parcels`, with ids p0, p1, and so on."""
    n = len(shapes)
    sides = [pa.array(side.astype(np.float32)) for side in shapely.bounds(shapes).T]
    schema = parcels_schema(vectors.shape[1])
    columns = {
        "id": pa.array([f"p{i}" for i in range(n)]),
        "geometry": pa.array(shapely.to_wkb(shapes), pa.binary()),
        "bbox": pa.StructArray.from_arrays(sides, fields=list(schema.field("bbox").type)),
        "metrics:area": pa.array([40_000.0] * n, pa.float32()),
        "metrics:perimeter": pa.array([800.0] * n, pa.float32()),
        "crop:name": pa.array(crops, pa.string()),
    } | embedding_columns(vectors)
    return pa.record_batch(columns, schema=schema)


def small_store(path: Path, n: int = 200, *, season: Season = SEASON, model_id: str = MODEL) -> Store:
    """A store with n cells of resolution 9, ten times as many of 10 left out, and 40 parcels."""
    store = Store.create(path)
    crops = ["maize", "vineyard", None, "cherry"] * 10
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(cell_ids(n), unit_vectors(n))], model_id=model_id, season=season, resolution=9
        )
        tx.put_parcels(
            [parcels_batch(squares(40), unit_vectors(40, seed=1), crops)], model_id=model_id, season=season
        )
        tx.put_model(model_id, {"title": "a test"})
    return store
