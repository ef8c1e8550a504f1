"""Monthly series as the groups of channels that make Presto's and Galileo's tokens, in their published units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surco.encoder.channels import INDEX
from surco.encoder.protocol import Bools, Floats
from surco.encoder.published.months import MonthlySeries

__all__ = ["TokenGroup", "token_groups"]

_BANDS: dict[str, tuple[str, ...]] = {
    "S1": ("vv", "vh"),
    "S2_RGB": ("blue", "green", "red"),
    "S2_Red_Edge": ("rededge1", "rededge2", "rededge3"),
    "S2_NIR_10m": ("nir",),
    "S2_NIR_20m": ("nir08",),
    "S2_SWIR": ("swir16", "swir22"),
    "ERA5": ("temperature", "precipitation"),
}
_REFLECTANCE = 1e4
_MM_A_METRE = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class TokenGroup:
    """Values (N, S, c) or (N, c) float32, finite; `keep` (N, S) or (N,), True where every channel is usable."""

    values: Floats
    keep: Bools


def token_groups(series: MonthlySeries, lonlat: Floats, static: Floats) -> dict[str, TokenGroup]:
    """Split series into groups.

    A group with one missing channel is missing, as in both papers. Sentinel-1 is in dB, Sentinel-2 in 10,000ths of
    reflectance, temperature in K, precipitation in m a month, elevation in m, slope in degrees, `location` on the
    unit sphere; `NDVI` is there where red and nir are.

    Args:
        series: of N.
        lonlat: (N, 2) degrees, NaN where unknown.
        static: (N, 2) elevation and slope, NaN where unknown.
    """
    groups = {name: _bands(series, name) for name in _BANDS}
    groups["NDVI"] = _ndvi(series)
    groups["SRTM"] = _known(static)
    groups["location"] = _known(_unit_sphere(lonlat))
    return groups


def _bands(series: MonthlySeries, name: str) -> TokenGroup:
    channels = [INDEX[band] for band in _BANDS[name]]
    values = series.values[..., channels]
    if name.startswith("S2"):
        values = values * np.float32(_REFLECTANCE)
    elif name == "ERA5":
        values[..., 1] /= _MM_A_METRE
    keep: Bools = np.asarray(series.valid[..., channels].all(axis=-1))
    return TokenGroup(values, keep)


def _ndvi(series: MonthlySeries) -> TokenGroup:
    red, nir = INDEX["red"], INDEX["nir"]
    both = series.values[..., nir] + series.values[..., red]
    ndvi = np.zeros_like(both)
    np.divide(series.values[..., nir] - series.values[..., red], both, out=ndvi, where=both > 0)
    return TokenGroup(ndvi[..., None], series.valid[..., red] & series.valid[..., nir])


def _known(values: Floats) -> TokenGroup:
    keep: Bools = np.asarray(np.isfinite(values).all(axis=-1))
    return TokenGroup(np.nan_to_num(values).astype(np.float32), keep)


def _unit_sphere(lonlat: Floats) -> Floats:
    lon, lat = np.radians(lonlat.astype(np.float64)).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
