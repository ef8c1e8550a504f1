"""Composites of a synthetic Chile, for any window of the national grid.

The physics of `surco.encoder.simulate` grows a bank of parcels for each part of the country (`land_bank`); what a
pixel is, and the noise and clouds it was seen through, is drawn from its place alone (`place_noise`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.embedstore import Season
from surco.encoder.channels import CHANNELS, OPTICAL, RADAR
from surco.encoder.composite import Composite
from surco.encoder.grid import Window, to_degrees
from surco.encoder.plan.land_bank import KINDS, LandBank, land_bank
from surco.encoder.plan.place_noise import mixed, normal, uniform
from surco.encoder.plan.tiles import TILE_M, LandTile
from surco.encoder.tile import Tile

__all__ = ["synthetic_composite"]

Keys = npt.NDArray[np.uint64]
Whole = npt.NDArray[np.int64]
Counts = npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float32]

_PART = 8
"""Tiles a side of the parts of the country that share weather and a bank of parcels: 82 km."""
_CHUNK = 4096
"""Pixels worked on at once: their numbers take some 10 MB."""
_MONTHS = np.arange(12)
_FIELD_M = np.array([120, 160, 240, 400])
_BLOCK_M, _VALLEY_M, _PATCH_M, _CLOUD_M = 2_000, 12_000, 600, 5_000
_TURNING = 0.25  # share of the fields that grow something else every year
_S2_DAYS, _S1_DAYS = 5, 6  # between two passes
_NOISE, _LIGHT_SHARE, _VIGOUR_SHARE, _SPECKLE_DB = (np.float32(n) for n in (0.004, 0.02, 0.06, 1.2))
_OPTICAL, _RADAR = (slice(group[0], group[-1] + 1) for group in (OPTICAL, RADAR))
_VALLEY, _BLOCK, _FIELD, _PATCH, _ROTATION, _VIGOUR, _SKY, _LIGHT, _BAND, _SPECKLE = range(10)
"""What a number is drawn for: two things of one place have nothing to do with each other."""


@dataclass(frozen=True, slots=True)
class _Pixels:
    """N pixels by their place: easting and northing of the centre in whole metres, in one zone."""

    seed: int
    zone: int
    x: Whole
    y: Whole
    year: int

    def lattice(self, purpose: int, metres: int | Whole) -> Keys:
        """A key (N,) for each square of a lattice and what is asked of it."""
        return mixed(self.seed, self.zone, purpose, self.x // metres, self.y // metres)

    def keys(self, purpose: int) -> Keys:
        """A key (N,) for each pixel and year."""
        return mixed(self.seed, self.zone, purpose, self.year, self.x, self.y)


def synthetic_composite(seed: int, tile: LandTile, window: Window, season: Season) -> Composite:
    """The composites of a window; see `sources.SimulatedSource`."""
    size, bank = window.height * window.width, _bank(seed, tile, season)
    values, static = (
        np.full((12, len(CHANNELS), size), np.nan, np.float32),
        np.full((2, size), np.nan, np.float32),
    )
    counts = np.zeros((2, size), np.uint16)
    inside = np.flatnonzero(tile.inside(window))
    x, y = (np.floor(side).astype(np.int64) for side in window.centres())
    for start in range(0, len(inside), _CHUNK):
        at = inside[start : start + _CHUNK]
        pixels = _Pixels(seed, tile.zone, x[at], y[at], season.year)
        kind, field = _kinds(pixels, bank)
        looks = _looks(pixels, bank, season)
        static[:, at], counts[:, at] = bank.static[kind].T, looks.sum(axis=2)
        values[:, _OPTICAL, at] = _reflectance(pixels, bank.optical[kind], field, looks[0]).transpose(1, 2, 0)
        values[:, _RADAR, at] = _backscatter(pixels, bank.radar[kind], looks[1]).transpose(1, 2, 0)
    valid = np.isfinite(values)
    values[~valid] = 0.0
    whole = (-1, window.height, window.width)
    return Composite(
        Tile(
            values.reshape(12, *whole), valid.reshape(12, *whole), _dates(season),
            window.transform, window.crs, static.reshape(whole),
        ),
        *counts.reshape(whole),
    )  # fmt: skip


def _bank(seed: int, tile: LandTile, season: Season) -> LandBank:
    column, row = tile.column // _PART, tile.row // _PART
    middle = np.array([[column + 0.5], [row + 0.5]]) * _PART * TILE_M
    latitude = round(float(to_degrees(tile.crs, *middle)[0, 1]), 3)
    return land_bank(seed, latitude, (tile.zone, column, row), season.year, season.start_month)


def _kinds(pixels: _Pixels, bank: LandBank) -> tuple[Whole, Keys]:
    """The parcel of the bank (N,) that each pixel shows, and a key (N,) of the field it lies in."""
    size = _FIELD_M[pixels.lattice(_BLOCK, _BLOCK_M) % np.uint64(len(_FIELD_M))]
    farmed = _valley(pixels) < bank.farmed
    field = np.where(farmed, pixels.lattice(_FIELD, size), pixels.lattice(_PATCH, _PATCH_M))
    turning = farmed & (uniform(mixed(field, _ROTATION)) < _TURNING)
    chosen = np.where(turning, mixed(field, _ROTATION, pixels.year), field) % np.uint64(KINDS)
    return chosen.astype(np.int64) + np.where(farmed, 0, KINDS), field


def _valley(pixels: _Pixels) -> Floats:
    """A smooth field (N,) of numbers from 0 to 1, about evenly spread: low where a valley is."""
    x, y = pixels.x / _VALLEY_M, pixels.y / _VALLEY_M
    left, below = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, above = (_smooth(x - left), _smooth(y - below))
    total = np.zeros(len(x), np.float32)
    for i, across in ((0, 1 - right), (1, right)):
        for j, up in ((0, 1 - above), (1, above)):
            corner = normal(mixed(pixels.seed, pixels.zone, _VALLEY, left + i, below + j))
            total += (corner * across * up).astype(np.float32)
    spread = np.sqrt((right**2 + (1 - right) ** 2) * (above**2 + (1 - above) ** 2)).astype(np.float32)
    return np.asarray(1.0 / (1.0 + np.exp(np.float32(-1.7) * total / spread)), np.float32)


def _smooth(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return share * share * (3.0 - 2.0 * share)


def _looks(pixels: _Pixels, bank: LandBank, season: Season) -> Counts:
    """Clear optical passes and radar passes of each month (2, N, 12); clouds are some kilometres wide."""
    days = np.arange(season.start.toordinal(), season.last_day.toordinal() + 1)
    first_days = np.array([first.toordinal() for first, _ in season.months()])
    sky, place = np.unique(pixels.lattice(_SKY, _CLOUD_M), return_inverse=True)
    looks = np.zeros((2, len(sky), 12), np.uint16)
    for sensor, interval in enumerate((_S2_DAYS, _S1_DAYS)):
        passes = days[(days + pixels.zone) % interval == 0]
        month = np.searchsorted(first_days, passes, side="right") - 1
        clear = np.ones((len(sky), len(passes)), np.uint16)
        if sensor == 0:
            clear[uniform(mixed(sky[:, None], passes)) < bank.cloudy[month]] = 0
        looks[sensor] = clear @ (month[:, None] == _MONTHS)
    return looks[:, place]


def _reflectance(pixels: _Pixels, clean: Floats, field: Keys, looks: Counts) -> Floats:
    """(N, 12, 10) as composites of some looks (N, 12) have it, NaN without any."""
    fewer = _fewer(looks)
    light = normal(mixed(pixels.keys(_LIGHT)[:, None], _MONTHS)) * fewer * _LIGHT_SHARE
    vigour = normal(mixed(field, _VIGOUR))[:, None] * _VIGOUR_SHARE
    bands = np.arange(12 * len(OPTICAL)).reshape(12, -1)
    noise = normal(mixed(pixels.keys(_BAND)[:, None, None], bands)) * fewer[..., None] * _NOISE
    out = np.clip(clean * (1 + light + vigour)[..., None] + noise, 0.0001, 1.3)
    out[looks == 0] = np.nan
    return np.asarray(out, np.float32)


def _backscatter(pixels: _Pixels, clean: Floats, looks: Counts) -> Floats:
    """(N, 12, 2) in dB with speckle, NaN without a pass."""
    bands = np.arange(12 * len(RADAR)).reshape(12, -1)
    speckle = normal(mixed(pixels.keys(_SPECKLE)[:, None, None], bands)) * _fewer(looks)[..., None]
    out = clean + speckle * _SPECKLE_DB
    out[looks == 0] = np.nan
    return np.asarray(out, np.float32)


def _fewer(looks: Counts) -> Floats:
    """How noise falls with the number of looks."""
    return np.asarray(1.0 / np.sqrt(np.maximum(looks, 1).astype(np.float32)))


def _dates(season: Season) -> npt.NDArray[np.datetime64]:
    """The middle of what was seen of each month; of a month after `last_day`, its own middle."""
    days = []
    for first, last in season.months():
        end = min(last, season.last_day) if first <= season.last_day else last
        days.append(first + (end - first) / 2)
    return np.array(days, "datetime64[D]")
