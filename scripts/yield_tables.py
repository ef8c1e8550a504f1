"""Labelled tables of yields: the synthetic country with its truth, rice of Vietnam, fuel moisture of the United States.

What the arrays of the two real tables mean was found out from their values; each reader says how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from scipy.io import netcdf_file

from surco.embedstore import dequantize, quantize
from surco.encoder import CHANNELS, Encoder
from surco.encoder.channels import INDEX
from surco.encoder.simulate.climate import CLIMATES, draw_weather
from surco.encoder.simulate.management import draw_parcels
from surco.encoder.simulate.series import _observe
from surco.encoder.simulate.yields import draw_yields

__all__ = ["YieldTable", "encoded", "fuel_moisture", "synthetic_country", "vietnam_rice"]

CLIMATE_OF_REGION = ("north", "north", "central", "central", "central", "central", "south", "south")
BLOCK_DEGREES = 0.02
CLOUD_BLUE = 0.2  # no paddy is as bright


@dataclass(frozen=True, slots=True)
class YieldTable:
    """N labelled series of T dates: what an encoder takes, the value, and what it may be held out by.

    `expected` (N,) is the value without what no image shows, NaN where unknown; `region`, `season`, `block` (N,) words.
    """

    values: np.ndarray
    valid: np.ndarray
    dates: np.ndarray
    lonlat: np.ndarray
    static: np.ndarray
    target: np.ndarray
    region: np.ndarray
    season: np.ndarray
    block: np.ndarray
    expected: np.ndarray
    unit: str

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: np.ndarray) -> YieldTable:
        """Some rows."""
        columns = {name: getattr(self, name) for name in self.__slots__}
        return YieldTable(**{n: v if isinstance(v, str) else v[rows] for n, v in columns.items()})

    def raw(self) -> np.ndarray:
        """Raw bands (N, T * 14), NaN where nothing was seen, columns that were never seen left out."""
        flat = np.where(self.valid, self.values, np.nan).reshape(len(self), -1)
        return flat[:, np.isfinite(flat).any(axis=0)]


def encoded(table: YieldTable, encoder: Encoder) -> np.ndarray:
    """Vectors (N, D) as a store's table has them: through int8."""
    vectors = encoder.encode(
        np.nan_to_num(table.values), table.valid, table.dates, table.lonlat, table.static
    )
    return dequantize(*quantize(vectors))


class _Still:
    """In place of a generator: no year and no parcel differs from its mean."""

    def normal(self, mean: float, spread: float) -> float:
        return mean

    def standard_normal(self, n: int) -> np.ndarray:
        return np.zeros(n)


def synthetic_country(
    crop: str,
    *,
    seasons: int = 5,
    parcels: int = 40,
    seed: int = 0,
    regions: Sequence[str] = CLIMATE_OF_REGION,
) -> YieldTable:
    """Parcels of one class in each of some regions and seasons, with the yields of the generator.

    A season's factor (10 %) is the same in all regions; weather and the class's mean are drawn for each region-year, as
    in every zone of the synthetic country. A third of a region-year's parcels makes a block.
    """
    rng = np.random.default_rng(seed)
    factor = np.exp(rng.normal(0, 0.10, seasons))
    parts = [
        _region_year(crop, region, season, CLIMATES[climate], factor[season], parcels, rng)
        for region, climate in enumerate(regions)
        for season in range(seasons)
    ]
    columns = {n: np.concatenate([getattr(p, n) for p in parts]) for n in YieldTable.__slots__ if n != "unit"}
    return YieldTable(**columns, unit="t/ha")


def _region_year(crop, region, season, climate, factor, n, rng) -> YieldTable:
    zone, start = np.zeros(n, np.int64), date(2016 + season, 5, 1)
    drawn = draw_parcels([climate], zone, np.array([crop] * n), rng)
    weather = draw_weather([climate], rng)
    first = np.datetime64(f"{start:%Y-%m}") + np.arange(12)
    dates = np.tile(first.astype("datetime64[D]") + np.timedelta64(14, "D"), (n, 1))
    values = _observe(drawn, weather, dates, rng)
    latitude = float(drawn.latitude.mean())
    grown = draw_yields(drawn, weather, latitude, start, rng)
    expected = draw_yields(drawn, weather, latitude, start, _Still()).tonnes
    name = f"region {region + 1}"
    return YieldTable(
        values,
        ~np.isnan(values),
        dates,
        np.stack([drawn.longitude, drawn.latitude], 1).astype(np.float32),
        np.stack([drawn.elevation, drawn.traits["slope"]], 1).astype(np.float32),
        np.asarray(grown.tonnes / grown.year[crop] * factor),
        np.array([name] * n),
        np.array([f"{start.year}-{(start.year + 1) % 100}"] * n),
        np.array([f"{name} {start.year} {k}" for k in np.arange(n) % 3]),
        np.asarray(expected),
        "t/ha",
    )


