"""What the satellites make of the land: clear looks, composites, haze, shade, noise and speckle."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.simulate.climate import Weather, at_dates

__all__ = ["clear_looks", "cloud_probability", "disturb_optical", "speckle"]

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Dates = npt.NDArray[np.datetime64]

_HAZE: Floats = np.array([0.46, 0.44, 0.44, 0.50, 0.46, 0.47, 0.49, 0.50, 0.34, 0.24], np.float32)
_AEROSOL: Floats = np.array(
    [0.009, 0.006, 0.0045, 0.003, 0.004, 0.003, 0.003, 0.003, 0.002, 0.002], np.float32
)


def cloud_probability(rain: Floats) -> Floats:
    """Chance that one pass sees cloud, from the month's rain in mm."""
    return 0.12 + 0.6 * rain / (rain + 70.0)


def clear_looks(
    weather: Weather, zone: Ints, dates: Dates, passes: Floats, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Clear passes (N, T) among `passes` (N, 1): cloudy spells last, so the chance varies from month to month."""
    cloudy = cloud_probability(at_dates(weather.rain, zone, dates))
    spell = np.clip(rng.beta(3.5 * cloudy, 3.5 * (1.0 - cloudy)), 0.0, 1.0)
    return rng.binomial(np.broadcast_to(np.maximum(passes, 1).astype(np.int64), spell.shape), 1.0 - spell)


def disturb_optical(clean: Floats, looks: Ints, rng: np.random.Generator) -> Floats:
    """Adds to reflectance (N, T, 10): undetected haze and shadow, aerosol error, illumination and pixel noise.

    A composite of more looks (N, T) is the cleaner one.
    """
    shape = clean.shape[:2]
    fewer = 1.0 / np.sqrt(np.maximum(looks, 1))
    haze = (rng.random(shape) < 0.09 * fewer) * rng.uniform(0.02, 0.3, shape)
    shadow = 1.0 - (rng.random(shape) < 0.05 * fewer) * rng.uniform(0.1, 0.4, shape)
    light = np.exp(rng.normal(0, 0.02, shape) * fewer) * shadow
    out = clean * light[..., None] * (1.0 - haze[..., None]) + haze[..., None] * _HAZE
    aerosol = rng.standard_normal(shape) * fewer
    noise = rng.standard_normal(clean.shape, dtype=np.float32) * np.float32(0.003)
    out = out + aerosol[..., None] * _AEROSOL + noise * (0.4 + fewer[..., None])
    return np.clip(out, 0.0001, 1.3).astype(np.float32)


def speckle(power: Floats, looks: Floats, rng: np.random.Generator) -> Floats:
    """Linear power (N, T, 2) with gamma speckle of the given equivalent number of looks, broadcast to (N, T)."""
    shape = np.broadcast_to(looks[..., None], power.shape)
    out: Floats = power * rng.gamma(shape, 1.0 / shape)
    return out
