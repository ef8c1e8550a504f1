"""Small stores for tests of tiles: cells anywhere on earth, and an adapter of classes that their vectors tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from store_builders import MODEL, SEASON, cells_batch, unit_vectors

from surco.adapters import CropTypeAdapter, save_adapter
from surco.embedstore import Season, Store

CLASSES = ("maize", "vineyard", "wheat")


def class_vectors(kinds: Sequence[int], seed: int = 0) -> np.ndarray:
    """(N, 64) vectors near the centre of each row's class; zeros where the kind is -1: nothing was observed."""
    codes = np.asarray(kinds)
    centres = unit_vectors(len(CLASSES), seed=99)
    vectors = centres[codes] + 0.05 * unit_vectors(len(codes), seed=seed)
    return np.where(codes[:, None] < 0, 0, vectors).astype(np.float32)


def class_adapter(classes: Sequence[str] = CLASSES, name: str = "crops") -> dict[str, bytes]:
    """Files of an adapter that knows the classes of `class_vectors`, under other names if wanted."""
    kinds = np.repeat(np.arange(len(CLASSES)), 8)
    fitted = CropTypeAdapter().fit(class_vectors(kinds, seed=5), np.array(classes)[kinds])
    return save_adapter(fitted, name=name, model_id=MODEL, task="crop-type", training={"sources": ["test"]})


def cell_store(
    path: Path,
    cells: Sequence[int],
    kinds: Sequence[int] | None = None,
    *,
    seasons: Sequence[Season] = (SEASON,),
) -> Store:
    """A store of cells of one resolution with the adapter `crops`; classes go round where none are given."""
    held = np.sort(np.array(cells, np.uint64))
    codes = np.arange(len(held)) % len(CLASSES) if kinds is None else np.asarray(kinds)
    resolution = int(held[0] >> np.uint64(52)) & 15
    store = Store.create(path)
    with store.transaction() as write:
        for season in seasons:
            batch = cells_batch(pa.array(held).to_pylist(), class_vectors(codes))
            write.put_cells([batch], model_id=MODEL, season=season, resolution=resolution)
        write.put_model(MODEL, {"title": "a test"})
        write.put_adapter("crops", class_adapter())
    return store
