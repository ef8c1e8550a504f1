"""A hierarchical watershed: basins of an elevation, joined across their lowest common borders.

Basins are those of steepest descent (Meyer 1994). They are joined in the order of the mean height of their common
border, which is recomputed after every step, as in the ultrametric contour map of Arbeláez et al. 2011 (IEEE TPAMI 33,
898-916): one gap in a border does not let two fields flow together, which it does where the lowest pass decides.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

__all__ = ["basins", "hierarchical_watershed"]

Labels = npt.NDArray[np.int32]
Index = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]


def hierarchical_watershed(
    elevation: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], *, height: float, min_pixels: int = 1
) -> Labels:
    """Segments of a raster whose common borders are higher than `height` on average.

    Args:
        elevation: (H, W), finite; ridges are borders.
        valid: (H, W), True = belongs to some segment.
        height: mean elevation of a border from which it parts two segments.
        min_pixels: smaller segments join the neighbour behind their lowest border, however high, if they have one.

    Returns:
        (H, W) int32 segments 1 to n in the order of their first pixels, 0 where not valid. Each hangs together by
        pixels' edges.
    """
    labels = basins(elevation, valid)
    count = int(labels.max(initial=0))
    if count < 2:
        return labels
    size = np.bincount(labels.ravel(), minlength=count + 1)
    root = _join(_borders(labels, elevation), size, height, min_pixels)
    return _numbered(root[labels])


def basins(elevation: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> Labels:
    """Basins (H, W) int32 of steepest descent to one of four neighbours, 1 to n, 0 where not valid.

    Of pixels equally high the first in reading order is the lower, so that the result does not depend on chance.
    """
    shape = elevation.shape
    order = np.lexsort((np.arange(elevation.size), elevation.ravel()))
    rank = np.empty(elevation.size, np.int64)
    rank[order] = np.arange(elevation.size)
    rank = np.where(valid, rank.reshape(shape), elevation.size).astype(np.int64)
    target = order[np.minimum(_lowest_around(rank), elevation.size - 1)]
    while True:
        farther = target[target]
        if np.array_equal(farther, target):
            break
        target = farther
    labels = np.where(valid.ravel(), target + 1, 0).reshape(shape)
    return _numbered(labels)


def _lowest_around(rank: npt.NDArray[np.int64]) -> Index:
    """Lowest rank (H * W,) among a pixel and its four neighbours."""
    lowest = rank.copy()
    np.minimum(lowest[1:], rank[:-1], out=lowest[1:])
    np.minimum(lowest[:-1], rank[1:], out=lowest[:-1])
    np.minimum(lowest[:, 1:], rank[:, :-1], out=lowest[:, 1:])
    np.minimum(lowest[:, :-1], rank[:, 1:], out=lowest[:, :-1])
    return np.asarray(lowest.ravel(), np.intp)


def _numbered(labels: npt.NDArray[np.integer]) -> Labels:
    """The same segments as 1 to n in the order of their first pixels; 0 stays 0."""
    values, first, inverse = np.unique(labels.ravel(), return_index=True, return_inverse=True)
    first = np.where(values == 0, -1, first)
    rank = np.empty(len(values), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(values))
    number = rank if (values == 0).any() else rank + 1
    return np.asarray(number[inverse].reshape(labels.shape), np.int32)


def _borders(labels: Labels, elevation: npt.NDArray[np.float32]) -> tuple[Index, Index, Doubles, Doubles]:
    """First and second segment of each pair of neighbours, sum of the heights along their border and its length."""
    across = _pairs(labels[:, :-1], labels[:, 1:], elevation[:, :-1], elevation[:, 1:])
    down = _pairs(labels[:-1], labels[1:], elevation[:-1], elevation[1:])
    key, ridge = np.concatenate([across[0], down[0]]), np.concatenate([across[1], down[1]])
    pairs, inverse = np.unique(key, return_inverse=True)
    total = np.bincount(inverse, ridge, len(pairs)).astype(np.float64)
    length = np.bincount(inverse, minlength=len(pairs)).astype(np.float64)
    return pairs >> 32, pairs & 0xFFFFFFFF, total, length


def _pairs(
    here: Labels, there: Labels, low: npt.NDArray[np.float32], high: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], Doubles]:
    """Of neighbouring pixels of two segments: both segments in one number, and the higher elevation."""
    at = (here != there) & (here > 0) & (there > 0)
    one, other = here[at].astype(np.int64), there[at].astype(np.int64)
    ridge = np.maximum(low[at], high[at]).astype(np.float64)
    return np.minimum(one, other) << 32 | np.maximum(one, other), ridge


def _join(
    borders: tuple[Index, Index, Doubles, Doubles],
    size: npt.NDArray[np.integer],
    height: float,
    min_pixels: int,
) -> Index:
    """The segment that each basin ends in, by always joining the two with the lowest border."""
    around: list[dict[int, tuple[float, float]]] = [{} for _ in size]
    for a, b, total, length in zip(*(part.tolist() for part in borders), strict=True):
        around[a][b] = around[b][a] = (total, length)
    queue = [(t / n, a, b, n) for a, row in enumerate(around) for b, (t, n) in row.items() if a < b]
    heapq.heapify(queue)
    pixels = size.tolist()
    into = list(range(len(pixels)))
    while queue:
        mean, a, b, length = heapq.heappop(queue)
        current = around[a].get(b)
        if current is None or current[1] != length or current[0] / current[1] != mean:
            continue  # one of the two has grown since
        if mean >= height and min(pixels[a], pixels[b]) >= min_pixels:
            continue
        keep, gone = (a, b) if len(around[a]) >= len(around[b]) else (b, a)
        _swallow(around, keep, gone, queue)
        into[gone] = keep
        pixels[keep] += pixels[gone]
    return _roots(np.asarray(into, np.intp))


def _swallow(
    around: list[dict[int, tuple[float, float]]],
    keep: int,
    gone: int,
    queue: list[tuple[float, int, int, float]],
) -> None:
    """Give a segment's borders to the one that it joins."""
    del around[keep][gone]
    for other, (total, length) in around[gone].items():
        if other == keep:
            continue
        del around[other][gone]
        known = around[keep].get(other, (0.0, 0.0))
        both = (known[0] + total, known[1] + length)
        around[keep][other] = around[other][keep] = both
        heapq.heappush(queue, (both[0] / both[1], min(keep, other), max(keep, other), both[1]))
    around[gone] = {}


def _roots(into: Index) -> Index:
    """Follow every chain of joins to its end."""
    while True:
        farther = into[into]
        if np.array_equal(farther, into):
            return into
        into = farther
