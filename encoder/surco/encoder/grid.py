"""The 10 m grid over the area to encode, cut into windows that are worked on one at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from pyproj import CRS, Transformer

from surco.encoder.area import project
from surco.encoder.errors import SceneError
from surco.encoder.scenes import Scene

__all__ = ["PIXEL_M", "TILE_PIXELS", "Grid", "Window", "make_grid", "to_degrees"]

PIXEL_M = 10.0
SNAP_M = 20.0
"""Corners lie on multiples of the 20 m bands' pixels, so that these are never cut in two."""

TILE_PIXELS = 256
"""A tile of 256 x 256 pixels holds 44 MB of composites; a crash loses a minute of work at most."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the grid: `row` and `column` count tiles from the upper left."""

    row: int
    column: int
    crs: str
    transform: Affine
    width: int
    height: int

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in `crs`."""
        left, top = self.transform.c, self.transform.f
        return left, top + self.height * self.transform.e, left + self.width * self.transform.a, top

    def padded(self, pixels: int) -> Window:
        """The same window with a margin on all sides."""
        a, b, left, d, e, top = self.transform[:6]
        transform = Affine(a, b, left - pixels * a, d, e, top - pixels * e)
        return Window(
            self.row, self.column, self.crs, transform, self.width + 2 * pixels, self.height + 2 * pixels
        )

    def centres(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """X and y of the pixel centres in `crs`, each (H * W,), row by row."""
        x = self.transform.c + (np.arange(self.width) + 0.5) * self.transform.a
        y = self.transform.f + (np.arange(self.height) + 0.5) * self.transform.e
        grid = np.meshgrid(x, y)
        return grid[0].ravel(), grid[1].ravel()

    def lonlat(self) -> npt.NDArray[np.float64]:
        """Longitude and latitude of the pixel centres in degrees, (H * W, 2), row by row."""
        return to_degrees(self.crs, *self.centres())

    def inside(self, area: shapely.Geometry) -> npt.NDArray[np.bool_]:
        """Which pixel centres lie in an area given in `crs`, (H, W)."""
        x, y = self.centres()
        shapely.prepare(area)
        found: npt.NDArray[np.bool_] = shapely.intersects_xy(area, x, y)
        return found.reshape(self.height, self.width)


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid of 10 m pixels: CRS, upper left corner in metres, size in pixels, and the area in `crs`."""

    crs: str
    left: float
    top: float
    width: int
    height: int
    area: shapely.Geometry

    def windows(self, size: int = TILE_PIXELS) -> Iterator[Window]:
        """Cut the grid into windows of at most `size` pixels a side, row by row, without those off the area."""
        for row in range(math.ceil(self.height / size)):
            for column in range(math.ceil(self.width / size)):
                window = self._window(row, column, size)
                if self.area.intersects(shapely.box(*window.bounds)):
                    yield window

    def _window(self, row: int, column: int, size: int) -> Window:
        left, top = self.left + column * size * PIXEL_M, self.top - row * size * PIXEL_M
        transform = Affine(PIXEL_M, 0.0, left, 0.0, -PIXEL_M, top)
        width = min(size, self.width - column * size)
        return Window(row, column, self.crs, transform, width, min(size, self.height - row * size))


def make_grid(scenes: Sequence[Scene], area: shapely.Geometry | None = None) -> Grid:
    """Lay the grid over an area, in the CRS of most Sentinel-2 scenes.

    Args:
        scenes: of one run. Without Sentinel-2 the Sentinel-1 scenes decide.
        area: in degrees, OGC:CRS84; None takes what the optical (else all) scenes cover.

    Raises:
        SceneError: nothing to lay a grid over.
    """
    leading = [s for s in scenes if s.sensor == "sentinel-2"] or [s for s in scenes if s.sensor != "dem"]
    if not leading:
        raise SceneError(
            "Expected at least one Sentinel-2 or Sentinel-1 scene; got none. Use another catalogue."
        )
    crs = _majority_crs(leading)
    covered = shapely.union_all([_cover(scene, crs) for scene in _distinct(leading)])
    wanted = covered if area is None else project(area, "OGC:CRS84", crs)
    left, bottom, right, top = wanted.bounds
    left, top = math.floor(left / SNAP_M) * SNAP_M, math.ceil(top / SNAP_M) * SNAP_M
    width = math.ceil((right - left) / SNAP_M) * round(SNAP_M / PIXEL_M)
    height = math.ceil((top - bottom) / SNAP_M) * round(SNAP_M / PIXEL_M)
    return Grid(crs, left, top, width, height, wanted)


def to_degrees(crs: str, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Longitude and latitude in degrees of N points of a CRS, (N, 2)."""
    return np.column_stack(_to_degrees(crs).transform(x, y))


@cache
def _to_degrees(crs: str) -> Transformer:
    # Making one takes longer than it takes to place a thousand pixels.
    return Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)


def _majority_crs(scenes: Sequence[Scene]) -> str:
    """The projected CRS that most scenes state, else the UTM zone of the middle of their footprints."""
    stated = Counter(s.crs for s in scenes if s.crs and CRS.from_user_input(s.crs).is_projected)
    if stated:
        return stated.most_common(1)[0][0]
    middle = shapely.union_all([scene.footprint for scene in scenes]).centroid
    zone = int((middle.x + 180) // 6) % 60 + 1
    return f"EPSG:{(32600 if middle.y >= 0 else 32700) + zone}"


def _distinct(scenes: Sequence[Scene]) -> list[Scene]:
    """One scene of each extent: a season repeats the same few dozens of times."""
    return list({(s.crs, s.extent) if s.extent else s.footprint.wkb: s for s in scenes}.values())


def _cover(scene: Scene, crs: str) -> shapely.Geometry:
    """What a scene covers: its raster's own rectangle where stated, which is exact, else its footprint."""
    if scene.extent is not None and scene.crs is not None:
        return project(shapely.box(*scene.extent), scene.crs, crs)
    return project(scene.footprint, "OGC:CRS84", crs)
