"""Sentinel-1 backscatter of the land by the water-cloud model (Attema and Ulaby 1978, doi:10.1029/RS013i002p00357)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.simulate.crops import CROPS
from surco.encoder.simulate.growth import State
from surco.encoder.simulate.management import Parcels

__all__ = ["backscatter"]

Floats = npt.NDArray[np.floating[Any]]

# Scattering of a dense canopy in VV and VH (linear power) and attenuation per unit of leaf area, by kin of class.
# Upright stems of cereals attenuate VV and hardly scatter; broad leaves and pods scatter into VH.
_CANOPY: Mapping[str, tuple[float, float, float]] = {
    "cereal": (0.035, 0.011, 0.17),
    "broadleaf": (0.13, 0.045, 0.14),
    "summer": (0.11, 0.026, 0.12),
}
_OTHER = (0.10, 0.023, 0.10)
_WOOD = (0.082, 0.022)  # of a closed forest
_ROOFS = (0.28, 0.045)  # double bounce between street and wall


def backscatter(parcels: Parcels, state: State, angle: Floats, wind: Floats) -> Floats:
    """VV and VH (N, T, 2) in linear power, without speckle.

    Args:
        parcels: N parcels.
        state: their state, (N, T).
        angle: incidence in degrees, broadcast to (N, T).
        wind: dB that waves add to open water, broadcast to (N, T).
    """
    t = {name: v[:, None] for name, v in parcels.traits.items()}
    cosine = np.cos(np.radians(angle))
    moist = 1.0 - 0.6 * state.brown
    leaves = t["cover"] * state.lai * moist + 0.6 * state.grass_lai * (1.0 - 0.6 * state.grass_brown)
    a_vv, a_vh, b = (column[:, None] for column in _canopy_of(parcels))
    stems = np.minimum(state.lai, 2.0) ** 2 * np.exp(-state.lai / 2.5)
    out = []
    for channel, scatter in enumerate((a_vv, a_vh)):
        cloud = np.exp(-2.0 * b * (leaves + 4.0 * t["wood"] * t["cover"]) / cosine)
        ground = _ground(state, t["rough"], wind, channel)
        bounce = state.flood * stems * (0.03, 0.004)[channel]
        wood = t["wood"] * t["cover"] * _WOOD[channel] * 0.75
        built = state.roofs * _ROOFS[channel]
        out.append(scatter * cosine * (1.0 - cloud) + cloud * (ground + bounce) + wood + built)
    return np.stack(out, axis=-1)


def _canopy_of(parcels: Parcels) -> tuple[Floats, Floats, Floats]:
    """Scattering and attenuation (N,) of each parcel's class."""
    table = {name: _CANOPY.get(crop.kin, _OTHER) for name, crop in CROPS.items()}
    rows = np.array([table[name] for name in parcels.crop]).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2]


def _ground(state: State, rough: Floats, wind: Floats, channel: int) -> Floats:
    """Soil by its moisture and roughness, and water, in linear power (N, T)."""
    moisture = 0.06 + 0.26 * state.wetness
    offset, slope, water = ((-16.0, 22.0, -20.5), (-22.6, 16.0, -27.5))[channel]
    soil = 10.0 ** ((offset + slope * moisture + rough) / 10.0)
    share = np.clip(state.water + 0.5 * state.snow, 0.0, 1.0)
    smooth = np.broadcast_to(10.0 ** ((water + wind) / 10.0), soil.shape)
    return np.asarray((1.0 - share) * soil + share * smooth)
