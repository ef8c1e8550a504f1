"""From a raster of objects to polygons that share their edges: no overlaps, no slivers, nothing invalid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.boundaries.field_objects import FieldObjects
from surco.adapters.boundaries.outlines import polygons_of_labels
from surco.adapters.boundaries.small_objects import merge_small
from surco.adapters.errors import SettingsError

__all__ = ["FieldPolygons", "field_polygons"]


@dataclass(frozen=True, slots=True, eq=False)
class FieldPolygons:
    """n fields as a coverage: no two overlap, and neighbours have the vertices of their shared edge in common.

    Attributes:
        geometry: (n,) valid polygons in `crs`.
        confidence: (n,) float32, 0 to 1.
        crs: of the raster they were drawn from.
    """

    geometry: npt.NDArray[np.object_]
    confidence: npt.NDArray[np.float32]
    crs: str

    def __len__(self) -> int:
        return len(self.geometry)


def field_polygons(
    objects: FieldObjects,
    *,
    min_area: float = 500.0,
    min_width: float = 10.0,
    max_hole: float = 2_000.0,
    tolerance: float = 10.0,
) -> FieldPolygons:
    """Draw the outlines of objects.

    Objects that are not connected by pixels' edges become several. Those too small or too thin go to the neighbour
    with the longest shared edge, or away where that is the background (`small_objects.merge_small`). Outlines are
    then smoothed and simplified for all fields at once (`outlines`), so that neighbours keep one edge.

    Args:
        objects: on a grid in metres.
        min_area: m², smaller objects are merged or dropped.
        min_width: m; objects whose mean width, 2 area / perimeter, is below it are slivers. 10 leaves no strip of
            one pixel of 10 m.
        max_hole: m²; smaller holes in and between fields are filled.
        tolerance: m; what is cut off or filled in has less than its square. 0 keeps the pixels' stairs.

    Raises:
        SettingsError: a size below 0 or not finite.
    """
    sizes = {"min_area": min_area, "min_width": min_width, "max_hole": max_hole, "tolerance": tolerance}
    for name, size in sizes.items():
        if not 0 <= size < np.inf:
            raise SettingsError(
                f"expected {name} of 0 or more, in metres; got {size}: leave it out for its default"
            )
    pixel_area = abs(objects.transform.a * objects.transform.e)
    pixel = float(np.sqrt(pixel_area))
    labels, confidence = merge_small(
        objects.labels,
        objects.confidence,
        min_pixels=min_area / pixel_area,
        min_width=min_width / pixel,
        hole_pixels=max_hole / pixel_area,
    )
    return FieldPolygons(
        polygons_of_labels(labels, objects.transform, tolerance / pixel), confidence, objects.crs
    )
