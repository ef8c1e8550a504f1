"""Made-up countries: classes that nobody listed, so that a network learns to tell classes apart and not their names.

Domain randomisation (Tobin et al. 2017) of the classes themselves: a class of a country is one of `crops.CROPS` mixed
with another of any kin, its calendar, leaf area, leaves and soil moved at random, and the country's whole calendar with
them. A country is several zones, near in what they grow and not alike: what is learned in one is to hold in the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.simulate.climate import Climate
from surco.encoder.simulate.crops import CROPS, PARAMETERS
from surco.encoder.simulate.management import COLUMN, vary, zone_means

__all__ = ["ZONES", "country_labels", "country_means", "country_of"]

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

ZONES = 4
"""Zones of a country; the last country of a draw may have fewer."""

_AS_LISTED = 0.15
"""Share of the countries, and of the classes of the others, that are as `crops.CROPS` has them."""
_CALENDAR = ("greenup", "yellowing", "harvest", "bloom_day")
_END = ("yellowing", "harvest")
_WHOLE = ("flooded", "tillage", "water", "snow", "roofs", "cuts")
"""Traits of one parent or the other; half a flood is none."""
_SCALED = {
    "lai": 0.3,
    "base_lai": 0.3,
    "grass": 0.4,
    "rise": 0.3,
    "decline": 0.3,
    "wood": 0.3,
    "soil": 0.15,
    "chlorophyll": 0.15,
    "leaf_water": 0.25,
    "leaf_mass": 0.25,
}
"""Standard deviations of the logarithms of what traits are multiplied by."""
_ADDED = {"leaf_angle": 6.0, "rough": 0.8}


def country_of(zones: int) -> Ints:
    """(Z,) the country of each zone: `ZONES` of them in turn."""
    return np.arange(zones, dtype=np.int64) // ZONES


def country_means(climates: Sequence[Climate], rng: np.random.Generator, likeness: float = 0.4) -> Floats:
    """(Z, K, P) trait means of every class in every zone, as `management.zone_means`, of made-up countries.

    Args:
        climates: (Z,) one for each zone; the first of a country decides its classes.
        rng: of every draw.
        likeness: share of the listed classes that lean towards their kin before they are mixed.
    """
    country = country_of(len(climates))
    listed = zone_means([climates[z] for z in range(0, len(climates), ZONES)], likeness, rng)
    means = _made_up(listed, rng)[country]
    year = rng.normal(0, 5, (len(climates), 1, 1))
    means[:, :, [COLUMN[n] for n in (*_CALENDAR, "peak")]] += year
    spread = (
        np.array([PARAMETERS[n].zone for n in COLUMN])
        * rng.uniform(0.2, 1.0, len(listed))[country, None, None]
    )
    return vary(means, spread, rng)


def _made_up(listed: Floats, rng: np.random.Generator) -> Floats:
    """(M, K, P) the classes of M countries, from the listed ones of their climates."""
    countries, classes, _ = listed.shape
    shape = (countries, classes)
    strength = rng.uniform(0.3, 1.3, (countries, 1))
    other = listed[np.arange(countries)[:, None], rng.integers(classes, size=shape)]
    share = rng.uniform(0.0, 0.6, shape) * np.minimum(strength, 1.0)
    out = (1.0 - share[..., None]) * listed + share[..., None] * other
    for name in _WHOLE:
        column = COLUMN[name]
        taken = (share > 0.3) & (rng.random(shape) < 0.5)
        out[..., column] = np.where(taken, other[..., column], listed[..., column])
    moved = rng.normal(0.0, 1.0, shape) * 18.0 * strength + rng.uniform(-45.0, 45.0, (countries, 1))
    longer = rng.normal(0.0, 1.0, shape) * 12.0 * strength
    for name in _CALENDAR:
        out[..., COLUMN[name]] += moved + longer * (name in _END)
    for name, sigma in _SCALED.items():
        out[..., COLUMN[name]] *= np.exp(rng.normal(0.0, 1.0, shape) * sigma * strength)
    for name, sigma in _ADDED.items():
        out[..., COLUMN[name]] += rng.normal(0.0, 1.0, shape) * sigma * strength
    kept = (rng.random((countries, 1)) < _AS_LISTED) | (rng.random(shape) < _AS_LISTED)
    return np.where(kept[..., None], listed, out)


def country_labels(
    zone: Ints, zones: int, sets: Sequence[npt.NDArray[np.str_]], rng: np.random.Generator
) -> npt.NDArray[np.str_]:
    """(N,) a class for each parcel: six to nineteen classes a country, in every zone of it as often.

    Args:
        zone: (N,) of each parcel.
        zones: how many there are.
        sets: for each country, the classes of its climate; half of the countries take of all there are instead.
        rng: of every draw.
    """
    names = np.array(list(CROPS))
    label = np.empty(len(zone), dtype=names.dtype)
    country = country_of(zones)
    for number, listed in enumerate(sets):
        size = int(rng.integers(6, 20))
        chosen = rng.choice(names, size, replace=False) if rng.random() < 0.5 else listed
        share = rng.dirichlet(np.full(len(chosen), 1.5))
        for place in np.flatnonzero(country == number):
            rows = np.flatnonzero(zone == place)
            even = np.resize(rng.permutation(chosen), len(rows))
            uneven = rng.choice(chosen, len(rows), p=share)
            label[rows] = rng.permutation(np.where(np.arange(len(rows)) < 0.6 * len(rows), even, uneven))
    return label
