"""Labels as pixels: which vectors of a raster lie in labelled points and polygons; and a fair sample of all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from surco.adapters.boundaries.windows import overlapping_windows
from surco.adapters.spatial_context import edge_scale
from surco.api.pixel_areas import PixelArea
from surco.api.refusals import UnknownError
from surco.embedstore import Labels
from surco.encoder.area import project
from surco.encoder.coverage import cover

__all__ = ["LabelledPixels", "PixelSample", "labelled_pixels", "sample_pixels"]

MOST_OF_A_LABEL = 25
"""Pixels of one polygon: more say little more of its class, and drown the labels of small fields."""
_WINDOWS, _SIDE, _ROWS = 9, 192, 20_000


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPixels:
    """Vectors with a class.

    Attributes:
        X: (N, D) float32 vectors of pixels that were seen.
        y: (N,) classes, text.
        groups: (N,) number of the label that each came from.
        unmatched: ids of labels that lie on no pixel that was seen.
    """

    X: npt.NDArray[np.float32]
    y: npt.NDArray[np.str_]
    groups: npt.NDArray[np.int64]
    unmatched: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PixelSample:
    """What an area is like: `vectors` (M, D) of at most 20,000 pixels, and the usual step between neighbours."""

    vectors: npt.NDArray[np.float32]
    scale: float


def labelled_pixels(pixels: PixelArea, labels: Labels) -> LabelledPixels:
    """The pixels of labels: the one a point lies in, and of a polygon at most 25, evenly, of which half lies in it.

    A polygon smaller than that gives the pixel it covers most of.

    Raises:
        UnknownError: no label lies on a pixel that was seen.
    """
    label, pixel = _places(pixels, labels)
    vectors, seen = _read(pixels, pixel)
    label, vectors = label[seen], vectors[seen]
    if not len(label):
        raise UnknownError(
            f"Expected labels on pixels that were seen; got none of the {len(labels)} in {labels.path} there. "
            "Check that they lie in the area, longitude first."
        )
    missing = np.setdiff1d(np.arange(len(labels)), label)
    names = np.array(labels.label)[label]
    return LabelledPixels(vectors, names, label, tuple(labels.id[i] for i in missing))


def sample_pixels(pixels: PixelArea) -> PixelSample:
    """Vectors and the usual step between neighbours, from at most nine windows spread evenly over the area."""
    windows = list(overlapping_windows(*pixels.shape, _SIDE, 0))
    chosen = [windows[i] for i in np.unique(np.linspace(0, len(windows) - 1, _WINDOWS).astype(int))]
    rows, scales = [], []
    for window in chosen:
        area = pixels.read(window.inner)
        if area.valid.any():
            seen = area.vectors[area.valid]
            rows.append(seen[:: max(1, len(seen) * len(chosen) // _ROWS)])
            scales.append(edge_scale(area))
    vectors = np.concatenate(rows) if rows else np.zeros((0, pixels.dimension), np.float32)
    return PixelSample(vectors, float(np.median(scales)) if scales else 1.0)


def _places(pixels: PixelArea, labels: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers of labels and of the area's pixels that they are in, row by row."""
    shapes = np.array(
        [project(shape, "OGC:CRS84", pixels.crs) for shape in labels.geometry] + [None], object
    )[:-1]
    flat = shapely.get_dimensions(shapes) == 2
    found = [
        _of_points(pixels, shapes, np.flatnonzero(~flat)),
        _of_polygons(pixels, shapes, np.flatnonzero(flat)),
    ]
    label, pixel = (np.concatenate(side) for side in zip(*found, strict=True))
    order = np.lexsort((pixel, label))
    return label[order], pixel[order]


def _of_points(
    pixels: PixelArea, shapes: npt.NDArray[np.object_], which: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    place, owner = shapely.get_coordinates(shapes[which], return_index=True)
    column = np.floor((place[:, 0] - pixels.transform.c) / pixels.transform.a).astype(np.int64)
    row = np.floor((place[:, 1] - pixels.transform.f) / pixels.transform.e).astype(np.int64)
    height, width = pixels.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return which[owner][inside].astype(np.int64), (row * width + column)[inside]


def _of_polygons(
    pixels: PixelArea, shapes: npt.NDArray[np.object_], which: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    height, width = pixels.shape
    covered = cover(shapes[which], pixels.transform, width, height)
    kept: list[npt.NDArray[np.intp]] = []
    for number in range(len(which)):
        rows = np.flatnonzero(covered.polygon == number)
        if len(rows):
            whole = rows[covered.share[rows] >= 0.5]
            rows = whole if len(whole) else rows[[covered.share[rows].argmax()]]
            kept.append(rows[np.unique(np.linspace(0, len(rows) - 1, MOST_OF_A_LABEL).astype(int))])
    chosen = np.concatenate(kept) if kept else np.zeros(0, np.intp)
    return which[covered.polygon[chosen]].astype(np.int64), covered.pixel[chosen].astype(np.int64)


def _read(
    pixels: PixelArea, pixel: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Vectors of some pixels, and whether they were seen; only the windows that they lie in are read."""
    row, column = np.divmod(pixel, pixels.shape[1])
    vectors = np.zeros((len(pixel), pixels.dimension), np.float32)
    seen = np.zeros(len(pixel), np.bool_)
    for window in overlapping_windows(*pixels.shape, _SIDE, 0):
        top, left, bottom, right = window.inner
        mine = (row >= top) & (row < bottom) & (column >= left) & (column < right)
        if mine.any():
            area = pixels.read(window.inner)
            at = row[mine] - top, column[mine] - left
            vectors[mine], seen[mine] = area.vectors[at], area.valid[at]
    return vectors, seen
