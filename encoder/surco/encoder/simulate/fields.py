"""Smooth random fields: within-field variation, hills, haze and clouds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["power_law_field", "smooth_field"]

Floats = npt.NDArray[np.floating[Any]]


def smooth_field(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> Floats:
    """A periodic Gaussian field of mean 0 and variance 1, smooth over `scale` pixels."""
    return _filtered(shape, lambda f: np.exp(-0.5 * (2 * np.pi * f * scale / 2.0) ** 2), rng)


def power_law_field(shape: tuple[int, int], slope: float, rng: np.random.Generator) -> Floats:
    """A periodic Gaussian field of mean 0 and variance 1 whose amplitude falls as frequency to the power of -slope."""
    return _filtered(shape, lambda f: np.maximum(f, 1.0 / max(shape)) ** -slope, rng)


def _filtered(shape: tuple[int, int], gain: Any, rng: np.random.Generator) -> Floats:
    noise = np.fft.rfft2(rng.standard_normal(shape))
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :])
    spectrum = noise * gain(frequency)
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, shape)
    return np.asarray(field / max(float(field.std()), 1e-12), np.float32)
