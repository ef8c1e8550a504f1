"""The pixels of parcels on a grid: which lie in one, and how much of each."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS, Transformer

from surco.encoder.coverage import cover
from surco.encoder.grid import Window
from surco.encoder.parcels import LON_LAT, Objects, ParcelError, Parcels
from surco.encoder.pool import SHARE

__all__ = ["ParcelIndex"]


class ParcelIndex:
    """Finds the pixels of parcels on a grid.

    Args:
        parcels: in degrees.
        crs: of the grid.
        erode: metres by which parcels are shrunk, 0 or more; 10 keeps pixels of 10 m with a neighbour's crop in
            them out. A parcel of which nothing is left keeps its whole shape; `uneroded` counts these.

    Raises:
        ParcelError: a negative or infinite `erode`, or one on a grid whose unit is not the metre.
    """

    def __init__(self, parcels: Parcels, crs: str, erode: float = 0.0) -> None:
        _check_erosion(crs, erode)
        whole = _on_grid(parcels.geometry, crs)
        shrunk = shapely.buffer(whole, -erode, join_style="mitre") if erode else whole
        self._gone = shapely.is_empty(shrunk) & ~shapely.is_empty(whole)
        self._geometry = np.where(self._gone, whole, shrunk)
        self._tree = shapely.STRtree(self._geometry)

    def touches(self, area: shapely.Geometry) -> bool:
        """Whether any parcel lies in an area given in the grid's CRS."""
        return bool(len(self._tree.query(area, predicate="intersects")))

    def uneroded(self, area: shapely.Geometry) -> int:
        """How many parcels in an area given in the grid's CRS kept their whole shape because nothing was left."""
        return int(self._gone[self._tree.query(area, predicate="intersects")].sum())

    def locate(
        self, window: Window
    ) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.intp], npt.NDArray[np.int64]]:
        """Parcels and the pixels of a window that they cover, (M,) each, sorted by parcel, then pixel.

        A pixel in several parcels occurs with each.

        Returns:
            Row numbers of parcels; pixels of the window, row by row; the share of the pixel's area that lies in the
            parcel, in steps of 1 / `pool.SHARE`. The pixels of a parcel smaller than one share out a whole one.
        """
        near = np.sort(self._tree.query(shapely.box(*window.bounds), predicate="intersects"))
        found = cover(self._geometry[near], window.transform, window.width, window.height)
        area = shapely.area(self._geometry[near]) / abs(window.transform.a * window.transform.e)
        share = found.share / np.minimum(area, 1.0)[found.polygon]
        steps = np.rint(np.minimum(share, 1.0) * SHARE).astype(np.int64)
        kept = steps > 0
        return near[found.polygon[kept]].astype(np.uint64), found.pixel[kept], steps[kept]


def _on_grid(geometry: Objects, crs: str) -> Objects:
    """Parcels in a grid's CRS; empty where it does not reach them, on the other side of the world."""
    move = Transformer.from_crs(LON_LAT, crs, always_xy=True).transform
    moved: Objects = shapely.transform(geometry, move, interleaved=False)
    moved[~np.isfinite(shapely.bounds(moved)).all(axis=1)] = shapely.Polygon()
    return moved


def _check_erosion(crs: str, erode: float) -> None:
    if not 0 <= erode < math.inf:
        raise ParcelError(
            f"Expected 0 m or more to shrink parcels by; got {erode}. Use 10, the width of a pixel, or 0."
        )
    unit = CRS.from_user_input(crs).axis_info[0].unit_name
    if erode and unit != "metre":
        raise ParcelError(
            f"Expected a grid in metres to shrink parcels on; got {crs} in {unit}. Leave erode at 0."
        )
