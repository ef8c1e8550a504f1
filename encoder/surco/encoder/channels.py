"""The channels an encoder may see: names, order, units and plausible ranges.

Names are STAC common names (`eo:common_name`) for Sentinel-2, and polarisations for Sentinel-1. The order
is fixed: every array with a channel axis of this room uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHANNELS", "GROUPS", "INDEX", "OPTICAL", "RADAR", "WEATHER", "Channel", "describe"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: its name, group, unit and the closed range outside which a value is no measurement."""

    name: str
    group: str
    unit: str
    low: float
    high: float


_ALL: tuple[Channel, ...] = (
    *(Channel(n, "s2_10m", "reflectance", 0.0, 2.0) for n in ("blue", "green", "red", "nir")),
    *(
        Channel(n, "s2_20m", "reflectance", 0.0, 2.0)
        for n in ("rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22")
    ),
    Channel("vv", "s1", "dB", -60.0, 20.0),
    Channel("vh", "s1", "dB", -60.0, 20.0),
    Channel("temperature", "weather", "K", 180.0, 340.0),
    Channel("precipitation", "weather", "mm", 0.0, 5000.0),
)

CHANNELS: tuple[str, ...] = tuple(c.name for c in _ALL)
"""All channel names in array order."""

INDEX: dict[str, int] = {name: i for i, name in enumerate(CHANNELS)}
"""Position of a channel on the channel axis."""

GROUPS: dict[str, tuple[int, ...]] = {
    g: tuple(i for i, c in enumerate(_ALL) if c.group == g) for g in ("s2_10m", "s2_20m", "s1", "weather")
}
"""Sensor groups: positions of the channels that are seen, or missing, together."""

OPTICAL: tuple[int, ...] = GROUPS["s2_10m"] + GROUPS["s2_20m"]
RADAR: tuple[int, ...] = GROUPS["s1"]
WEATHER: tuple[int, ...] = GROUPS["weather"]


def describe(name: str) -> Channel:
    """The description of one channel; raises KeyError for a name that is none."""
    return _ALL[INDEX[name]]
