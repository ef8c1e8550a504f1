"""The national grid: tiles of 1,024 x 1,024 pixels of 10 m at fixed places of each UTM zone.

A tile's name and pixels depend on nothing that is asked for, so that two runs that share ground share tiles. A pixel
belongs to one zone, that of its centre's longitude: zones overlap nowhere and leave nothing out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine

from surco.encoder.grid import PIXEL_M, TILE_PIXELS, Window, to_degrees
from surco.encoder.plan.errors import PlanError
from surco.encoder.plan.ground import EVERYWHERE, Ground

__all__ = ["TILE_M", "WINDOWS", "LandTile", "tile_name", "zone_of"]

TILE_M = 10_240.0
"""Side of a tile: 1,024 pixels of 10 m, a whole number of pixels of 20 m as well."""
WINDOWS = 4
"""Windows in a row, and rows of them, of a tile."""

_ZONES = 60
_SOUTH = 32700
_NAME = re.compile(r"(\d{2})S-(\d{4})-(\d{4})")
_ALL = (1 << WINDOWS * WINDOWS) - 1

Bools = npt.NDArray[np.bool_]
Degrees = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LandTile:
    """A tile of the national grid with what of it a run is to encode.

    Attributes:
        zone: of UTM, southern half; 18 and 19 are Chile's mainland.
        column, row: its left and its lower edge, in tiles of `TILE_M` from the zone's origin.
        ground: the places that count.
        step: every how many metres a pixel is looked at, in both directions: 10 is every pixel, 640 one in 4,096.
            Those of a larger step are some of those of a smaller one.
        occupied: bit `4 * row + column` of each window, from the upper left, that may hold a place that counts.
        pixels: of 10 m that count, about; 0 where nobody counted.

    Raises:
        PlanError: a step that does not divide a window, or no window at all.
    """

    zone: int
    column: int
    row: int
    ground: Ground = EVERYWHERE
    step: int = 10
    occupied: int = _ALL
    pixels: int = 0

    def __post_init__(self) -> None:
        side = round(PIXEL_M) * TILE_PIXELS
        if not 0 < self.occupied <= _ALL:
            raise PlanError(f"Expected windows 1 to {_ALL} of a tile; got {self.occupied}. Plan anew.")
        if self.step < PIXEL_M or self.step % round(PIXEL_M) or side % self.step:
            steps = ", ".join(str(10 << power) for power in range(9))
            raise PlanError(f"Expected a step of {steps} m; got {self.step}. Choose one of these.")

    @classmethod
    def named(cls, name: str, ground: Ground = EVERYWHERE, step: int = 10) -> LandTile:
        """The tile of a name such as `19S-0034-0617`; raises PlanError for another text."""
        match = _NAME.fullmatch(name)
        if match is None or not 1 <= int(match[1]) <= _ZONES:
            raise PlanError(
                f"Expected a tile's name such as 19S-0034-0617; got {name!r}. Take one from a plan."
            )
        return cls(int(match[1]), int(match[2]), int(match[3]), ground, step)

    @property
    def name(self) -> str:
        """Zone, column and row: `19S-0034-0617`."""
        return tile_name(self.zone, self.column, self.row)

    @property
    def crs(self) -> str:
        """`EPSG:32719` of zone 19."""
        return f"EPSG:{_SOUTH + self.zone}"

    @property
    def left(self) -> float:
        """Easting of the left edge in m."""
        return self.column * TILE_M

    @property
    def top(self) -> float:
        """Northing of the upper edge in m."""
        return (self.row + 1) * TILE_M

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in `crs`."""
        return self.left, self.top - TILE_M, self.left + TILE_M, self.top

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        left, bottom, right, top = self.bounds
        x = np.array([left, right, left, right, (left + right) / 2, (left + right) / 2])
        y = np.array([bottom, bottom, top, top, bottom, top])
        lonlat = to_degrees(self.crs, x, y)
        (west, south), (east, north) = lonlat.min(axis=0).tolist(), lonlat.max(axis=0).tolist()
        return west, south, east, north

    @property
    def outline(self) -> shapely.Polygon:
        """The tile in degrees, by its corners: its sides bend by less than two pixels."""
        return self._polygon(0, 0, WINDOWS, WINDOWS)

    @property
    def reach(self) -> shapely.Polygon:
        """The rectangle round the windows that may hold a place that counts, in degrees as `outline`."""
        places = [place for place in range(WINDOWS * WINDOWS) if self.occupied >> place & 1]
        rows, columns = {place // WINDOWS for place in places}, {place % WINDOWS for place in places}
        return self._polygon(min(rows), min(columns), max(rows) + 1, max(columns) + 1)

    def _polygon(self, first_row: int, first_column: int, end_row: int, end_column: int) -> shapely.Polygon:
        side = TILE_PIXELS * PIXEL_M
        left, right = self.left + first_column * side, self.left + end_column * side
        bottom, top = self.top - end_row * side, self.top - first_row * side
        x, y = np.array([left, right, right, left]), np.array([bottom, bottom, top, top])
        return shapely.Polygon(to_degrees(self.crs, x, y))

    def windows(self) -> Iterator[Window]:
        """The windows that may hold a place that counts, row by row.

        A window's pixels are those of the step: with a step of 640 m it is 4 x 4 pixels, each standing for the one of
        10 m round its centre.
        """
        for place in range(WINDOWS * WINDOWS):
            if self.occupied >> place & 1:
                yield self.window(*divmod(place, WINDOWS))

    def window(self, row: int, column: int) -> Window:
        """The window of a row (from the top) and column, 0 to 3."""
        return self._cut(row, column, TILE_PIXELS * PIXEL_M)

    def whole(self) -> Window:
        """All of the tile as one window: with a large step, to look it over."""
        return self._cut(0, 0, TILE_M)

    def _cut(self, row: int, column: int, side: float) -> Window:
        # The centre of a coarse pixel is moved onto that of the pixel of 10 m right below it.
        shift = PIXEL_M / 2 if self.step // round(PIXEL_M) % 2 == 0 else 0.0
        left, top = self.left + column * side + shift, self.top - row * side - shift
        count = round(side) // self.step
        return Window(row, column, self.crs, Affine(self.step, 0.0, left, 0.0, -self.step, top), count, count)

    def lonlat(self, window: Window) -> Degrees:
        """Longitude and latitude of a window's pixel centres in degrees, (H * W, 2), row by row."""
        return to_degrees(self.crs, *window.centres())

    def inside(self, window: Window) -> Bools:
        """Which pixels of a window count, (H, W): those of the zone's strip on the ground of the run.

        Raises:
            PlanError: the mask of cropland has gone or changed.
        """
        lonlat = self.lonlat(window)
        found: Bools = zone_of(lonlat[:, 0]) == self.zone
        rows = np.flatnonzero(found)
        found[rows] = self.ground.holds(lonlat[rows])
        return found.reshape(window.height, window.width)


def tile_name(zone: int, column: int, row: int) -> str:
    """The name of the tile at a column and row of a zone."""
    return f"{zone:02d}S-{column:04d}-{row:04d}"


def zone_of(longitude: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The UTM zone of each longitude in degrees: strips of six degrees, a meridian belongs to the one east of it."""
    return (np.floor((longitude + 180.0) / 6.0).astype(np.int64) % _ZONES) + 1
