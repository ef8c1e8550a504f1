"""Clouds of one pass over an area, with their shadows and haze, and the scene classification that comes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.channels import INDEX
from surco.encoder.simulate.fields import power_law_field, smooth_field

__all__ = ["CLOUD", "Sky", "classify", "draw_sky"]

Floats = npt.NDArray[np.floating[Any]]
Codes = npt.NDArray[np.uint8]

CLOUD: Floats = np.array([0.56, 0.54, 0.54, 0.58, 0.55, 0.56, 0.57, 0.58, 0.42, 0.31], np.float32)
"""Reflectance of thick cloud in the ten optical bands."""

_SHADOW, _VEGETATION, _BARE, _WATER, _CLOUD_MEDIUM, _CLOUD_HIGH, _SNOW = 3, 4, 5, 6, 8, 9, 11


@dataclass(frozen=True, slots=True)
class Sky:
    """Between ground and sensor, (H, W): `opacity` 0..1 of cloud and haze, `shadow` 0..1 share of direct light lost."""

    opacity: Floats
    shadow: Floats

    def over(self, ground: Floats) -> Floats:
        """Reflectance (10, H, W) as seen through the sky; shade is deepest where the blue sky lights least."""
        depth = np.linspace(0.62, 0.8, 10, dtype=np.float32)[[0, 1, 2, 6, 3, 4, 5, 7, 8, 9]]
        lit = ground * (1.0 - depth[:, None, None] * self.shadow)
        return np.asarray(lit * (1.0 - self.opacity) + CLOUD[:, None, None] * self.opacity, np.float32)


def draw_sky(
    shape: tuple[int, int],
    cover: float,
    sun_zenith: float,
    sun_azimuth: float,
    pixel: float,
    rng: np.random.Generator,
) -> Sky:
    """A sky with about `cover` (0..1) of the ground under cloud.

    Args:
        shape: rows and columns.
        cover: share of cloud; 0 leaves haze alone.
        sun_zenith: degrees.
        sun_azimuth: degrees clockwise from north.
        pixel: metres.
        rng: random numbers.
    """
    big = tuple(int(2 ** np.ceil(np.log2(n + 128))) for n in shape)
    height = rng.uniform(700, 2200)
    field = power_law_field((big[0], big[1]), 1.55, rng)
    haze = rng.gamma(1.2, 0.008) * (1.0 + 0.5 * smooth_field((big[0], big[1]), 60.0, rng))
    window = np.s_[: shape[0], : shape[1]]
    if cover <= 0.0:
        clear = np.clip(haze, 0, 0.15)[window].astype(np.float32)
        return Sky(clear, np.zeros(shape, np.float32))
    threshold = float(np.quantile(field, 1.0 - min(cover, 0.999)))
    cloud = _smoothstep((field - threshold + 0.12) / 0.45)
    length = height * np.tan(np.radians(min(sun_zenith, 75.0))) / pixel
    down = round(length * np.cos(np.radians(sun_azimuth)))
    left = round(-length * np.sin(np.radians(sun_azimuth)))
    shadow = np.roll(cloud, (down, left), axis=(0, 1))
    opacity = np.clip(haze * (1 - cloud) + cloud, 0.0, 1.0)[window]
    return Sky(opacity.astype(np.float32), shadow[window].astype(np.float32))


def _smoothstep(x: Floats) -> Floats:
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


def classify(seen: Floats, sky: Sky) -> Codes:
    """Scene classification (H, W) with Sen2Cor's codes, as imperfect as the real one at the edges of clouds.

    `seen` is reflectance (10, H, W) as in `channels.OPTICAL`; thin cloud is taken for ground.
    """
    green, red, nir, swir = (seen[INDEX[c]] for c in ("green", "red", "nir", "swir16"))
    ndvi = (nir - red) / np.maximum(nir + red, 1e-4)
    out = np.where(ndvi > 0.35, _VEGETATION, _BARE)
    out[(green > nir) & (nir < 0.12)] = _WATER
    out[(green > 0.4) & (swir < 0.2)] = _SNOW
    out[sky.shadow > 0.4] = _SHADOW
    out[sky.opacity > 0.3] = _CLOUD_MEDIUM
    out[sky.opacity > 0.75] = _CLOUD_HIGH
    return out.astype(np.uint8)
