"""Fields without training: where the vectors of neighbouring pixels differ there is a border."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from surco.adapters.boundaries.field_objects import FieldObjects
from surco.adapters.boundaries.pixel_vectors import PixelVectors
from surco.adapters.boundaries.watershed import hierarchical_watershed
from surco.adapters.errors import SettingsError

__all__ = ["gradient_objects", "vector_gradient"]

Floats = npt.NDArray[np.float32]


def vector_gradient(area: PixelVectors, *, sigma: float = 0.4) -> Floats:
    """How fast the vectors change, (H, W) float32: the length of the gradient over all dimensions, per pixel of way.

    Vectors are smoothed by a Gaussian of `sigma` pixels, with pixels that were not seen left out (normalised
    convolution), then differed over two pixels. Where nothing was seen it is 0.
    """
    weight = ndimage.gaussian_filter(area.valid.astype(np.float32), sigma)
    filled = np.where(area.valid[..., None], area.vectors, np.float32(0))
    smooth = ndimage.gaussian_filter(filled, (sigma, sigma, 0)) / np.maximum(weight, 1e-6)[..., None]
    padded = np.pad(smooth, ((1, 1), (1, 1), (0, 0)), mode="edge")
    seen = np.pad(area.valid, 1, mode="edge")
    down = _length(padded[2:, 1:-1] - padded[:-2, 1:-1], seen[2:, 1:-1] & seen[:-2, 1:-1])
    right = _length(padded[1:-1, 2:] - padded[1:-1, :-2], seen[1:-1, 2:] & seen[1:-1, :-2])
    gradient: Floats = np.where(area.valid, np.hypot(down, right), 0.0).astype(np.float32)
    return gradient


def _length(difference: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Half the length of each difference (H, W), 0 where one of its ends was not seen."""
    length: Floats = np.where(known, np.linalg.norm(difference, axis=2) / 2, 0.0).astype(np.float32)
    return length


def gradient_objects(
    area: PixelVectors, *, contrast: float = 0.5, sigma: float = 0.4, min_pixels: int = 10
) -> FieldObjects:
    """Fields from the vectors' gradient by a hierarchical watershed: no training, and no idea of what a field is.

    Every even segment counts as a field, woods too; those as restless as a border, roads and towns mostly, are left
    out. `confidence` is the mean height of a segment's edge above that of its inside, as a share of both.

    Args:
        area: vectors of any encoder.
        contrast: mean height of a border that parts two segments, as a share of the area's 95th percentile.
        sigma: of the smoothing, in pixels.
        min_pixels: smaller segments join a neighbour; those without one are dropped.

    Raises:
        SettingsError: a contrast, sigma or size that is not positive.
    """
    if not (contrast > 0 and sigma > 0 and min_pixels >= 1):
        raise SettingsError(
            f"expected a positive contrast, sigma and min_pixels; got {contrast}, {sigma}, {min_pixels}: "
            "leave them out to take the usual ones"
        )
    gradient = vector_gradient(area, sigma=sigma)
    strong = float(np.percentile(gradient[area.valid], 95)) if area.valid.any() else 1.0
    height = contrast * max(strong, 1e-6)
    labels = hierarchical_watershed(gradient, area.valid, height=height, min_pixels=min_pixels)
    labels = _even(labels, gradient, height, min_pixels)
    return FieldObjects(labels, _edge_contrast(labels, gradient), area.transform, area.crs)


def _even(
    labels: npt.NDArray[np.int32], gradient: Floats, height: float, min_pixels: int
) -> npt.NDArray[np.int32]:
    """Segments of enough pixels whose median gradient is below `height`, numbered again."""
    count = int(labels.max(initial=0))
    typical = np.asarray(ndimage.median(gradient, labels, np.arange(count + 1)))
    kept = (np.bincount(labels.ravel(), minlength=count + 1) >= min_pixels) & (typical < height)
    kept[0] = False
    even: npt.NDArray[np.int32] = np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels]
    return even


def _edge_contrast(labels: npt.NDArray[np.int32], gradient: Floats) -> Floats:
    """(edge - inside) / (edge + inside) of the mean gradient of each segment, 0 to 1."""
    differs = ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)
    count = int(labels.max(initial=0))
    edge = _means(gradient, labels * differs, count)
    inside = _means(gradient, labels * ~differs, count)
    contrast: Floats = np.clip((edge - inside) / np.maximum(edge + inside, 1e-9), 0.0, 1.0).astype(np.float32)
    return contrast


def _means(values: Floats, labels: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.float64]:
    """Mean (count,) over labels 1 to count, 0 where one has no pixel."""
    total = np.bincount(labels.ravel(), values.ravel(), count + 1)
    return total[1:] / np.maximum(np.bincount(labels.ravel(), minlength=count + 1)[1:], 1)
