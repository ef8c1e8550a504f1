"""From the state of the land to reflectance in the ten optical bands: ground, then grass, then the canopy over both."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.simulate import surfaces
from surco.encoder.simulate.climate import day_of_season
from surco.encoder.simulate.emulator import CanopyTerms, Emulator
from surco.encoder.simulate.growth import State
from surco.encoder.simulate.management import Parcels

__all__ = ["reflectance", "sun_azimuth", "sun_zenith"]

Floats = npt.NDArray[np.floating[Any]]
Dates = npt.NDArray[np.datetime64]

_FLOWER: Floats = np.array([0.0, 0.09, 0.08, 0.02, 0.08, 0.03, 0.02, 0.02, 0.0, 0.0], np.float32)


def sun_zenith(latitude: Floats, dates: Dates, hour: float = 10.6) -> Floats:
    """Sun zenith in degrees (N, T) at Sentinel-2's hour (local solar time) for latitudes (N,) and dates (N, T)."""
    declination, latitude = _declination(dates), np.radians(latitude)[:, None]
    angle = np.radians(15.0 * (hour - 12.0))
    cosine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def sun_azimuth(latitude: Floats, dates: Dates, zenith: Floats) -> Floats:
    """Morning sun azimuth in degrees clockwise from north, for latitudes (N,), dates and zeniths (N, T)."""
    latitude, zenith = np.radians(latitude)[:, None], np.radians(zenith)
    cosine = np.sin(_declination(dates)) - np.sin(latitude) * np.cos(zenith)
    cosine = cosine / np.maximum(np.cos(latitude) * np.sin(zenith), 1e-6)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _declination(dates: Dates) -> Floats:
    """Of the sun, in radians, by Cooper (1969, doi:10.1016/0038-092X(69)90047-4)."""
    return np.asarray(np.radians(23.45) * np.sin(2 * np.pi * (284 + 121 + day_of_season(dates)) / 365.0))


def reflectance(parcels: Parcels, state: State, sun: Floats, view: Floats, emulator: Emulator) -> Floats:
    """Surface reflectance (N, T, 10) of parcels in a state (N, T), under sun zenith and view angles (N, T)."""
    count, times = state.lai.shape
    t = {name: np.broadcast_to(v[:, None], (count, times)) for name, v in parcels.traits.items()}
    ground = _ground(parcels, state, t)
    floor = _grass(state, t, sun, view, emulator).over(ground.reshape(-1, 10)).reshape(count, times, 10)
    slant = np.minimum(np.tan(np.radians(sun)), 2.2)
    shade = 1.0 - np.minimum(0.55 * t["shade"] * t["cover"] * (1.0 - t["cover"]) * slant, 0.6)
    floor = (floor * shade[..., None]).astype(np.float32)
    crown = _crown(state, t, sun, view, emulator).over(floor.reshape(-1, 10)).reshape(count, times, 10)
    crown = crown * (1.0 - 0.16 * np.minimum(t["shade"], 1.2) * np.minimum(slant, 1.5))[..., None]
    out = surfaces.mix(floor, crown.astype(np.float32), t["cover"])
    out = out * parcels.bias[:, None, :] + _FLOWER * (state.bloom * t["cover"])[..., None]
    out = surfaces.mix(out, surfaces.SNOW, state.snow)
    return np.clip(out, 0.001, 1.2).astype(np.float32)


def _ground(parcels: Parcels, state: State, t: dict[str, Floats]) -> Floats:
    """Soil, wet or dry, with straw, roofs and water on it: (N, T, 10)."""
    dry = np.broadcast_to(parcels.soil[:, None, :], (*state.lai.shape, 10))
    soil = surfaces.wet_soil(dry, state.wetness.astype(np.float32))
    straw = surfaces.wet_soil(surfaces.STRAW, (0.6 * state.wetness).astype(np.float32))
    soil = surfaces.mix(soil, straw, state.straw)
    soil = surfaces.mix(soil, surfaces.ROOFS, state.roofs)
    clear = np.broadcast_to(surfaces.WATER, soil.shape)
    return surfaces.mix(soil, surfaces.mix(clear, surfaces.TURBID_WATER, t["turbid"]), state.water)


def _grass(state: State, t: dict[str, Floats], sun: Floats, view: Floats, emulator: Emulator) -> CanopyTerms:
    """Grass, weeds and meadows: soft leaves that dry to straw."""
    green = 1.0 - state.grass_brown
    meadow = t["cuts"] >= 1.0
    return _terms(
        emulator, layers=1.5 + 0.25 * state.grass_brown, chlorophyll=(38.0 + 8.0 * meadow) * green**1.2,
        brown=0.75 * state.grass_brown, water=0.003 + 0.011 * green, mass=0.0048 + 0 * green,
        lai=state.grass_lai * (1.0 - 0.97 * t["water"]) , angle=58.0 - 8.0 * meadow, sun=sun, view=view,
    )  # fmt: skip


def _crown(state: State, t: dict[str, Floats], sun: Floats, view: Floats, emulator: Emulator) -> CanopyTerms:
    """The main canopy: the class's leaves, losing chlorophyll and water as they brown."""
    green = 1.0 - state.brown
    return _terms(
        emulator, layers=t["leaf_layers"] + 0.3 * state.brown, chlorophyll=t["chlorophyll"] * green**1.3,
        brown=t["leaf_brown"] + 0.8 * state.brown, water=t["leaf_water"] * (0.15 + 0.85 * green),
        mass=t["leaf_mass"], lai=state.lai, angle=t["leaf_angle"], sun=sun, view=view,
    )  # fmt: skip


def _terms(
    emulator: Emulator, *, layers: Floats, chlorophyll: Floats, brown: Floats, water: Floats, mass: Floats,
    lai: Floats, angle: Floats, sun: Floats, view: Floats,
) -> CanopyTerms:  # fmt: skip
    """Emulator terms of (N, T) canopies, flattened."""
    carotenoid = 2.0 + 0.18 * chlorophyll
    hotspot = np.full_like(lai, 0.06)
    columns = (layers, chlorophyll, carotenoid, brown, water, mass, lai, angle, hotspot, sun, view)
    rows = np.stack([np.broadcast_to(c, lai.shape).ravel() for c in columns], axis=1)
    return emulator.terms(rows.astype(np.float32))
