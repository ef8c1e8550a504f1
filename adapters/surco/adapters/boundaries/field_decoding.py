"""From what the network says of each pixel to fields: a watershed within the extent, and how sure each field is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from surco.adapters.boundaries.watershed import hierarchical_watershed

__all__ = ["FieldHeads", "decode_fields"]

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class FieldHeads:
    """What the network says of each pixel, each (H, W) float32, 0 to 1, 0 where nothing was seen.

    Attributes:
        extent: probability of being a field's.
        boundary: probability of lying at a field's edge.
        distance: to the nearest edge, as a share of the field's largest.
    """

    extent: Floats
    boundary: Floats
    distance: Floats


def decode_fields(
    heads: FieldHeads, valid: npt.NDArray[np.bool_], *, height: float, extent: float, min_pixels: int
) -> tuple[Labels, Floats]:
    """Fields (H, W) int32, 1 to n, 0 = none, and the confidence (n,) float32 of each.

    Args:
        heads: see `FieldHeads`.
        valid: (H, W), True = seen.
        height: mean probability of a border from which it parts two fields.
        extent: probability from which a pixel is a field's.
        min_pixels: smaller fields join a neighbour, and are dropped where they have none.
    """
    inside = valid & (heads.extent >= extent)
    labels = hierarchical_watershed(heads.boundary, inside, height=height, min_pixels=min_pixels)
    labels = _large(labels, min_pixels)
    return labels, _confidence(labels, heads)


def _large(labels: Labels, min_pixels: int) -> Labels:
    kept = np.bincount(labels.ravel()) >= min_pixels
    kept[0] = False
    numbered: Labels = np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels]
    return numbered


def _confidence(labels: Labels, heads: FieldHeads) -> Floats:
    """Geometric mean of three means: the extent, the boundary along the edge, and no boundary within."""
    count = int(labels.max(initial=0))
    edge = ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)
    parts = (
        _means(heads.extent, labels, count),
        _means(heads.boundary, labels * edge, count),
        1 - _means(heads.boundary, labels * ~edge, count),
    )
    sure: Floats = np.clip(np.prod(parts, axis=0) ** (1 / 3), 0, 1).astype(np.float32)
    return sure


def _means(values: Floats, labels: npt.NDArray[np.integer], count: int) -> npt.NDArray[np.float64]:
    """Mean (count,) over labels 1 to count, 0 where one has no pixel."""
    total = np.bincount(labels.ravel(), values.ravel(), count + 1)
    return total[1:] / np.maximum(np.bincount(labels.ravel(), minlength=count + 1)[1:], 1)
