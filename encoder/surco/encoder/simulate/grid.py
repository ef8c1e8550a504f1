"""The UTM grid of a synthetic area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import shapely
from pyproj import Transformer

from surco.encoder.errors import SimulationError

__all__ = ["Grid", "check_place", "grid_at"]

_SMALLEST, _LARGEST = 200.0, 20_000.0


@dataclass(frozen=True, slots=True)
class Grid:
    """A rectangle of a UTM zone: upper left corner, width and height in m, multiples of 20.

    `center` is longitude and latitude, `bbox` west, south, east and north in degrees.
    """

    epsg: int
    left: float
    top: float
    width: float
    height: float
    center: tuple[float, float]
    bbox: tuple[float, float, float, float]

    def to_lonlat(self, local: shapely.Geometry) -> Any:
        """A geometry in metres from the lower left corner, as longitude and latitude."""
        transform = Transformer.from_crs(self.epsg, 4326, always_xy=True).transform
        bottom = self.top - self.height
        return shapely.transform(local, lambda x, y: transform(x + self.left, y + bottom), interleaved=False)


def check_place(center: tuple[float, float], size_m: tuple[float, float]) -> None:
    """Raises SimulationError for a place whose seasons are not those of the calendar, or an impossible size."""
    longitude, latitude = center
    if not (-180 <= longitude <= 180 and -60 <= latitude < 0):
        raise SimulationError(
            f"expected a center (longitude, latitude) south of the equator; got {center}; "
            "give degrees, longitude first, for example (-71.6, -35.4)"
        )
    if not all(_SMALLEST <= side <= _LARGEST for side in size_m):
        raise SimulationError(
            f"expected a width and height of {_SMALLEST:.0f} to {_LARGEST:.0f} m; got {size_m}; give metres"
        )


def grid_at(center: tuple[float, float], size_m: tuple[float, float]) -> Grid:
    """The grid round a center, aligned to 20 m."""
    longitude, latitude = center
    epsg = (32600 if latitude >= 0 else 32700) + min(int((longitude + 180) // 6) + 1, 60)
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(longitude, latitude)
    width, height = (20.0 * round(side / 20) for side in size_m)
    left, top = 20.0 * round((x - width / 2) / 20), 20.0 * round((y + height / 2) / 20)
    bounds = Transformer.from_crs(epsg, 4326, always_xy=True).transform_bounds(
        left, top - height, left + width, top
    )
    return Grid(epsg, left, top, width, height, (longitude, latitude), tuple(round(b, 9) for b in bounds))  # type: ignore[arg-type]