def vietnam_rice(folder: Path) -> YieldTable:
    """557 fields, t/ha, 24 dates before harvest.

    Bands are named in the file; `swir` is taken for B11 (clear dates: half of near infrared; B12 would be a quarter).
    From 2022-01-25 every band's least value is about 1,000: the offset of ESA's processing baseline 04.00, subtracted
    here. The file marks no cloud: dates of blue reflectance above 0.2 are left out.
    """
    file = netcdf_file(str(folder / "adaptative_factor_1_train.nc"), "r", mmap=False)
    read = {name: variable[:] for name, variable in file.variables.items()}
    dates = _words(read["time"]).astype("datetime64[D]")
    names = {n: n for n in ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir")} | {
        "swir": "swir16"
    }
    values = np.full((*dates.shape, len(CHANNELS)), np.nan, np.float32)
    offset = np.where(dates >= np.datetime64("2022-01-25"), 1000.0, 0.0)
    for name, channel in names.items():
        values[..., INDEX[channel]] = (read[name] - offset) / 10_000
    values[values[..., INDEX["blue"]] > CLOUD_BLUE] = np.nan
    values[~((values >= 0) & (values <= 2))] = np.nan
    lon, lat = read["Longitude"][:, 0], read["Latitude"][:, 0]
    season = _words(read["Season(SA = Summer Autumn, WS = Winter Spring)"])[:, 0]
    blocks = [f"{a:.0f} {b:.0f}" for a, b in zip(lon // BLOCK_DEGREES, lat // BLOCK_DEGREES, strict=True)]
    target = read["Rice Yield (kg/ha)"][:, 0] / 1000
    return _table(values, dates, lon, lat, target, _words(read["District"])[:, 0], season, blocks, "t/ha")


def fuel_moisture(folder: Path) -> YieldTable:
    """2,313 measurements of live fuel moisture in %, three months each; `season` is "train" or "test" as published.

    Columns, by their values: 0-1 VV, VH in dB; 2-12 B2 B3 B4 B5 B6 B7 B8 B8A B9 B11 B12 in 1/10,000 (B9, column 10, is
    the only one far below its neighbours); 13 temperature in K; 14 precipitation in m a day; 15 elevation in m; 16
    slope in degrees. Blue above green says top of atmosphere, where our encoder expects surface reflectance. Column 17
    is called NDVI but equals (B7 - B3) / (B7 + B3) exactly, and is left out. The year is not given.
    """
    table = np.load(folder / "s1_s2_era5_srtm.npy", allow_pickle=False)
    lat, lon = np.load(folder / "latlon.npy", allow_pickle=False).T
    order = (
        "blue",
        "green",
        "red",
        "rededge1",
        "rededge2",
        "rededge3",
        "nir",
        "nir08",
        None,
        "swir16",
        "swir22",
    )
    values = np.full((*table.shape[:2], len(CHANNELS)), np.nan, np.float32)
    values[..., INDEX["vv"]], values[..., INDEX["vh"]] = table[..., 0], table[..., 1]
    for column, channel in enumerate(order, 2):
        if channel:
            values[..., INDEX[channel]] = table[..., column] / 10_000
    values[..., INDEX["temperature"]] = table[..., 13]
    values[..., INDEX["precipitation"]] = table[..., 14] * 1000 * 30.4
    site = np.load(folder / "site.npy", allow_pickle=False)
    split = np.where(np.load(folder / "is_test.npy", allow_pickle=False) == 1, "test", "train")
    target = np.load(folder / "target.npy", allow_pickle=False)
    dates = _month_days(np.load(folder / "month.npy", allow_pickle=False))
    found = _table(values, dates, lon, lat, target, site, split, site, "%")
    found.static[:] = table[:, 0, 15:17]
    return found


def _table(values, dates, lon, lat, target, region, season, blocks, unit) -> YieldTable:
    n = len(target)
    return YieldTable(
        values,
        np.isfinite(values),
        dates,
        np.stack([lon, lat], 1).astype(np.float32),
        np.full((n, 2), np.nan, np.float32),
        np.asarray(target, np.float64),
        np.asarray(region),
        np.asarray(season),
        np.asarray(blocks),
        np.full(n, np.nan),
        unit,
    )


def _words(letters: np.ndarray) -> np.ndarray:
    """Texts of an array of single bytes, whose last axis is the text."""
    flat = letters.reshape(-1, letters.shape[-1])
    return np.array([b"".join(row).decode().strip("\0 ") for row in flat]).reshape(letters.shape[:-1])


def _month_days(months: np.ndarray) -> np.ndarray:
    """Days of months 0..11 that follow each other, the middle of each; the second of one month ten days later."""
    turn = np.cumsum(np.pad(np.diff(months, axis=1) < 0, ((0, 0), (1, 0))), axis=1)
    first = (np.datetime64("2018-01") + months + 12 * turn).astype("datetime64[D]") + np.timedelta64(9, "D")
    again = np.pad(np.diff(months, axis=1) == 0, ((0, 0), (1, 0)))
    return first + again * np.timedelta64(10, "D")
