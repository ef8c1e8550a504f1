"""Patchworks of fields as pixel vectors, made without an encoder: rectangles of known size between bare lanes."""

from __future__ import annotations

import numpy as np
from affine import Affine
from scipy import ndimage

from surco.adapters.boundaries import PixelVectors

__all__ = ["patchwork"]


def patchwork(
    rows: int = 4,
    columns: int = 4,
    side: int = 16,
    *,
    dimension: int = 64,
    lane: int = 2,
    noise: float = 0.02,
    seed: int = 0,
    model_id: str = "patches-1",
) -> tuple[PixelVectors, np.ndarray]:
    """Vectors of rows x columns square fields of `side` pixels with lanes between, and the number of each field."""
    rng = np.random.default_rng(seed)
    pitch = side + lane
    fields = np.zeros((rows * pitch + lane, columns * pitch + lane), np.int32)
    for i in range(rows * columns):
        top, left = lane + i // columns * pitch, lane + i % columns * pitch
        fields[top : top + side, left : left + side] = i + 1
    kinds = rng.normal(size=(rows * columns + 1, dimension))
    vectors = kinds[fields] / np.linalg.norm(kinds, axis=1).mean()
    vectors = ndimage.gaussian_filter(vectors, (0.5, 0.5, 0)) + rng.normal(size=vectors.shape) * noise
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    transform = Affine(10.0, 0.0, 300_000.0, 0.0, -10.0, 6_080_000.0)
    valid = np.ones(fields.shape, np.bool_)
    return PixelVectors(vectors.astype(np.float32), valid, transform, "EPSG:32719", model_id), fields
