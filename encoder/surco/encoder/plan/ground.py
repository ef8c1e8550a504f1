"""Which places a run is to encode: a region's land, within polygons, within cropland."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from threading import Lock

import numpy as np
import numpy.typing as npt
import shapely

from surco.embedstore import comuna_at
from surco.encoder.plan.cropland import Cropland

__all__ = ["EVERYWHERE", "Ground"]

Bools = npt.NDArray[np.bool_]
_ASKING = Lock()
"""What GEOS prepares of a polygon it makes when first asked: one thread at a time."""

Degrees = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ground:
    """The places of a run; what is None asks for nothing.

    Attributes:
        comunas: official codes, ascending; a place counts if the H3 cell of resolution 9 around it lies in one.
        polygon: WKB in degrees, OGC:CRS84; a place counts if it lies inside.
        cropland: mask of farmed land.
    """

    comunas: tuple[int, ...] | None = None
    polygon: bytes | None = None
    cropland: Cropland | None = None

    def holds(self, lonlat: Degrees) -> Bools:
        """Which of (N, 2) places in degrees count, (N,).

        Raises:
            PlanError: the mask of cropland has gone or changed.
        """
        inside = np.ones(len(lonlat), np.bool_)
        for test in (self._in_polygon, self._in_comunas, self._on_cropland):
            rows = np.flatnonzero(inside)
            if not len(rows):
                break
            inside[rows] = test(lonlat[rows])
        return inside

    def _in_polygon(self, lonlat: Degrees) -> Bools:
        if self.polygon is None:
            return np.ones(len(lonlat), np.bool_)
        with _ASKING:
            found: Bools = shapely.intersects_xy(_prepared(self.polygon), lonlat[:, 0], lonlat[:, 1])
        return found

    def _in_comunas(self, lonlat: Degrees) -> Bools:
        if self.comunas is None:
            return np.ones(len(lonlat), np.bool_)
        found = comuna_at(lonlat[:, 0], lonlat[:, 1]).fill_null(0).to_numpy(zero_copy_only=False)
        wanted: Bools = _wanted(self.comunas)[found]
        return wanted

    def _on_cropland(self, lonlat: Degrees) -> Bools:
        return np.ones(len(lonlat), np.bool_) if self.cropland is None else self.cropland.holds(lonlat)


EVERYWHERE = Ground()
"""No place is left out."""


@cache
def _prepared(polygon: bytes) -> shapely.Geometry:
    shape = shapely.from_wkb(polygon)
    shapely.prepare(shape)
    return shape


@cache
def _wanted(comunas: tuple[int, ...]) -> Bools:
    """(65536,) whether a code is among the wanted ones; 0 stands for no comuna."""
    table = np.zeros(1 << 16, np.bool_)
    table[list(comunas)] = True
    return table
