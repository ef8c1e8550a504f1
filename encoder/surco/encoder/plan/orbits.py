"""How often the satellites pass, by the arithmetic of their orbits: for plans without a catalogue.

Figures of ESA: Sentinel-2 repeats 143 orbits every ten days, two satellites half a cycle apart, with a swath of 290 km
(https://sentiwiki.copernicus.eu/web/s2-mission); Sentinel-1 repeats 175 orbits every twelve days with 250 km in its
wide mode (https://sentiwiki.copernicus.eu/web/s1-mission), one satellite, on rising and falling passes: the Andes are
among the tectonic regions watched both ways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.embedstore import Season

__all__ = ["UNCERTAIN", "Passes", "expected_passes"]

UNCERTAIN = {"optical": 0.15, "radar": 0.5}
"""By which share the real number of passes of a place may differ: tracks lie where they lie, and plans of acquisition
change. South of 50 degrees there are fewer optical ones still: in June the sun is too low to process them."""

Floats = npt.NDArray[np.float64]

_EQUATOR_KM = 40_075.0


@dataclass(frozen=True, slots=True)
class _Mission:
    swath_km: float
    orbits: int  # of a cycle
    inclination: float  # degrees
    every_days: float  # a track is flown again, by any satellite
    directions: int


_S2 = _Mission(290.0, 143, 98.62, 5.0, 1)
_S1 = _Mission(250.0, 175, 98.18, 12.0, 2)

_MGRS_KM, _MGRS_STEP_KM = 109.8, 100.0
"""Scenes of Sentinel-2 are cut into squares of 109.8 km every 100 km: what overlaps is there, and read, twice."""


@dataclass(frozen=True, slots=True, eq=False)
class Passes:
    """For N places what a season has.

    Attributes:
        optical, radar: (N,) passes over a place, clouds or not.
        optical_scenes, radar_scenes: (N,) scenes that touch a square of 10 km there.
        overlap: how often a place is in the optical scenes of one pass, on average.
    """

    optical: Floats
    radar: Floats
    optical_scenes: Floats
    radar_scenes: Floats
    overlap: float


def expected_passes(latitude: Floats, season: Season, side_km: float = 10.24) -> Passes:
    """Passes over (N,) latitudes in degrees in a season, up to its last day."""
    days = (season.last_day - season.start).days + 1
    optical, radar = (_passes(mission, latitude, days) for mission in (_S2, _S1))
    squares = 1.0 + (_MGRS_KM - _MGRS_STEP_KM + side_km) / _MGRS_STEP_KM
    return Passes(optical, radar, optical * squares**2, radar, (_MGRS_KM / _MGRS_STEP_KM) ** 2)


def _passes(mission: _Mission, latitude: Floats, days: int) -> Floats:
    """Tracks that see a place, on average, times how often each is flown."""
    cosine = np.cos(np.radians(latitude))
    # Of the direction of flight against the meridian: tracks lie closer across it than along the parallel.
    sine = np.clip(np.cos(np.radians(mission.inclination)) / cosine, -1, 1)
    apart = _EQUATOR_KM / mission.orbits * cosine * np.sqrt(1 - sine**2)
    found: Floats = mission.swath_km / apart * mission.directions * days / mission.every_days
    return found
