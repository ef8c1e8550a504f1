"""Reflectance of what lies under plants: soils wet and dry, straw, water, snow and roofs.

Spectra are in the order of the ten optical channels: blue, green, red, nir, rededge1, rededge2, rededge3, nir08,
swir16, swir22. Their brightness was set by bare, stubble, town and water series of INE Chile's Maule samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ROOFS", "SNOW", "SOILS", "STRAW", "TURBID_WATER", "WATER", "mix", "wet_soil"]

Floats = npt.NDArray[np.floating[Any]]


def _spectrum(*per_mille: float) -> Floats:
    return np.array(per_mille, np.float32) / 1000.0


SOILS: Floats = np.stack(
    [
        _spectrum(80, 118, 168, 222, 182, 194, 206, 230, 315, 275),  # alluvial brown
        _spectrum(76, 120, 194, 254, 212, 224, 236, 264, 352, 305),  # granitic red
        _spectrum(48, 68, 96, 138, 105, 115, 124, 144, 210, 186),  # volcanic dark (trumao)
        _spectrum(140, 190, 250, 320, 268, 284, 300, 330, 420, 375),  # desert pale
    ]
)
"""(4, 10) dry soils: alluvial brown, granitic red, volcanic dark, desert pale."""

STRAW: Floats = _spectrum(84, 128, 182, 300, 215, 244, 272, 312, 385, 285)
WATER: Floats = _spectrum(42, 42, 30, 14, 24, 18, 17, 13, 8, 6)
TURBID_WATER: Floats = _spectrum(70, 90, 85, 45, 82, 55, 52, 40, 16, 12)
SNOW: Floats = _spectrum(860, 870, 860, 810, 850, 840, 830, 790, 130, 110)
ROOFS: Floats = _spectrum(150, 180, 212, 242, 219, 226, 233, 246, 315, 285)

# Saturated over dry reflectance: water darkens most where it absorbs.
# Lobell and Asner 2002, doi:10.2136/sssaj2002.7220.
_SATURATED: Floats = np.array([0.58, 0.57, 0.56, 0.56, 0.56, 0.56, 0.56, 0.55, 0.42, 0.35], np.float32)


def wet_soil(dry: Floats, wetness: Floats) -> Floats:
    """Reflectance (..., 10) of soil (..., 10) at a wetness (...) of 0 (dry) to 1 (saturated).

    The darkening is exponential in wetness, as measured by Lobell and Asner (2002).
    """
    fade = np.exp(-2.5 * wetness[..., None])
    out: Floats = (dry * (_SATURATED + (1.0 - _SATURATED) * fade)).astype(np.float32)
    return out


def mix(base: Floats, other: Floats, fraction: Floats) -> Floats:
    """`base` (..., 10) with a fraction (...) of its area replaced by `other` (10,) or (..., 10)."""
    share = fraction[..., None]
    out: Floats = (base * (1.0 - share) + other * share).astype(np.float32)
    return out
