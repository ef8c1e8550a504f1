"""One pass of a satellite over a synthetic valley: from the state of its ground to the rasters of an item."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.channels import CHANNELS, GROUPS, OPTICAL
from surco.encoder.simulate.backscatter import backscatter
from surco.encoder.simulate.climate import Weather, at_dates
from surco.encoder.simulate.clouds import Sky, classify, draw_sky
from surco.encoder.simulate.emulator import load_emulator
from surco.encoder.simulate.growth import grow
from surco.encoder.simulate.management import Parcels
from surco.encoder.simulate.observing import cloud_probability
from surco.encoder.simulate.reflect import reflectance, sun_azimuth, sun_zenith
from surco.encoder.simulate.rendering import Canvas, Sun, shifted
from surco.encoder.simulate.stac_files import Asset

__all__ = ["Valley", "optical_scene", "radar_scene"]

Floats = npt.NDArray[np.floating[Any]]

_REFLECTANCE = {"scale": 0.0001, "offset": 0}
_S2_NAMES = ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12")
_S1_NODATA = -32768.0
_LOOKS = 9.0  # equivalent number of looks of a 20 m pixel of a ground-range product


@dataclass(frozen=True, slots=True)
class Valley:
    """A valley that can be looked at: pixels, its 2 E ground units in two vigours, weather and latitude in degrees."""

    canvas: Canvas
    units: Parcels
    weather: Weather
    latitude: float

    def dates(self, day: date) -> npt.NDArray[np.datetime64]:
        """(2 E, 1): the same day for every unit."""
        return np.full((len(self.units), 1), np.datetime64(day, "D"))


def optical_scene(valley: Valley, day: date, rng: np.random.Generator) -> tuple[list[Asset], float]:
    """Assets of a Sentinel-2 pass, and its cloud cover in percent."""
    dates = valley.dates(day)
    sun = _sun(valley.latitude, day)
    state = grow(valley.units, valley.weather, dates)
    view = np.full(dates.shape, rng.uniform(-7, 7))
    table = reflectance(valley.units, state, np.full(dates.shape, sun.zenith), view, load_emulator())[:, 0]
    canvas = valley.canvas
    ground = canvas.paint(table) * canvas.texture * canvas.light(sun)
    sky = draw_sky(canvas.shape, _cover(valley, day, rng), sun.zenith, sun.azimuth, 10.0, rng)
    seen = shifted(sky.over(ground), *rng.uniform(-0.35, 0.35, 2))
    seen = seen + rng.standard_normal(seen.shape, dtype=np.float32) * np.float32(0.0022)
    coarse = halved(seen)
    codes = classify(coarse, Sky(halved(sky.opacity), halved(sky.shadow)))
    cover = 100.0 * float((codes >= 8).mean())
    return [*_optical_assets(seen, coarse), Asset("scl", codes, 20, 0)], cover


def radar_scene(valley: Valley, day: date, rng: np.random.Generator) -> list[Asset]:
    """VV and VH of a Sentinel-1 pass in linear power, at 20 m."""
    state = grow(valley.units, valley.weather, valley.dates(day))
    state = replace(state, wetness=np.clip(state.wetness + rng.normal(0, 0.08), 0.0, 1.0))
    power = backscatter(valley.units, state, np.array([[39.0]]), np.array([[rng.normal(0, 1.5)]]))[:, 0]
    clean = halved(valley.canvas.paint(power) * np.sqrt(valley.canvas.texture))
    noisy = (clean * rng.gamma(_LOOKS, 1.0 / _LOOKS, clean.shape)).astype(np.float32)
    band = {"unit": "linear power"}
    return [Asset(key, noisy[i], 20, _S1_NODATA, band) for i, key in enumerate(("vv", "vh"))]


def halved(image: Floats) -> Floats:
    """(..., H, W) averaged over 2 x 2 pixels."""
    rows, columns = image.shape[-2] // 2, image.shape[-1] // 2
    return np.asarray(image.reshape(*image.shape[:-2], rows, 2, columns, 2).mean(axis=(-3, -1)))


def _sun(latitude: float, day: date) -> Sun:
    place, when = np.array([latitude]), np.array([[np.datetime64(day, "D")]])
    zenith = sun_zenith(place, when)
    return Sun(float(zenith[0, 0]), float(sun_azimuth(place, when, zenith)[0, 0]))


def _cover(valley: Valley, day: date, rng: np.random.Generator) -> float:
    """Cloud cover 0..1 of a pass: mostly none in the dry months, often a closed deck in the wet ones."""
    zone, when = np.zeros(1, np.int64), np.array([[np.datetime64(day, "D")]])
    cloudy = float(cloud_probability(at_dates(valley.weather.rain, zone, when))[0, 0])
    if rng.random() < cloudy:
        return float(rng.beta(1.1, 0.7))
    return float(rng.uniform(0.02, 0.2)) if rng.random() < 0.25 else 0.0


def _optical_assets(seen: Floats, coarse: Floats) -> list[Asset]:
    """Digital numbers of the ten bands, at 10 m or 20 m by their group."""
    out = []
    for channel, name in zip(OPTICAL, _S2_NAMES, strict=True):
        fine = channel in GROUPS["s2_10m"]
        values = (seen if fine else coarse)[channel]
        numbers = np.clip(np.rint(values * 1e4), 1, 20_000).astype(np.uint16)
        key = CHANNELS[channel]
        bands = {"eo:bands": [{"name": name, "common_name": key}]}
        out.append(Asset(key, numbers, 10 if fine else 20, 0, _REFLECTANCE, bands))
    return out
