"""From traits and weather to the state of the land at a date: leaf area, browning, grass, standing water, snow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.simulate.climate import Weather, at_dates, day_of_season
from surco.encoder.simulate.management import Parcels

__all__ = ["State", "grow"]

Floats = npt.NDArray[np.floating[Any]]
Dates = npt.NDArray[np.datetime64]

_YEAR = 365.25
_FIRST_CUT, _LAST_CUT = 150.0, 345.0  # days since 1 May: late September to mid-April


@dataclass(frozen=True, slots=True)
class State:
    """Parcels at dates, every field (N, T).

    `lai` of the canopy per covered area, `brown` its brown share 0..1, `grass_lai` and `grass_brown` the same of what
    grows between and below, `straw`, `water`, `snow` and `roofs` shares of the ground, `wetness` of the topsoil 0..1,
    `bloom` 0..1, `flood` the part of `water` that stands under rice, `temperature` in degrees Celsius at the parcel.
    """

    lai: Floats
    brown: Floats
    grass_lai: Floats
    grass_brown: Floats
    straw: Floats
    water: Floats
    flood: Floats
    snow: Floats
    roofs: Floats
    wetness: Floats
    bloom: Floats
    temperature: Floats


def grow(parcels: Parcels, weather: Weather, dates: Dates) -> State:
    """The state of N parcels at their (N, T) dates; the same management is repeated in every year."""
    t = {name: values[:, None] for name, values in parcels.traits.items()}
    day: Floats = day_of_season(dates)
    since = _around(day, t["greenup"] - 100.0)
    lai, brown = _canopy(t, day, since, parcels.forage_lai[:, None])
    green, wet = _grass_growth(parcels, weather, dates, t["irrigation"])
    tilled = t["tillage"] * _between(since, t["greenup"] - 45.0, t["harvest"], 5.0)
    grass = t["grass"] * (1.0 - tilled) * (0.22 + 0.78 * green) * _cut_factor(t["cuts"], day)
    temperature = at_dates(weather.temperature, parcels.zone, dates) - 0.006 * parcels.elevation[:, None]
    flood = t["flooded"] * _between(since, t["greenup"] - 45.0, t["harvest"] - 22.0, 3.0)
    irrigated = t["irrigation"] * t["tillage"] * _between(since, t["greenup"] - 15.0, t["yellowing"], 5.0)
    wetness = np.clip(np.maximum(wet, 0.5 * irrigated), 0.0, 1.0)
    return State(
        lai=lai, brown=brown, grass_lai=grass, grass_brown=1.0 - _smoothstep(green / 0.8),
        straw=_straw(t, since), water=np.maximum(t["water"] * np.ones_like(day), 0.95 * flood), flood=flood,
        snow=t["snow"] * _logistic((2.0 - temperature) / 1.5), roofs=t["roofs"] * np.ones_like(day), wetness=wetness,
        bloom=t["bloom"] * np.exp(-0.5 * ((_around(day, t["bloom_day"] - 100.0) - t["bloom_day"]) / 9.0) ** 2),
        temperature=temperature,
    )  # fmt: skip


def _logistic(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -40.0, 40.0)))


def _smoothstep(x: Floats) -> Floats:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _around(day: Floats, first: Floats) -> Floats:
    """`day` moved by whole years into the year that begins at `first`, where the cycle starts."""
    return (day - first) % _YEAR + first


def _between(day: Floats, start: Floats | float, end: Floats, width: float) -> Floats:
    return _logistic((day - start) / width) * _logistic((end - day) / width)


def _canopy(t: dict[str, Floats], day: Floats, since: Floats, forage_lai: Floats) -> tuple[Floats, Floats]:
    """Leaf area and its brown share: a double logistic that keeps its dead leaves until harvest."""
    brown = _logistic((since - t["yellowing"]) / t["decline"])
    rise = _logistic((since - t["greenup"]) / t["rise"])
    cycle: Floats = t["lai"] * rise * (1.0 - 0.45 * brown) * _logistic((t["harvest"] - since) / 2.5)
    base = t["base_lai"] * (1.0 + t["swing"] * np.cos(2 * np.pi * (day - t["peak"]) / _YEAR))
    forage = forage_lai * _between(
        _around(day, np.full_like(t["greenup"], -60.0)), 62.0, t["greenup"] - 50.0, 6.0
    )
    lai = cycle + base + forage
    return lai, brown * cycle / np.maximum(lai, 1e-6)


def _grass_growth(
    parcels: Parcels, weather: Weather, dates: Dates, irrigation: Floats
) -> tuple[Floats, Floats]:
    """Greenness of the grass and wetness of the soil, (N, T), between their rain-fed and irrigated courses."""
    rainfed = at_dates(weather.rainfed, parcels.zone, dates)
    watered = at_dates(weather.watered, parcels.zone, dates)
    green = np.maximum(rainfed, irrigation * watered)
    wet = at_dates(weather.wetness, parcels.zone, dates)
    return green, wet + 0.3 * irrigation * np.maximum(0.5 - wet, 0.0)


def _cut_factor(cuts: Floats, day: Floats) -> Floats:
    """Sawtooth of a meadow: a fifth is left after a cut and it is whole again after some three weeks."""
    interval = (_LAST_CUT - _FIRST_CUT) / np.maximum(cuts, 1.0)
    since_cut = (day - _FIRST_CUT) % interval
    regrown = 0.2 + 0.8 * _logistic((since_cut - 12.0) / 3.5)
    return np.where((cuts >= 1.0) & (day > _FIRST_CUT) & (day < _LAST_CUT + 20.0), regrown, 1.0)


def _straw(t: dict[str, Floats], since: Floats) -> Floats:
    """Litter on the ground: fresh after harvest, rotting through the winter, ploughed in before sowing."""
    start = t["greenup"] - 100.0
    age = np.where(since > t["harvest"], since - t["harvest"], since - start + (start + _YEAR - t["harvest"]))
    litter = t["straw"] * np.exp(-np.maximum(age, 0.0) / 120.0)
    ploughed = t["tillage"] * _between(since, t["greenup"] - 45.0, t["harvest"], 3.0)
    return np.where(t["tillage"] > 0, litter * (1.0 - ploughed), t["straw"])
