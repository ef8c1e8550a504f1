"""Elevation and slope of a window, where the catalogue has an elevation model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surco.encoder.grid import PIXEL_M, Window
from surco.encoder.protocol import Floats
from surco.encoder.rasters import read_band
from surco.encoder.reader import Reader
from surco.encoder.scenes import Scene

__all__ = ["read_terrain"]

_REACH = 2
"""Pixels on each side over which slope is taken: 40 m, about one pixel of a 30 m elevation model."""


def read_terrain(scenes: Sequence[Scene], window: Window, reader: Reader | None = None) -> Floats:
    """Read elevation and derive slope.

    Args:
        scenes: of elevation models; of several the first by id that has data wins.
        window: of the grid.
        reader: who reads; that of the process where None is given.

    Returns:
        (2, H, W) float32: elevation in m, slope in degrees from central differences; NaN where unknown.
    """
    wide = window.padded(_REACH)
    height = np.full((wide.height, wide.width), np.nan, np.float32)
    for scene in sorted(scenes, key=lambda one: one.id):
        band = scene.bands["elevation"]
        numbers = read_band(band, wide, scene.id, "elevation", reader=reader)
        metres = numbers * np.float32(band.scale) + np.float32(band.offset)
        height = np.where(np.isfinite(height), height, metres)
    inner = slice(_REACH, -_REACH)
    span = 2 * _REACH * PIXEL_M
    east = (height[inner, 2 * _REACH :] - height[inner, : -2 * _REACH]) / span
    north = (height[: -2 * _REACH, inner] - height[2 * _REACH :, inner]) / span
    slope = np.degrees(np.arctan(np.hypot(east, north)))
    return np.stack([height[inner, inner], slope]).astype(np.float32)
