"""What a zone and a year make of each class, and a farmer of each parcel: the traits that growth starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.simulate.climate import Climate
from surco.encoder.simulate.crops import CROPS, PARAMETERS, SHIFT_DAYS, Crop
from surco.encoder.simulate.surfaces import SOILS

__all__ = ["Parcels", "draw_parcels"]

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

_NAMES = tuple(PARAMETERS)
_COLUMN = {name: i for i, name in enumerate(_NAMES)}
_OWN = [_COLUMN[n] for n in ("flooded", "tillage", "water", "snow", "roofs", "cuts", "altitude", "slope")]
"""Traits that a class never takes over from a class that it resembles."""
_KIND = np.array([PARAMETERS[n].kind for n in _NAMES])


@dataclass(frozen=True, slots=True)
class Parcels:
    """N parcels: zone, class and place, every trait (N,), dry soil (N, 10) and spectral bias (N, 10) of the leaves.

    `forage_lai` is the leaf area of a winter forage crop sown before the main one, 0 where there is none.
    """

    zone: Ints
    crop: npt.NDArray[np.str_]
    latitude: Floats
    longitude: Floats
    elevation: Floats
    traits: Mapping[str, Floats]
    soil: Floats
    bias: Floats
    forage_lai: Floats

    def __len__(self) -> int:
        return len(self.zone)

    def take(self, rows: slice | Ints) -> Parcels:
        """The parcels of some rows."""
        return Parcels(
            self.zone[rows], self.crop[rows], self.latitude[rows], self.longitude[rows], self.elevation[rows],
            {name: values[rows] for name, values in self.traits.items()},
            self.soil[rows], self.bias[rows], self.forage_lai[rows],
        )  # fmt: skip


def draw_parcels(
    climates: Sequence[Climate],
    zone: Ints,
    crops: npt.NDArray[np.str_],
    rng: np.random.Generator,
    likeness: float = 0.4,
) -> Parcels:
    """Parcels of the given zones (N,) and classes (N,), each zone in its climate.

    A class has its own mean in every zone, and a share of the classes (`likeness`) leans towards another of the same
    kin there, so that they can be told apart less well than in the next zone.
    """
    names = list(CROPS)
    index = np.array([names.index(c) for c in crops])
    means = _zone_means(climates, likeness, rng)[zone, index]
    table = _vary(means, np.array([PARAMETERS[n].parcel for n in _NAMES]), rng)
    traits = {name: table[:, i] for name, i in _COLUMN.items()}
    young = rng.random(len(zone)) < traits["young"]
    vigour = np.exp(rng.normal(0, 0.12, len(zone)))
    traits["cover"] = traits["cover"] * np.where(young, rng.uniform(0.2, 0.6, len(zone)), 1.0)
    traits["wood"] = traits["wood"] * np.where(young, 0.4, 1.0)
    traits["lai"] = traits["lai"] * vigour * np.where(young, 0.8, 1.0)
    traits["base_lai"] = traits["base_lai"] * vigour * np.where(young, 0.8, 1.0)
    traits["harvest"] = np.maximum(traits["harvest"], traits["greenup"] + 45)
    latitude, longitude, base = _places(climates, rng)
    spot = rng.normal(0, 0.12, (2, len(zone)))
    forage = (rng.random(len(zone)) < traits["double"]) * rng.uniform(1.5, 4.0, len(zone))
    return Parcels(
        zone, crops, latitude[zone] + spot[0], longitude[zone] + spot[1], base[zone] + traits["altitude"],
        traits, _soils(climates, zone, traits["soil"], rng), _bias(len(climates), zone, index, rng), forage,
    )  # fmt: skip


def _zone_means(climates: Sequence[Climate], likeness: float, rng: np.random.Generator) -> Floats:
    """(Z, K, P) trait means of every class in every zone."""
    table = np.stack([[_traits(crop, climate) for crop in CROPS.values()] for climate in climates])
    year = rng.normal(0, 4, (len(climates), 1, 1))
    moved = [_COLUMN[n] for n in ("greenup", "yellowing", "harvest", "bloom_day", "peak")]
    table[:, :, moved] += year
    table = _vary(table, np.array([PARAMETERS[n].zone for n in _NAMES]), rng)
    return _lean(table, likeness, rng)


def _traits(crop: Crop, climate: Climate) -> list[float]:
    """The class's own traits with its calendar moved to the climate."""
    traits = {name: p.default for name, p in PARAMETERS.items()} | dict(crop.traits)
    start, end = SHIFT_DAYS[crop.rhythm][climate.name]
    traits["greenup"] += start
    traits["bloom_day"] += start
    traits["yellowing"] += end
    traits["harvest"] += end
    return [traits[name] for name in _NAMES]


