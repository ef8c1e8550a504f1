"""Canopy reflectance from the fitted stand-in for PROSAIL (`scripts/fit_prosail_emulator.py`), with numpy alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load

__all__ = ["INPUTS", "CanopyTerms", "Emulator", "load_emulator"]

Floats = npt.NDArray[np.floating[Any]]

INPUTS = ("N", "Cab", "Car", "Cbrown", "Cw", "Cm", "LAI", "ALA", "hotspot", "sun_zenith", "view")
"""Columns of the emulator's input: leaf layers; ug/cm2 chlorophyll and carotenoids; brown pigment; cm water; g/cm2 dry
matter; m2/m2; mean leaf angle in degrees; hotspot size; sun zenith and view angle towards the sun in degrees."""


@dataclass(frozen=True, slots=True)
class CanopyTerms:
    """What a canopy does to light, apart from what lies under it: `c`, `t`, `b` (M, 10) and `h` (M, 1)."""

    c: Floats
    t: Floats
    b: Floats
    h: Floats

    def over(self, background: Floats) -> Floats:
        """Reflectance (M, 10) over a background of reflectance (M, 10).

        R = c + h s + t s / (1 - b s), from 4SAIL (Verhoef et al. 2007, doi:10.1109/TGRS.2007.895844).
        """
        return self.c + self.h * background + self.t * background / (1.0 - self.b * background)


@dataclass(frozen=True, slots=True)
class Emulator:
    """Three dense layers with softsign; inputs outside the fitted ranges are clipped to them."""

    weights: dict[str, Floats]
    low: Floats
    high: Floats
    logarithmic: npt.NDArray[np.bool_]

    def terms(self, inputs: Floats) -> CanopyTerms:
        """Terms of M canopies from (M, 11) columns in the order of `INPUTS`."""
        clipped = np.clip(inputs, self.low, self.high)
        lai = clipped[:, INPUTS.index("LAI"), None]
        x = self._features(clipped, lai)
        for layer in ("layers.0", "layers.1"):
            x = x @ self.weights[f"{layer}.weight"].T + self.weights[f"{layer}.bias"]
            x /= 1.0 + np.abs(x)
        z = x @ self.weights["layers.2.weight"].T + self.weights["layers.2.bias"]
        cover = 1.0 - np.exp(-lai)
        through = np.exp(-lai * np.logaddexp(np.float32(0), z[:, 10:20]))
        ones = 1.0 / (1.0 + np.exp(-z))
        return CanopyTerms(
            c=cover * ones[:, :10], t=through, b=cover * ones[:, 20:30], h=0.25 * cover * ones[:, 30:]
        )

    def _features(self, clipped: Floats, lai: Floats) -> Floats:
        """(M, 13) in -1..1: logarithms where the range is wide, and three views of LAI."""
        column = INPUTS.index("LAI")
        x, low, high = clipped.copy(), self.low.copy(), self.high.copy()
        log = self.logarithmic
        x[:, log], low[log], high[log] = np.log(x[:, log]), np.log(low[log]), np.log(high[log])
        x[:, column], low[column], high[column] = np.sqrt(lai[:, 0]), 0.0, np.sqrt(high[column])
        x = 2.0 * (x - low) / (high - low) - 1.0
        return np.concatenate([x, 2 * np.exp(-0.5 * lai) - 1, 2 * np.exp(-1.5 * lai) - 1], axis=1)


@lru_cache(maxsize=1)
def load_emulator() -> Emulator:
    """The emulator that ships with the package."""
    folder = files(__package__)
    card = json.loads(folder.joinpath("prosail_emulator.json").read_text(encoding="utf-8"))
    weights = load(folder.joinpath("prosail_emulator.safetensors").read_bytes())
    ranges = np.array([card["ranges"][name] for name in INPUTS], np.float32)
    logarithmic = np.array([name in card["logarithmic"] for name in INPUTS])
    return Emulator(
        {k: v.astype(np.float32) for k, v in weights.items()}, ranges[:, 0], ranges[:, 1], logarithmic
    )
