"""Series of composites from the synthetic country: labelled parcel-years for pretraining, meta-training and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.encoder.channels import CHANNELS, INDEX, OPTICAL, RADAR
from surco.encoder.errors import SimulationError
from surco.encoder.simulate.backscatter import backscatter
from surco.encoder.simulate.climate import CLIMATES, Climate, Weather, at_dates, draw_weather
from surco.encoder.simulate.crops import CROPS
from surco.encoder.simulate.emulator import load_emulator
from surco.encoder.simulate.growth import State, grow
from surco.encoder.simulate.management import Parcels, draw_parcels
from surco.encoder.simulate.observing import clear_looks, disturb_optical, speckle
from surco.encoder.simulate.reflect import reflectance, sun_zenith

__all__ = ["SeriesSet", "simulate_series"]

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Dates = npt.NDArray[np.datetime64]
Words = npt.NDArray[np.str_]

_ZONE_PARCELS = 192
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class SeriesSet:
    """N labelled series of T composites.

    `values` (N, T, 14) in the order and units of `channels.CHANNELS`, NaN where not `valid` (N, T, 14); `dates` (N, T)
    datetime64[D]; `lonlat` (N, 2) degrees; `static` (N, 2) elevation in m and slope in degrees; `label` (N,) class
    names of `CROPS`; `zone` (N,) number of the climate and year a series was drawn in: an episode's classes come from
    one zone.
    """

    values: Floats
    valid: Bools
    dates: Dates
    lonlat: Floats
    static: Floats
    label: Words
    zone: Ints

    def __len__(self) -> int:
        return len(self.label)


def simulate_series(
    n: int,
    *,
    seed: int,
    climate: str | None = None,
    dates: Dates | None = None,
    classes: Sequence[str] | None = None,
) -> SeriesSet:
    """Draws `n` parcel-years, the same ones for the same arguments.

    Args:
        n: how many series.
        seed: of every random draw.
        climate: "north", "central" or "south"; None draws one for each zone.
        dates: (T,) or (n, T) days of the composites; None gives twelve months from May, of a year drawn by zone.
        classes: names to draw from; None draws 8 to 16 of those grown in the climate, for each zone.

    Raises:
        SimulationError: `n` below one, an unknown climate or class, or dates of another shape.
    """
    _check(n, climate, classes)
    rng = np.random.default_rng(seed)
    zone = np.minimum(np.arange(n) // _ZONE_PARCELS, max(n // _ZONE_PARCELS - 1, 0))
    climates = _draw_climates(int(zone[-1]) + 1, climate, rng)
    label = _draw_labels(zone, climates, classes, rng)
    days = _season_dates(zone, rng) if dates is None else _given_dates(dates, n)
    parcels = draw_parcels(climates, zone, label, rng)
    weather = draw_weather(climates, rng)
    values = np.empty((n, days.shape[1], len(CHANNELS)), np.float32)
    for start in range(0, n, _CHUNK):
        rows = slice(start, start + _CHUNK)
        values[rows] = _observe(parcels.take(rows), weather, days[rows], rng)
    lonlat = np.stack([parcels.longitude, parcels.latitude], axis=1).astype(np.float32)
    static = np.stack([parcels.elevation, parcels.traits["slope"]], axis=1).astype(np.float32)
    return SeriesSet(values, ~np.isnan(values), days, lonlat, static, label, zone)


def _check(n: int, climate: str | None, classes: Sequence[str] | None) -> None:
    if n < 1:
        raise SimulationError(f"expected at least one series; got n={n}; ask for a positive number")
    if climate is not None and climate not in CLIMATES:
        known = ", ".join(CLIMATES)
        raise SimulationError(
            f"expected a climate among {known}; got {climate!r}; choose one of them or None"
        )
    unknown = [c for c in classes or () if c not in CROPS]
    if unknown or (classes is not None and len(classes) == 0):
        raise SimulationError(
            f"expected class names of the crop table; got {unknown or list(classes or ())}; "
            f"choose among {', '.join(CROPS)}"
        )


def _draw_climates(zones: int, climate: str | None, rng: np.random.Generator) -> list[Climate]:
    names = list(CLIMATES) if climate is None else [climate]
    shares = {"north": 0.2, "central": 0.5, "south": 0.3}
    weights = np.array([shares[name] for name in names])
    return [CLIMATES[str(name)] for name in rng.choice(names, zones, p=weights / weights.sum())]


def _draw_labels(
    zone: Ints, climates: list[Climate], classes: Sequence[str] | None, rng: np.random.Generator
) -> Words:
    """A class set for each zone, every class of it with some parcels and some with more."""
    label = np.empty(len(zone), dtype=f"<U{max(map(len, CROPS))}")
    for number, place in enumerate(climates):
        rows = np.flatnonzero(zone == number)
        chosen = _class_set(place, rng) if classes is None else np.array(list(classes))
        even = np.resize(rng.permutation(chosen), len(rows))
        uneven = rng.choice(chosen, len(rows), p=rng.dirichlet(np.full(len(chosen), 1.5)))
        label[rows] = np.where(np.arange(len(rows)) < 0.6 * len(rows), even, uneven)
        label[rows] = rng.permutation(label[rows])
    return label


def _class_set(climate: Climate, rng: np.random.Generator) -> Words:
    names = np.array([c.name for c in CROPS.values() if c.grown[climate.name] > 0])
    weights = np.array([CROPS[str(name)].grown[climate.name] for name in names]) ** 0.5
    size = int(rng.integers(8, 17))
    return rng.choice(names, size, replace=False, p=weights / weights.sum())


def _season_dates(zone: Ints, rng: np.random.Generator) -> Dates:
    """Twelve composites from May on: the mean date of the clear passes wanders round mid-month."""
    year = rng.integers(2016, 2026, int(zone[-1]) + 1)[zone]
    first = (year - 1970) * 12 + 4
    months = (first[:, None] + np.arange(12)).astype("datetime64[M]").astype("datetime64[D]")
    wander = np.clip(np.rint(rng.normal(14, 4, months.shape)), 0, 27).astype("timedelta64[D]")
    return np.asarray(months + wander)


def _given_dates(dates: Dates, n: int) -> Dates:
    days = np.asarray(dates)
    if not np.issubdtype(days.dtype, np.datetime64) or days.ndim not in (1, 2) or days.size == 0:
        raise SimulationError(
            f"expected dates as datetime64 of shape (T,) or ({n}, T); got {days.dtype} {days.shape}; "
            "convert them with numpy.array(..., dtype='datetime64[D]')"
        )
    if days.ndim == 2 and len(days) != n:
        raise SimulationError(
            f"expected one row of dates for each of {n} series; got {len(days)} rows; give (T,) dates to share them"
        )
    return np.broadcast_to(days.astype("datetime64[D]"), (n, days.shape[-1])).copy()


def _observe(parcels: Parcels, weather: Weather, dates: Dates, rng: np.random.Generator) -> Floats:
    """Values (N, T, 14), NaN where nothing was seen."""
    out = np.full((*dates.shape, len(CHANNELS)), np.nan, np.float32)
    state = grow(parcels, weather, dates)
    spacing = _spacing(dates)
    out[..., OPTICAL] = _optical(parcels, state, weather, dates, spacing, rng)
    out[..., RADAR] = _radar(parcels, state, spacing, rng)
    out[..., INDEX["temperature"]] = state.temperature + 273.15 + rng.normal(0, 0.4, dates.shape)
    rain = at_dates(weather.rain, parcels.zone, dates) * spacing / 30.4
    out[..., INDEX["precipitation"]] = np.maximum(rain * np.exp(rng.normal(0, 0.1, dates.shape)), 0.0)
    return out


def _spacing(dates: Dates) -> npt.NDArray[np.float64]:
    """Median days between the dates of each series, (N, 1); 30.4 for a single date."""
    if dates.shape[1] < 2:
        return np.full((len(dates), 1), 30.4)
    gaps = np.diff(np.sort(dates, axis=1), axis=1).astype(np.float64)
    return np.asarray(np.maximum(np.median(gaps, axis=1, keepdims=True), 1.0))


def _optical(
    parcels: Parcels, state: State, weather: Weather, dates: Dates, spacing: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> Floats:  # fmt: skip
    """Ten bands (N, T, 10): a composite of the clear passes within the spacing, NaN without any."""
    revisit = rng.choice([5.0, 10.0], (len(parcels), 1), p=[0.8, 0.2])
    looks = clear_looks(weather, parcels.zone, dates, spacing / revisit, rng)
    sun = sun_zenith(parcels.latitude, dates)
    view = np.broadcast_to(rng.uniform(-9, 9, (len(parcels), 1)), dates.shape)
    clean = reflectance(parcels, state, sun, view, load_emulator())
    seen = disturb_optical(clean, looks, rng)
    seen[looks == 0] = np.nan
    return seen


def _radar(
    parcels: Parcels, state: State, spacing: npt.NDArray[np.float64], rng: np.random.Generator
) -> Floats:
    """VV and VH in dB (N, T, 2): a mean of the passes over one to thirty pixels, rarely missing."""
    shape = state.lai.shape
    angle = rng.uniform(32, 44, (len(parcels), 1))
    power = backscatter(parcels, state, angle, rng.normal(0, 1.8, shape))
    pixels = np.exp(rng.uniform(0, np.log(30), (len(parcels), 1)))
    looks = np.broadcast_to(4.4 * np.maximum(spacing / 12.0, 1.0) * pixels, shape)
    decibel = 10.0 * np.log10(speckle(power, looks, rng)) + rng.normal(0, 0.4, (len(parcels), 1, 2))
    decibel[rng.random(shape) < 0.015] = np.nan
    return decibel.astype(np.float32)
