"""Outlines of the objects of a label raster as a coverage: neighbours have the vertices of their edge in common."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import rasterio.features
import shapely
from affine import Affine

__all__ = ["polygons_of_labels"]

Labels = npt.NDArray[np.int32]
Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
_ROUNDS = 3
"""Of smoothing: one takes the stairs of a diagonal away, three those of flatter lines; corners move 0.4 pixels."""


def polygons_of_labels(labels: Labels, transform: Affine, tolerance: float) -> Objects:
    """Outlines of labels 1..n that each hang together by pixels' edges.

    The stairs of the pixels are smoothed along the lines between objects, and then simplified for all at once by
    Visvalingam and Whyatt's rule (GEOS's simplification of coverages).

    Args:
        labels: (H, W), 0 = nothing.
        transform: from pixels to the CRS.
        tolerance: in pixels: what is cut off or filled in has an area below its square. 0 keeps the stairs.

    Returns:
        (n,) valid polygons in the CRS, a coverage.
    """
    outlines = _pixel_outlines(labels)
    if not len(outlines):
        return outlines
    if tolerance > 0:
        outlines = _smoothed(outlines, labels)
    plain = shapely.coverage_simplify(outlines, max(tolerance, 1e-3))
    a, b, c, d, e, f = transform[:6]
    placed: Objects = shapely.transform(
        plain, lambda x, y: (a * x + b * y + c, d * x + e * y + f), interleaved=False
    )
    return placed


def _pixel_outlines(labels: Labels) -> Objects:
    """(n,) valid polygons in pixels, with a vertex at every pixel's corner on the way.

    Without these GDAL leaves out the vertex where, on a straight edge, a third object's edge begins.
    """
    outlines = np.empty(int(labels.max(initial=0)), object)
    for shape, value in rasterio.features.shapes(labels, mask=labels > 0, connectivity=4):
        outlines[int(value) - 1] = shapely.geometry.shape(shape)
    dense: Objects = shapely.transform(shapely.segmentize(outlines, 1.0), np.rint)
    broken = ~shapely.is_valid(dense)
    dense[broken] = shapely.make_valid(dense[broken], method="structure", keep_collapsed=False)
    return dense


def _smoothed(outlines: Objects, labels: Labels) -> Objects:
    """The outlines with their vertices moved to smoother lines, or as they were where that breaks the coverage."""
    x, y = _smooth_corners(labels)

    def move(column: Floats, row: Floats) -> tuple[Floats, Floats]:
        at = np.rint(row).astype(np.intp), np.rint(column).astype(np.intp)
        return column + x[at], row + y[at]

    moved: Objects = shapely.transform(outlines, move, interleaved=False)
    sound = bool(shapely.is_valid(moved).all()) and shapely.coverage_is_valid(moved)
    return moved if sound else outlines


def _smooth_corners(labels: Labels) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """How far each pixel's corner moves, (H + 1, W + 1) in x and y, in pixels.

    A corner that two edges meet in goes half-way to the middle of its neighbours on the line, again and again; one
    where three or four objects meet stays, and holds the lines that end in it.
    """
    padded = np.pad(labels, 1)
    across, down = padded[:, 1:] != padded[:, :-1], padded[1:] != padded[:-1]
    # Edges that leave a corner to the right and downwards; the last row and column have none.
    right, below = down[:, 1:], across[1:]
    edges = right.astype(np.int8) + below
    edges[:, 1:] += right[:, :-1]
    edges[1:] += below[:-1]
    free = edges == 2
    x, y = np.zeros((2, *free.shape), np.float32)
    for _ in range(_ROUNDS):
        for shift, (along_right, along_below) in ((x, (1.0, 0.0)), (y, (0.0, 1.0))):
            pull = np.zeros_like(shift)
            ahead, behind = (shift[:, 1:] - shift[:, :-1] + along_right), right[:, :-1]
            pull[:, :-1] += np.where(behind, ahead, 0)
            pull[:, 1:] -= np.where(behind, ahead, 0)
            ahead, behind = (shift[1:] - shift[:-1] + along_below), below[:-1]
            pull[:-1] += np.where(behind, ahead, 0)
            pull[1:] -= np.where(behind, ahead, 0)
            shift += np.where(free, pull / 4, 0)
    return x, y
