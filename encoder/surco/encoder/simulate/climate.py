"""Weather of a zone and year: monthly temperature and rain, and what they make of soil water and grass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CLIMATES", "Climate", "Weather", "at_dates", "day_of_season", "draw_weather"]

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Dates = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Climate:
    """Means of a macro-zone: degrees Celsius at sea level, mm of rain in January to December, and where it lies.

    `soils` are the shares of the four soils of `surfaces.SOILS`; `elevation` in m of the farmed land.
    """

    name: str
    latitude: tuple[float, float]
    longitude: tuple[float, float]
    elevation: tuple[float, float]
    temperature: float
    amplitude: float
    rain: tuple[float, ...]
    soils: tuple[float, float, float, float]


CLIMATES: dict[str, Climate] = {
    "north": Climate(
        "north", (-31.5, -27.5), (-71.3, -70.3), (50, 900), 16.5, 4.0,
        (0.3, 0.7, 1.5, 4, 18, 30, 28, 18, 5, 2, 0.7, 0.3), (0.4, 0.2, 0.0, 0.4),
    ),
    "central": Climate(
        "central", (-36.4, -32.8), (-72.1, -70.6), (60, 500), 15.0, 6.3,
        (8, 8, 15, 42, 120, 160, 130, 95, 50, 30, 18, 10), (0.65, 0.25, 0.1, 0.0),
    ),
    "south": Climate(
        "south", (-41.5, -37.3), (-73.3, -71.9), (30, 400), 11.6, 4.8,
        (42, 42, 60, 90, 170, 180, 165, 140, 95, 80, 65, 55), (0.2, 0.3, 0.5, 0.0),
    ),
}  # fmt: skip
"""The macro-zones, after the climate normals of La Serena-Ovalle, Curico-Talca and Temuco-Osorno."""


@dataclass(frozen=True, slots=True)
class Weather:
    """One year for each of Z zones, (Z, 12) by calendar month.

    `temperature` in degrees Celsius at sea level, `rain` in mm, `wetness` of the topsoil 0..1, `rainfed` and `watered`
    the greenness 0..1 of grass without and with irrigation, `warmth` 0..1 how far temperature lets plants grow.
    """

    temperature: Floats
    rain: Floats
    wetness: Floats
    rainfed: Floats
    watered: Floats
    warmth: Floats


def draw_weather(climates: list[Climate], rng: np.random.Generator) -> Weather:
    """A year for each zone: its climate with a warm or cold, wet or dry anomaly and month-to-month noise."""
    zones = len(climates)
    month = np.arange(12)
    season = np.cos(2 * np.pi * (month - 0.3) / 12)
    mean = np.array([[c.temperature] for c in climates]) + rng.normal(0, 0.6, (zones, 1))
    amplitude = np.array([[c.amplitude] for c in climates]) + rng.normal(0, 0.3, (zones, 1))
    temperature = mean + amplitude * season + rng.normal(0, 0.5, (zones, 12))
    anomaly = rng.normal(0, 0.25, (zones, 1)) + rng.normal(0, 0.35, (zones, 12))
    rain = np.array([c.rain for c in climates]) * np.exp(anomaly - 0.09)
    warmth = _logistic((temperature - 7.0) / 1.4)
    store = _soil_water(temperature, rain)
    rainfed = _lagged(_logistic((store - 0.42) / 0.08) * (0.25 + 0.75 * warmth))
    watered = _lagged(0.2 + 0.8 * _logistic((temperature - 9.5) / 1.4))
    wetness = np.clip(0.6 * (1 - np.exp(-rain / 45.0)) + 0.25 * store, 0, 1)
    return Weather(temperature, rain, wetness, rainfed, watered, warmth)


def _logistic(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-x))


def _soil_water(temperature: Floats, rain: Floats, capacity: float = 55.0) -> Floats:
    """Fill 0..1 of a shallow bucket at mid-month: rain in, evaporation out that slows as it empties."""
    demand = 30.0 * np.exp((temperature - 8.0) * 0.125)
    level = np.full(len(rain), 0.3)
    out = np.empty_like(rain)
    for month in [*range(12), *range(12)]:
        before = level
        for _ in range(3):
            loss = demand[:, month] / 3 * np.minimum(1.0, level / 0.5)
            level = np.clip(level + (rain[:, month] / 3 - loss) / capacity, 0.0, 1.0)
        out[:, month] = (before + level) / 2
    return out


def _lagged(target: Floats, rise: float = 0.5, fall: float = 0.85) -> Floats:
    """Grass takes a month or two to grow and dries within one; run twice round so that the year closes."""
    level = target[:, -1]
    out = np.empty_like(target)
    for month in [*range(12), *range(12)]:
        step = target[:, month] - level
        level = level + np.where(step > 0, rise, fall) * step
        out[:, month] = level
    return out


def at_dates(monthly: Floats, zone: Ints, dates: Dates) -> Floats:
    """Values (N, T) of a (Z, 12) monthly table for parcels of the given zones, linear between mid-months."""
    months = dates.astype("datetime64[M]")
    day = (dates - months.astype("datetime64[D]")).astype(np.int64)
    position = months.astype(np.int64) % 12 + (day - 15) / 30.4
    first = np.floor(position).astype(np.int64)
    share = position - first
    rows = zone[:, None]
    out: Floats = monthly[rows, first % 12] * (1 - share) + monthly[rows, (first + 1) % 12] * share
    return out


def day_of_season(dates: Dates) -> Floats:
    """Days since the last 1 May, the origin of every date in the crop table; float64 of the same shape."""
    years = dates.astype("datetime64[Y]")
    start = years.astype("datetime64[M]") + np.timedelta64(4, "M")
    days = (dates.astype("datetime64[D]") - start.astype("datetime64[D]")).astype(np.float64)
    return np.asarray(np.where(days < 0, days + 365.0, days))
