"""From drawn fields to what each pixel should say: extent, boundary, distance, and where that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["UNKNOWN", "field_targets"]

UNKNOWN = -1
"""In a raster of fields: nobody said whether there is one."""

Floats = npt.NDArray[np.float32]


def field_targets(fields: npt.NDArray[np.integer[Any]]) -> tuple[Floats, Floats]:
    """Targets and weights, each (3, H, W) float32: extent, boundary, distance.

    A boundary is a pixel that has another field, or no field, among its eight neighbours; of pixels without a field
    only those beside one. Distance is that to the nearest boundary as a share of the field's largest. The weight is 1
    where the target is known and 0 elsewhere.

    Args:
        fields: (H, W), number of the field, 0 = none, `UNKNOWN` = not said.
    """
    inside = fields > 0
    said = fields != UNKNOWN
    low, high = ndimage.minimum_filter(fields, 3), ndimage.maximum_filter(fields, 3)
    boundary = (low != high) & (high > 0)
    distance = ndimage.distance_transform_edt(inside & ~boundary)
    numbers = np.where(inside, fields, 0)
    largest = ndimage.maximum(distance, numbers, np.arange(int(numbers.max(initial=0)) + 1))
    share = distance / np.maximum(np.asarray(largest)[numbers], 1.0) * inside
    targets = np.stack([inside, boundary, share]).astype(np.float32)
    return targets, np.stack([said, said | boundary, said]).astype(np.float32)
