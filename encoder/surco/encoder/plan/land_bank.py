"""What can grow in one part of a synthetic Chile in one year: some farmed and some wild parcels, month by month."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.embedstore import Season
from surco.encoder.simulate.backscatter import backscatter
from surco.encoder.simulate.climate import CLIMATES, Climate, at_dates, draw_weather
from surco.encoder.simulate.crops import CROPS
from surco.encoder.simulate.emulator import load_emulator
from surco.encoder.simulate.growth import grow
from surco.encoder.simulate.management import Parcels, draw_parcels
from surco.encoder.simulate.observing import cloud_probability
from surco.encoder.simulate.reflect import reflectance, sun_zenith

__all__ = ["KINDS", "LandBank", "land_bank"]

KINDS = 64
"""Farmed parcels of a bank, and as many wild ones."""

Floats = npt.NDArray[np.float32]

_NORTH_ENDS, _SOUTH_BEGINS = -32.2, -36.9
_NOT_FIELDS = ("forest", "shrub", "bare", "wetland", "water", "snow", "town")
_DEGREE_C = 0.4  # by which each degree of latitude beyond a climate's own is warmer or colder
_DRIER = 0.6  # what a degree north of the northern climate leaves of the rain
_WILD: tuple[tuple[float, dict[str, float]], ...] = (
    (-27.0, {"bare": 0.93, "matorral": 0.05, "snow": 0.02}),
    (_NORTH_ENDS, {"bare": 0.6, "matorral": 0.35, "snow": 0.05}),
    (_SOUTH_BEGINS, {"matorral": 0.45, "pine": 0.2, "native_evergreen_forest": 0.15, "bare": 0.1, "snow": 0.1}),
    (-43.5, {"native_deciduous_forest": 0.35, "native_evergreen_forest": 0.3, "eucalyptus": 0.1,
             "pine": 0.1, "matorral": 0.05, "snow": 0.05, "water": 0.05}),
    (-91.0, {"native_deciduous_forest": 0.3, "native_evergreen_forest": 0.2, "wetland": 0.15, "bare": 0.15,
             "snow": 0.12, "water": 0.08}),
)  # fmt: skip
"""What wild land is, by the latitude down to which it is so."""


@dataclass(frozen=True, slots=True, eq=False)
class LandBank:
    """2 x `KINDS` parcels, farmed ones first, in the middle of each of twelve months.

    Attributes:
        optical: (2 K, 12, 10) reflectance without noise.
        radar: (2 K, 12, 2) backscatter in dB without speckle.
        static: (2 K, 2) elevation in m and slope in degrees.
        cloudy: (12,) chance that a pass sees cloud.
        farmed: share of the land that is farmed, 0 to 1.
    """

    optical: Floats
    radar: Floats
    static: Floats
    cloudy: Floats
    farmed: float


@lru_cache(maxsize=512)
def land_bank(seed: int, latitude: float, part: tuple[int, ...], year: int, start_month: int) -> LandBank:
    """The bank of one part of the country.

    Args:
        seed: of the synthetic country.
        latitude: of the part, degrees.
        part: numbers that name it; they and the seed decide what is grown, with the year the weather.
        year: of the season's first day.
        start_month: of the season.
    """
    climate = _climate(latitude)
    rng = np.random.default_rng([seed, *part])
    parcels = _parcels(climate, latitude, rng)
    weather = draw_weather([climate], np.random.default_rng([seed, *part, year]))
    middles = [first + (last - first) / 2 for first, last in Season(year, start_month).months()]
    dates = np.broadcast_to(np.array(middles, "datetime64[D]"), (len(parcels), 12))
    state = grow(parcels, weather, dates)
    optical = reflectance(
        parcels, state, sun_zenith(parcels.latitude, dates), np.zeros(dates.shape), load_emulator()
    )
    power = backscatter(parcels, state, np.array([[38.0]]), np.zeros((1, 1)))
    return LandBank(
        optical,
        (10.0 * np.log10(power)).astype(np.float32),
        np.stack([parcels.elevation, parcels.traits["slope"]], axis=1).astype(np.float32),
        cloud_probability(at_dates(weather.rain, np.zeros(1, np.int64), dates[:1]))[0].astype(np.float32),
        _farmed(latitude),
    )


def _climate(latitude: float) -> Climate:
    """The macro-zone's climate, warmer, colder or drier where the place lies beyond it."""
    name = "north" if latitude > _NORTH_ENDS else "central" if latitude > _SOUTH_BEGINS else "south"
    climate = CLIMATES[name]
    south, north = climate.latitude
    beyond = max(latitude - north, 0.0) + min(latitude - south, 0.0)
    drier = _DRIER ** max(beyond, 0.0) if name == "north" else 1.0
    rain = tuple(millimetres * drier for millimetres in climate.rain)
    return replace(climate, temperature=climate.temperature + _DEGREE_C * beyond, rain=rain)


def _parcels(climate: Climate, latitude: float, rng: np.random.Generator) -> Parcels:
    fields = {c.name: c.grown[climate.name] for c in CROPS.values() if c.kin not in _NOT_FIELDS}
    wild = next(shares for down_to, shares in _WILD if latitude > down_to)
    crops = np.concatenate([_drawn(fields, rng), _drawn(wild, rng)])
    parcels = draw_parcels([climate], np.zeros(len(crops), np.int64), crops, rng)
    return replace(parcels, latitude=np.full(len(crops), latitude))


def _drawn(weights: dict[str, float], rng: np.random.Generator) -> npt.NDArray[Any]:
    names, shares = list(weights), np.array(list(weights.values()))
    return rng.choice(names, KINDS, p=shares / shares.sum())


def _farmed(latitude: float) -> float:
    """Of the land of a latitude: a hundredth in the desert, a quarter in the centre, next to nothing in Patagonia."""
    return float(
        np.interp(
            latitude, [-56, -46, -42, -38, -33, -30, -26, -17], [0, 0.01, 0.1, 0.25, 0.2, 0.04, 0.01, 0.01]
        )
    )
