"""What the parcels of a valley yield, after Monteith's light use efficiency.

Monteith (1972, doi:10.2307/2401901; 1977, doi:10.1098/rstb.1977.0140): dry matter is the light that green leaves
absorb times an efficiency. Here

    Y = HI / (1 - moisture) * efficiency * sum over days of fAPAR * PAR * f(T) * f(W) * zone-year * management

with fAPAR = cover * (1 - exp(-0.5 * green LAI)) (Monsi and Saeki 1953), PAR = 0.48 of global radiation, global
radiation by Angstrom's formula from the sunshine that the month's clouds leave (FAO Irrigation and Drainage Paper 56,
equations 21 and 35), f(T) a trapezoid and f(W) the share of its water need that a crop gets. The efficiencies are round
numbers as farmed, below those of experiments without pests or want (Sinclair and Muchow 1999,
doi:10.1016/S0065-2113(08)60914-1), set so that yields come out at the size that farms in Chile have.
They are no survey.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.simulate.climate import Weather, at_dates, day_of_season
from surco.encoder.simulate.crops import CROPS
from surco.encoder.simulate.growth import State, grow
from surco.encoder.simulate.management import Parcels
from surco.encoder.simulate.observing import cloud_probability

__all__ = ["YIELDS", "YieldTraits", "Yields", "draw_yields"]

Floats = npt.NDArray[np.floating[Any]]
Dates = npt.NDArray[np.datetime64]

_STEP_DAYS = 5
_YEAR_SPREAD = 0.10  # of the logarithm, by class: the season's yield that no canopy shows


@dataclass(frozen=True, slots=True)
class YieldTraits:
    """How a class makes its product.

    `efficiency` in g of dry matter per MJ of absorbed PAR, `index` the share of it that is harvested, `moisture` of the
    product as sold (0..1), `cold`, `best` and `hot` in degrees Celsius: no growth below and above, full growth from
    `best` to 8 degrees above it. `spread` is the coefficient of variation of management from parcel to parcel.
    """

    efficiency: float
    index: float
    moisture: float
    cold: float
    best: float
    hot: float
    spread: float


YIELDS: Mapping[str, YieldTraits] = {
    "winter_wheat": YieldTraits(1.8, 0.43, 0.13, 0, 13, 32, 0.15),
    "oats": YieldTraits(1.5, 0.42, 0.13, 0, 13, 31, 0.16),
    "barley": YieldTraits(1.7, 0.45, 0.13, 0, 13, 31, 0.15),
    "rapeseed": YieldTraits(1.85, 0.27, 0.09, 0, 13, 31, 0.18),
    "lupin": YieldTraits(1.2, 0.25, 0.12, 1, 13, 31, 0.20),
    "maize": YieldTraits(2.1, 0.45, 0.14, 8, 20, 40, 0.15),
    "beans": YieldTraits(0.9, 0.22, 0.13, 7, 17, 36, 0.20),
    "tomato": YieldTraits(1.3, 0.40, 0.94, 8, 18, 37, 0.18),
    "potato": YieldTraits(1.3, 0.56, 0.79, 4, 14, 32, 0.20),
    "sugar_beet": YieldTraits(2.2, 0.57, 0.77, 3, 14, 34, 0.15),
    "rice": YieldTraits(1.5, 0.36, 0.14, 9, 20, 38, 0.15),
    "cherry": YieldTraits(1.4, 0.12, 0.82, 5, 16, 37, 0.25),
    "walnut": YieldTraits(1.3, 0.22, 0.05, 6, 18, 38, 0.20),
    "hazelnut": YieldTraits(1.2, 0.14, 0.06, 4, 15, 35, 0.22),
    "apple": YieldTraits(1.5, 0.55, 0.85, 5, 16, 36, 0.20),
    "plum": YieldTraits(1.4, 0.40, 0.82, 5, 16, 37, 0.22),
    "wine_grape": YieldTraits(1.2, 0.48, 0.78, 7, 18, 39, 0.22),
    "table_grape": YieldTraits(1.1, 0.36, 0.81, 7, 18, 39, 0.18),
    "kiwi": YieldTraits(1.0, 0.26, 0.84, 6, 17, 36, 0.20),
    "blueberry": YieldTraits(1.0, 0.17, 0.85, 5, 16, 35, 0.22),
    "avocado": YieldTraits(0.9, 0.21, 0.73, 7, 17, 36, 0.25),
    "citrus": YieldTraits(0.9, 0.35, 0.87, 8, 18, 38, 0.20),
    "olive": YieldTraits(1.2, 0.42, 0.55, 6, 18, 40, 0.25),
    "alfalfa": YieldTraits(1.7, 0.75, 0.12, 3, 16, 38, 0.15),
}
"""Classes that have a yield in t/ha: grain, fruit, roots or tubers as sold; hay of alfalfa."""


@dataclass(frozen=True, slots=True)
class Yields:
    """Of N parcels: `tonnes` per hectare (N,), NaN where the class has none, and the class's factors of the year."""

    tonnes: Floats
    year: Mapping[str, float]


