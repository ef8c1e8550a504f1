"""Which asset of a STAC item holds which channel, and how its numbers become reflectance or power.

Providers disagree on keys (`B02`, `blue`, `B02_10m`), on where scale and offset stand (`raster:bands`,
`bands`, the asset itself) and on whether the offset of Sentinel-2's processing baseline 04.00 is still in the pixels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Band", "find_bands"]

Json = Mapping[str, Any]

REFLECTANCE_SCALE = 1e-4
BASELINE_OFFSET = -0.1
"""BOA_ADD_OFFSET of Sentinel-2 products of processing baseline 04.00 and later: -1000 in digital numbers."""

_S2_NAMES = {
    "b02": "blue", "b03": "green", "b04": "red", "b05": "rededge1", "b06": "rededge2", "b07": "rededge3",
    "b08": "nir", "b8a": "nir08", "b11": "swir16", "b12": "swir22",
}  # fmt: skip
_COMMON_NAMES = {
    "rededge071": "rededge1", "rededge075": "rededge2", "rededge078": "rededge3",
    **{name: name for name in _S2_NAMES.values()},
}  # fmt: skip
_KEYS = {
    "sentinel-2": {**_COMMON_NAMES, **_S2_NAMES, "scl": "scl"},
    "sentinel-1": {"vv": "vv", "vh": "vh"},
    "dem": {"data": "elevation", "dem": "elevation", "elevation": "elevation"},
}
_RESOLUTION = re.compile(r"_(\d+)m$")
_RASTER_TYPES = ("tif", "jp2")


@dataclass(frozen=True, slots=True)
class Band:
    """Where one channel of one scene is, and what its digital numbers mean.

    Attributes:
        href: absolute path or address.
        scale, offset: value = number * scale + offset.
        nodata: the number that means nothing was seen; None where only the raster can say.
        decibel: True where the values are decibel, not linear power.
        public: True where it came from a catalogue of the public network: no private address is asked for it.
        size: bytes of the file, where the catalogue states them.
    """

    href: str
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    decibel: bool = False
    public: bool = False
    size: int | None = None


def find_bands(assets: Mapping[str, Json], properties: Json, sensor: str) -> dict[str, Band]:
    """Map an item's assets to channels by common name first, then by band name, then by key.

    Args:
        assets: asset key to its JSON, with absolute `href`.
        properties: the item's properties.
        sensor: `sentinel-2`, `sentinel-1` or `dem`.

    Returns:
        Channel name (or `scl`, `elevation`) to band. Of several for one channel the finest GeoTIFF wins.
    """
    best: dict[str, tuple[tuple[int, float], Band]] = {}
    for key, asset in assets.items():
        channel = _channel(key, asset, sensor)
        if channel is None:
            continue
        rank = _rank(key, asset)
        if channel not in best or rank < best[channel][0]:
            band = _band(asset, properties, sensor, channel)
            best[channel] = rank, replace(band, size=_size(asset))
    return {channel: band for channel, (_, band) in best.items()}


def _size(asset: Json) -> int | None:
    """Bytes of the file by the file extension of STAC, where it is a number."""
    stated = asset.get("file:size")
    return stated if isinstance(stated, int) and stated > 0 else None


def _channel(key: str, asset: Json, sensor: str) -> str | None:
    described = list(_descriptions(asset))
    if len(described) > 1 or not _is_raster(asset):
        return None
    known = _KEYS[sensor]
    common = [str(d.get("eo:common_name", d.get("common_name", ""))).lower() for d in described]
    names = [str(d.get("name", "")).lower() for d in described]
    plain = _RESOLUTION.sub("", key.lower()).removesuffix("-jp2")
    return next((known[name] for name in (*common, *names, plain) if name in known), None)


def _descriptions(asset: Json) -> Iterator[Json]:
    bands = asset.get("bands") or asset.get("eo:bands") or ()
    return (band for band in bands if isinstance(band, Mapping))


def _is_raster(asset: Json) -> bool:
    if {"thumbnail", "overview", "metadata"} & set(asset.get("roles") or ()):
        return False
    kind = f"{asset.get('type') or ''} {str(asset['href']).split('?')[0]}".lower()
    return any(name in kind for name in _RASTER_TYPES)


def _rank(key: str, asset: Json) -> tuple[int, float]:
    """Coarser is worse; JPEG 2000 is read in whole code blocks and comes after GeoTIFF."""
    suffix = _RESOLUTION.search(key)
    raster: Json = next(iter(asset.get("raster:bands") or ()), {})
    metres = suffix[1] if suffix else raster.get("spatial_resolution", asset.get("gsd", 0))
    return int("jp2" in f"{asset.get('type')}{key}{asset['href']}".lower()), float(metres or 0)


def _band(asset: Json, properties: Json, sensor: str, channel: str) -> Band:
    stated = _stated(asset)
    unit = str(stated.get("unit") or "").strip().lower()
    nodata = _number(stated.get("nodata"))
    if channel == "scl":
        return Band(asset["href"], nodata=0.0)
    if sensor != "sentinel-2":
        return Band(
            asset["href"], _number(stated.get("scale")) or 1.0, _number(stated.get("offset")) or 0.0,
            nodata, decibel=sensor == "sentinel-1" and unit in ("db", "decibel"),
        )  # fmt: skip
    scale = _number(stated.get("scale"))
    offset = _number(stated.get("offset"))
    if _offset_applied(properties):
        offset = 0.0
    elif scale is None and offset is None:
        offset = BASELINE_OFFSET if _baseline(properties) >= (4, 0) else 0.0
    return Band(asset["href"], scale or REFLECTANCE_SCALE, offset or 0.0, 0.0 if nodata is None else nodata)


def _stated(asset: Json) -> dict[str, Any]:
    """Scale, offset, nodata and unit, wherever this STAC version puts them; the most specific place wins."""
    merged: dict[str, Any] = {}
    band_lists = (asset.get("bands") or (), asset.get("raster:bands") or ())
    places = [asset, *(next(iter(bands), {}) for bands in band_lists)]
    for place in places:
        for name in ("scale", "offset", "nodata", "unit"):
            value = place.get(f"raster:{name}", place.get(name))
            if value is not None:
                merged[name] = value
    return merged


def _number(value: object) -> float | None:
    """A JSON number, or one of the STAC words nan, inf, -inf; NaN as nodata needs no stating."""
    if value is None:
        return None
    number = float(str(value))
    return None if math.isnan(number) else number


def _offset_applied(properties: Json) -> bool:
    """Earth Search v1 states the offset in raster:bands even where its pixels already have it applied."""
    flags = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
    return any(properties.get(flag) is True for flag in flags)


def _baseline(properties: Json) -> tuple[int, int]:
    """Sentinel-2 processing baseline as (4, 0); (0, 0) where nobody states it."""
    names = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
    text = next((str(properties[name]) for name in names if properties.get(name)), "")
    if not text:
        product = re.search(r"_N(\d{2})(\d{2})_", str(properties.get("s2:product_uri", "")))
        return (int(product[1]), int(product[2])) if product else (0, 0)
    match = re.search(r"(\d{1,2})\.(\d{2})", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
