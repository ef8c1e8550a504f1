"""Large areas in windows that overlap: objects found in each, those across a window's border joined again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from affine import Affine
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from surco.adapters.boundaries.field_objects import FieldObjects
from surco.adapters.boundaries.pixel_vectors import PixelVectors
from surco.adapters.errors import SettingsError

__all__ = ["OverlappingWindow", "join_objects", "objects_in_windows", "overlapping_windows"]

Labels = npt.NDArray[np.int32]
_SAME = 0.5
"""Intersection over union, in the ground that two windows share, from which two objects are one."""


@dataclass(frozen=True, slots=True)
class OverlappingWindow:
    """A rectangle of a raster whose inner part no other window has, in pixels: `row` and `column` count windows.

    `outer` and `inner` are top, left, bottom, right, the last two exclusive.
    """

    row: int
    column: int
    outer: tuple[int, int, int, int]
    inner: tuple[int, int, int, int]

    def transform(self, whole: Affine) -> Affine:
        """The transform of `outer` in a raster of this transform."""
        top, left = self.outer[:2]
        a, b, c, d, e, f = whole[:6]
        return Affine(a, b, c + left * a + top * b, d, e, f + left * d + top * e)


def overlapping_windows(
    height: int, width: int, size: int = 512, margin: int = 64
) -> Iterator[OverlappingWindow]:
    """Cut a raster into windows, row by row.

    Args:
        height: of the raster, in pixels.
        width: likewise.
        size: of the inner parts, which tile the raster.
        margin: by which a window reaches into its neighbours; wider than a field's width, or it is judged cut.

    Raises:
        SettingsError: no size, or a margin that is not smaller than it.
    """
    if not 0 <= margin < size:
        raise SettingsError(
            f"expected windows of a size above their margin, 0 or more pixels; got size {size}, margin {margin}: "
            "leave them out for 512 and 64"
        )
    for row in range(math.ceil(height / size)):
        for column in range(math.ceil(width / size)):
            top, left = row * size, column * size
            bottom, right = min(top + size, height), min(left + size, width)
            outer = (
                max(top - margin, 0), max(left - margin, 0), min(bottom + margin, height), min(right + margin, width),
            )  # fmt: skip
            yield OverlappingWindow(row, column, outer, (top, left, bottom, right))


def objects_in_windows(
    read: Callable[[OverlappingWindow], PixelVectors],
    find: Callable[[PixelVectors], FieldObjects],
    shape: tuple[int, int],
    transform: Affine,
    crs: str,
    *,
    size: int = 512,
    margin: int = 64,
    progress: Callable[[int, int, str], None] | None = None,
) -> FieldObjects:
    """Find the objects of an area too large for the memory.

    Args:
        read: the vectors of a window's `outer`.
        find: objects in them, as `BoundaryAdapter.predict` or `gradient_objects`.
        shape: (height, width) of the area.
        transform: from the area's pixels to `crs`.
        crs: projected.
        size: see `overlapping_windows`.
        margin: likewise.
        progress: called as `progress(done, total, text)`, in windows.

    Raises:
        SettingsError: a size that is not larger than the margin.
    """
    windows = list(overlapping_windows(*shape, size, margin))

    def parts() -> Iterator[tuple[OverlappingWindow, FieldObjects]]:
        for number, window in enumerate(windows):
            if progress is not None:
                progress(number, len(windows), "fields")
            yield window, find(read(window))

    return join_objects(parts(), shape, transform, crs)


def join_objects(
    parts: Iterable[tuple[OverlappingWindow, FieldObjects]],
    shape: tuple[int, int],
    transform: Affine,
    crs: str,
) -> FieldObjects:
    """One raster of objects out of windows, in the order of `overlapping_windows`.

    Two objects of neighbouring windows are one where they cover the same of the ground that both windows see (IoU of
    0.5 or more there, and each other's best). Each pixel takes the object of the window whose inner part it is in.
    Confidence is the mean of what was joined, weighted by pixels.
    """
    labels = np.zeros(shape, np.int32)
    confidence: list[npt.NDArray[np.float32]] = [np.zeros(1, np.float32)]
    recent: dict[tuple[int, int], tuple[OverlappingWindow, Labels]] = {}
    pairs: list[npt.NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]
    count = 0
    for window, found in parts:
        numbered = np.where(found.labels > 0, found.labels + count, 0).astype(np.int32)
        count += len(found.confidence)
        confidence.append(found.confidence)
        for beside in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
            other = recent.get((window.row + beside[0], window.column + beside[1]))
            if other is not None:
                pairs.append(_same_objects(other, (window, numbered)))
        recent[window.row, window.column] = window, numbered
        recent = {place: held for place, held in recent.items() if place[0] >= window.row - 1}
        top, left, bottom, right = window.inner
        labels[top:bottom, left:right] = _part(numbered, window, window.inner)
    return _united(labels, np.concatenate(confidence), np.concatenate(pairs), transform, crs)


def _part(labels: Labels, window: OverlappingWindow, place: tuple[int, int, int, int]) -> Labels:
    """A rectangle of the whole raster out of a window's labels."""
    top, left = window.outer[:2]
    return labels[place[0] - top : place[2] - top, place[1] - left : place[3] - left]


def _same_objects(
    one: tuple[OverlappingWindow, Labels], other: tuple[OverlappingWindow, Labels]
) -> npt.NDArray[np.int64]:
    """Pairs (k, 2) of objects that are the same in the ground both windows see."""
    a, b = one[0].outer, other[0].outer
    both = (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    if both[0] >= both[2] or both[1] >= both[3]:
        return np.zeros((0, 2), np.int64)
    first, second = _part(one[1], one[0], both).ravel(), _part(other[1], other[0], both).ravel()
    _, row, pixels = np.unique(first, return_inverse=True, return_counts=True)
    _, column, others = np.unique(second, return_inverse=True, return_counts=True)
    code, at, shared = np.unique(row * np.int64(len(others)) + column, return_index=True, return_counts=True)
    row, column = code // len(others), code % len(others)
    iou = shared / (pixels[row] + others[column] - shared)
    same = (iou >= _SAME) & (first[at] > 0) & (second[at] > 0)
    same &= _is_best(iou, row) & _is_best(iou, column)
    return np.column_stack([first[at][same], second[at][same]]).astype(np.int64)


def _is_best(score: npt.NDArray[np.float64], owner: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    best = np.zeros(int(owner.max(initial=0)) + 1)
    np.maximum.at(best, owner, score)
    return np.asarray(score == best[owner], np.bool_)


def _united(
    labels: Labels,
    confidence: npt.NDArray[np.float32],
    pairs: npt.NDArray[np.int64],
    transform: Affine,
    crs: str,
) -> FieldObjects:
    """Objects that are the same under one number, numbered in the order of their first pixels."""
    links = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), (len(confidence),) * 2)
    group = connected_components(links, directed=False)[1]
    grouped = group[labels]
    grouped[labels == 0] = -1
    unique, first, number = np.unique(grouped, return_index=True, return_inverse=True)
    ground = int(len(unique) > 0 and unique[0] < 0)
    rank = np.zeros(len(unique), np.int32)
    rank[ground + np.argsort(first[ground:])] = np.arange(1, len(unique) - ground + 1)
    pixels = np.bincount(labels.ravel(), minlength=len(confidence)).astype(np.float64)
    pixels[0] = 0
    weight = np.bincount(group, pixels)
    mean = np.bincount(group, pixels * confidence) / np.maximum(weight, 1)
    ordered = unique[ground:][np.argsort(first[ground:])]
    return FieldObjects(
        rank[number].reshape(labels.shape), mean[ordered].clip(0, 1).astype(np.float32), transform, crs
    )