def _vary(mean: Floats, spread: Floats, rng: np.random.Generator) -> Floats:
    """A draw round each mean, by the kind of the trait (last axis)."""
    noise = np.clip(rng.standard_normal(mean.shape), -2.5, 2.5) * spread
    share = np.clip(mean + noise * mean * (1.0 - mean), 0.0, 1.0)
    out: Floats = np.where(
        _KIND == "add", mean + noise, np.where(_KIND == "share", share, mean * np.exp(noise))
    )
    return out


def _lean(table: Floats, likeness: float, rng: np.random.Generator) -> Floats:
    """Moves a share of the classes of each zone 30 to 75 % of the way towards another of their kin."""
    kin = np.array([crop.kin for crop in CROPS.values()])
    out = table.copy()
    for zone in range(len(table)):
        for k in np.flatnonzero(rng.random(len(kin)) < likeness):
            others = np.flatnonzero((kin == kin[k]) & (np.arange(len(kin)) != k))
            if len(others):
                other = rng.choice(others)
                share = rng.uniform(0.3, 0.75)
                out[zone, k] = (1 - share) * table[zone, k] + share * table[zone, other]
    out[:, :, _OWN] = table[:, :, _OWN]
    return out


def _places(climates: Sequence[Climate], rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Latitude, longitude and elevation of each zone."""
    latitude = np.array([rng.uniform(*c.latitude) for c in climates])
    longitude = np.array([rng.uniform(*c.longitude) for c in climates])
    return latitude, longitude, np.array([rng.uniform(*c.elevation) for c in climates])


def _soils(climates: Sequence[Climate], zone: Ints, brightness: Floats, rng: np.random.Generator) -> Floats:
    """(N, 10) dry soils: a mixture of the four, of the zone's and the parcel's own."""
    regional = np.stack([rng.dirichlet(np.array(c.soils) * 3 + 0.05) for c in climates])
    own = rng.dirichlet([0.6] * len(SOILS), len(zone)) * (regional[zone] > 0.02)
    shares = 0.75 * regional[zone] + 0.25 * own / np.maximum(own.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(shares @ SOILS * brightness[:, None], np.float32)


def _bias(zones: int, zone: Ints, index: Ints, rng: np.random.Generator) -> Floats:
    """(N, 10) factors near one that no leaf model explains: smooth over the bands, by class and zone, and by parcel."""
    smooth = np.array([[1, 0, 0], [0.9, 0.1, 0], [0.8, 0.2, 0], [0, 1, 0], [0.6, 0.4, 0],
                       [0.2, 0.8, 0], [0.1, 0.9, 0], [0, 1, 0], [0, 0.2, 0.8], [0, 0, 1]])  # fmt: skip
    by_class = rng.normal(0, 0.035, (zones, len(CROPS), 3)) @ smooth.T
    by_class += rng.normal(0, 0.015, by_class.shape)
    own = rng.normal(0, 0.02, (len(zone), 3)) @ smooth.T
    return np.asarray(np.exp(by_class[zone, index] + own), np.float32)
