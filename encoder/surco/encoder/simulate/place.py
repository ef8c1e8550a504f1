"""Where in Chile a place is: its region, its climate, how high it lies, and which orchards the survey counts there."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from surco.encoder.errors import SimulationError
from surco.encoder.simulate.climate import CLIMATES

__all__ = ["Place", "orchard_hectares", "place_at"]

_STRIP, _MARGIN = 0.2, 0.05  # degrees: between the table's latitudes, and what its edges may be wrong by
_NORTH_ENDS, _SOUTH_BEGINS = -32.2, -36.9  # degrees of latitude: Petorca, Laja


@dataclass(frozen=True, slots=True)
class Place:
    """A place of continental Chile: official code and name of its region, climate, and elevation in m of its farmland.

    The elevation is no measurement: it rises from the sea to the Andes over the range of the climate's farmed land.
    """

    code: int
    region: str
    climate: str
    elevation: float


def place_at(longitude: float, latitude: float) -> Place:
    """The place at a point in degrees.

    Regions after the limits of the Biblioteca del Congreso Nacional, at every fifth of a degree of latitude.

    Raises:
        SimulationError: outside continental Chile.
    """
    rows = [
        row
        for row in _regions()
        if abs(row[2] - latitude) <= _STRIP / 2 + 1e-9 and row[3] - _MARGIN <= longitude <= row[4] + _MARGIN
    ]
    if not rows:
        raise SimulationError(
            f"expected a place in continental Chile; got longitude {longitude:g}, latitude {latitude:g}; "
            "give degrees, longitude first, for example -71.6,-35.45,-71.57,-35.43"
        )
    code, region, *_ = min(
        rows, key=lambda row: (abs(row[2] - latitude), abs(row[3] + row[4] - 2 * longitude))
    )
    west, east = min(row[3] for row in rows), max(row[4] for row in rows)
    climate = "north" if latitude > _NORTH_ENDS else "central" if latitude > _SOUTH_BEGINS else "south"
    low, high = CLIMATES[climate].elevation
    share = min(max((longitude - west) / max(east - west, 1e-9), 0.0), 1.0)
    return Place(code, region, climate, round(low + share * (high - low), 1))


def orchard_hectares(code: int) -> Mapping[str, float]:
    """Hectares of orchards by class in a region's latest survey (Catastro Fruticola, ODEPA-CIREN), if any."""
    return {crop: hectares for region, crop, hectares in _orchards() if region == code}


@cache
def _regions() -> tuple[tuple[int, str, float, float, float], ...]:
    return tuple(
        (int(row["code"]), row["region"], float(row["latitude"]), float(row["west"]), float(row["east"]))
        for row in _read("regions.csv")
    )


@cache
def _orchards() -> tuple[tuple[int, str, float], ...]:
    return tuple((int(row["code"]), row["crop"], float(row["hectares"])) for row in _read("orchards.csv"))


def _read(name: str) -> list[dict[str, str]]:
    with files("surco.encoder.simulate").joinpath(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
