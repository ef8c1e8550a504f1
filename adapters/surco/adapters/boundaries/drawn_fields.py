"""Fields that somebody drew, as rasters on the pixels of their areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.features import rasterize

from surco.adapters.boundaries.field_targets import UNKNOWN
from surco.adapters.boundaries.pixel_vectors import PixelVectors
from surco.adapters.errors import LabelsError

__all__ = ["drawn_fields"]

Labels = npt.NDArray[np.int32]


def drawn_fields(areas: Sequence[PixelVectors], drawn: Sequence[Any]) -> list[Labels]:
    """One raster (H, W) int32 an area: number of the field, 0 = no field, -1 = not said.

    Args:
        areas: what the rasters lie on.
        drawn: of each area polygons in its CRS, or such a raster.

    Raises:
        LabelsError: not one entry an area, a raster of another shape or type, something else than polygons, an area
            without a field.
    """
    if len(drawn) != len(areas):
        raise LabelsError(
            f"expected drawn fields for each area; got {len(areas)} areas and {len(drawn)} sets of fields: "
            "give one list of polygons, or one raster, an area"
        )
    return [_raster(area, given, i) for i, (area, given) in enumerate(zip(areas, drawn, strict=True))]


def _raster(area: PixelVectors, given: Any, place: int) -> Labels:
    is_raster = isinstance(given, np.ndarray) and given.dtype.kind in "iu"
    fields = _checked(area, given, place) if is_raster else _drawn(area, given, place)
    if not (fields > 0).any():
        raise LabelsError(
            f"expected a field in area {place}; got none on its pixels: draw one inside of it, in {area.crs}"
        )
    return fields


def _checked(area: PixelVectors, given: npt.NDArray[Any], place: int) -> Labels:
    if given.shape != area.shape or given.min(initial=0) < UNKNOWN or given.max(initial=0) >= 2**31:
        raise LabelsError(
            f"expected a raster {area.shape} of field numbers from -1 in area {place}; got {given.shape} from "
            f"{given.min(initial=0)}: rasterise the fields on the pixels of the vectors"
        )
    return given.astype(np.int32)


def _drawn(area: PixelVectors, given: Any, place: int) -> Labels:
    shapes = np.asarray(list(given) if isinstance(given, Sequence | np.ndarray) else [given], dtype=object)
    wrong = [s for s in shapes if not isinstance(s, shapely.Polygon | shapely.MultiPolygon) or s.is_empty]
    if wrong or not len(shapes):
        raise LabelsError(
            f"expected polygons for area {place}; got {wrong[0]!r:.60}: draw fields as polygons"
            if wrong
            else f"expected polygons for area {place}; got none: draw at least one field"
        )
    numbered = [(shapely.make_valid(shape), i) for i, shape in enumerate(shapes, start=1)]
    return np.asarray(
        rasterize(numbered, area.shape, fill=UNKNOWN, transform=area.transform, dtype="int32"), np.int32
    )
