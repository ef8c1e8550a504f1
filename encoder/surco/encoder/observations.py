"""What one scene shows of the land in a window: reflectances where it is clear, radar power where there is any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from rasterio.enums import Resampling
from scipy.ndimage import binary_dilation

from surco.encoder.assets import Band
from surco.encoder.channels import CHANNELS, OPTICAL, RADAR, describe
from surco.encoder.grid import Window
from surco.encoder.protocol import Bools, Floats
from surco.encoder.rasters import read_band
from surco.encoder.reader import Reader
from surco.encoder.scenes import Scene

__all__ = ["read_optical", "read_radar"]

UNUSABLE = (0, 1, 3, 8, 9, 10)
"""Scene classes that say nothing of the land: no data, defective, cloud shadow, cloud (medium, high), thin cirrus.

Dark areas (2) stay: in the Andes they are mostly terrain shadow, which comes back every winter day, and the median
drops the odd cloud shadow. Snow (11) stays: it is what the land looks like then.
"""

CLOUDY = (3, 8, 9, 10)
CLOUD_MARGIN = 2
"""Pixels by which clouds and their shadows are widened: 20 m, one pixel of the classification."""

_OPTICAL_NAMES = tuple(CHANNELS[i] for i in OPTICAL)
_RADAR_NAMES = tuple(CHANNELS[i] for i in RADAR)
_MAX_REFLECTANCE = describe("red").high


def read_optical(scene: Scene, window: Window, reader: Reader) -> Floats | None:
    """Reflectance of a Sentinel-2 scene (10, H, W), NaN where it is not clear; None where nothing is.

    The classification comes first: of a scene that shows nothing of the land no band is asked for.
    """
    clear = _clear(scene, window, reader)
    if not clear.any():
        return None
    out = np.full((len(OPTICAL), window.height, window.width), np.nan, np.float32)
    dark = np.ones(clear.shape, np.bool_)
    for place, band, numbers in _bands(scene, _OPTICAL_NAMES, window, reader):
        dark &= ~(numbers > 0)
        out[place] = _reflectance(numbers, band.scale, band.offset)
    out[:, ~clear | dark] = np.nan
    return out if np.isfinite(out).any() else None


def _bands(
    scene: Scene, names: Sequence[str], window: Window, reader: Reader
) -> Iterator[tuple[int, Band, Floats]]:
    """Those of a scene's bands that it has, read together: place among the names, band, numbers (H, W)."""
    places = [place for place, name in enumerate(names) if name in scene.bands]
    bands = [scene.bands[names[place]] for place in places]
    tasks = [
        partial(read_band, band, window, scene.id, names[place], reader=reader)
        for place, band in zip(places, bands, strict=True)
    ]
    return zip(places, bands, reader.together(tasks), strict=True)


def _reflectance(numbers: Floats, scale: float, offset: float) -> Floats:
    """Scaled; slightly negative ones, noise over water and shade, are 0; above the plausible range is a defect."""
    values = numbers * np.float32(scale) + np.float32(offset)
    np.maximum(values, 0.0, out=values)
    values[values > _MAX_REFLECTANCE] = np.nan
    return values


def _clear(scene: Scene, window: Window, reader: Reader) -> Bools:
    """Where a Sentinel-2 scene shows the land; clouds reach in from outside the window as well."""
    wide = window.padded(CLOUD_MARGIN)
    classes = read_band(scene.bands["scl"], wide, scene.id, "scl", Resampling.nearest, reader)
    known = np.nan_to_num(classes, nan=0.0).astype(np.uint8)
    reach = np.ones((2 * CLOUD_MARGIN + 1,) * 2, np.bool_)
    unusable: Bools = np.isin(known, UNUSABLE) | binary_dilation(np.isin(known, CLOUDY), reach)
    inner = slice(CLOUD_MARGIN, -CLOUD_MARGIN)
    return ~unusable[inner, inner]


def read_radar(scene: Scene, window: Window, reader: Reader) -> Floats | None:
    """Linear power of a Sentinel-1 scene (2, H, W), NaN where there is none; None where there is none at all."""
    out = np.full((len(RADAR), window.height, window.width), np.nan, np.float32)
    for place, band, numbers in _bands(scene, _RADAR_NAMES, window, reader):
        power = numbers * np.float32(band.scale) + np.float32(band.offset)
        power = np.float32(10.0) ** (power / 10) if band.decibel else power
        out[place] = np.where(power > 0, power, np.nan)
    return out if np.isfinite(out).any() else None