def draw_yields(
    parcels: Parcels, weather: Weather, latitude: float, start: date, rng: np.random.Generator
) -> Yields:
    """What the parcels yield in the twelve months from `start`.

    The sum over the canopy is what a satellite may see; the year's factor (10 %, one a class) and management (15 to
    25 %, one a parcel) are not in the scenes: no model can be more certain than they let it.

    Args:
        parcels: N of one zone, in their mean state.
        weather: of the zone.
        latitude: in degrees.
        start: first day of the twelve months.
        rng: of the two factors.
    """
    first = np.datetime64(start, "D")
    dates = np.broadcast_to(first + np.arange(0, 365, _STEP_DAYS), (len(parcels), 365 // _STEP_DAYS))
    absorbed = _absorbed(parcels, grow(parcels, weather, dates), weather, latitude, dates)
    year = {name: float(np.exp(rng.normal(0, _YEAR_SPREAD))) for name in YIELDS}
    noise = rng.standard_normal(len(parcels))
    tonnes = np.full(len(parcels), np.nan)
    for i, crop in enumerate(parcels.crop):
        traits = YIELDS.get(str(crop))
        if traits is not None:
            product = traits.efficiency * traits.index / (1.0 - traits.moisture)
            management = np.exp(traits.spread * noise[i] - 0.5 * traits.spread**2)
            tonnes[i] = 0.01 * product * absorbed[i] * year[str(crop)] * management
    return Yields(tonnes, {name: year[name] for name in YIELDS if name in set(parcels.crop.tolist())})


def _absorbed(
    parcels: Parcels, state: State, weather: Weather, latitude: float, dates: Dates
) -> npt.NDArray[np.float64]:
    """MJ/m2 of PAR (N,) that the crop absorbed and could use."""
    traits = [YIELDS.get(str(crop)) for crop in parcels.crop]
    cold, best, hot = (
        np.array([getattr(t, name) if t else 0.0 for t in traits])[:, None]
        for name in ("cold", "best", "hot")
    )
    warm = np.clip((state.temperature - cold) / np.maximum(best - cold, 1), 0, 1)
    cool = np.clip((hot - state.temperature) / np.maximum(hot - best - 8.0, 1), 0, 1)
    rainfed = at_dates(weather.rainfed, parcels.zone, dates)
    irrigated = _irrigated(parcels)
    water = irrigated + (1.0 - irrigated) * (0.45 + 0.55 * rainfed)
    light = _par(weather, parcels, latitude, dates)
    used = _fapar(parcels, state, dates) * light * np.minimum(warm, cool) * water
    return np.asarray(used.sum(axis=1) * _STEP_DAYS, np.float64)


def _irrigated(parcels: Parcels) -> Floats:
    """(N, 1) share of its need that a crop is watered by: orchards and summer crops fully, cereals and lupin not."""
    dry = {"cereal", "broadleaf", "rangeland"}
    return np.array([0.0 if CROPS[str(c)].kin in dry else 0.95 for c in parcels.crop])[:, None]


def _fapar(parcels: Parcels, state: State, dates: Dates) -> Floats:
    """(N, T) share of light that the crop's green leaves absorb, from greenup to harvest where it has them."""
    t = {name: values[:, None] for name, values in parcels.traits.items()}
    meadow = t["cuts"] >= 1.0
    first = t["greenup"] - 100.0
    since = (day_of_season(dates) - first) % 365.25 + first
    growing = (t["lai"] <= 0) | ((since > t["greenup"] - 45.0) & (since < t["harvest"]))
    green = np.where(
        meadow, state.grass_lai * (1.0 - state.grass_brown), state.lai * (1.0 - state.brown) * growing
    )
    return np.asarray(t["cover"] * (1.0 - np.exp(-0.5 * green)))


def _par(weather: Weather, parcels: Parcels, latitude: float, dates: Dates) -> Floats:
    """(N, T) MJ/m2 and day of photosynthetically active radiation, FAO-56 equations 21 to 25 and 35."""
    phase = 2 * np.pi * (121 + day_of_season(dates)) / 365.0
    declination = 0.409 * np.sin(phase - 1.39)
    phi = np.radians(latitude)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    outside = (24 * 60 / np.pi) * 0.0820 * (1 + 0.033 * np.cos(phase)) * (
        sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    )  # fmt: skip
    sunshine = 1.0 - cloud_probability(at_dates(weather.rain, parcels.zone, dates))
    return np.asarray(0.48 * (0.25 + 0.5 * sunshine) * outside)
