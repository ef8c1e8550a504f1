"""Series of pixels as a tile of a valley has them: twelve months, all sensors, some of the optical clouded."""

from __future__ import annotations

import numpy as np

from surco.encoder.channels import CHANNELS, OPTICAL, describe

CLOUDED = 1 / 3


def pixel_series(
    count: int, clouded: float = CLOUDED
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `Encoder.encode` takes: values, valid, dates, lonlat, static of `count` pixels.

    Args:
        count: of pixels.
        clouded: share of the months in which a pixel has no optical value.
    """
    rng = np.random.default_rng(0)
    ranges = [(describe(name).low, describe(name).high) for name in CHANNELS]
    low, high = (np.array(side, np.float32) for side in zip(*ranges, strict=True))
    values = low + (high - low) * rng.uniform(0.02, 0.3, (count, 12, len(CHANNELS))).astype(np.float32)
    valid = np.ones(values.shape, bool)
    valid[..., list(OPTICAL)] = (rng.random((count, 12)) >= clouded)[..., None]
    dates = np.datetime64("2024-05-15") + np.arange(12) * 30
    lonlat = np.tile(np.array([[-71.5, -35.4]], np.float32), (count, 1))
    static = np.tile(np.array([[120.0, 2.0]], np.float32), (count, 1))
    return np.where(valid, values, 0), valid, dates.astype("datetime64[D]"), lonlat, static
