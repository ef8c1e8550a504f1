"""Objects of a label raster: cut into connected ones, and those too small or too thin merged into a neighbour.

Pieces of background are treated alike: a hole below its size goes to the field that holds most of its edge.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["connected", "merge_small"]

Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]


def connected(labels: Labels) -> tuple[Labels, Labels]:
    """Pieces of a label raster that hang together by pixels' edges, background (0) too.

    Args:
        labels: (H, W).

    Returns:
        (H, W) int32 number of each pixel's piece, 0..m-1 in the order of their first pixels, and (m,) the label
        of each piece.
    """
    pixel: npt.NDArray[np.integer] = np.arange(labels.size).reshape(labels.shape)
    first, second = _neighbours(pixel.astype(np.int32) if labels.size < 2**31 else pixel)
    flat = labels.ravel()
    same = flat[first] == flat[second]
    graph = coo_array((np.ones(int(same.sum()), np.bool_), (first[same], second[same])), (labels.size,) * 2)
    piece = connected_components(graph, directed=False)[1]
    _, begin, number = np.unique(piece, return_index=True, return_inverse=True)
    order = np.argsort(begin)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[number].reshape(labels.shape).astype(np.int32), flat[begin[order]]


def merge_small(
    labels: Labels, confidence: Floats, *, min_pixels: float, min_width: float, hole_pixels: float
) -> tuple[Labels, Floats]:
    """Make objects connected, merge those too small or too thin, fill holes; the smallest first.

    An object goes to the neighbour it shares the longest edge with; where that is the background, or it touches
    nothing but the raster's rim, it is dropped. A hole is background that does not reach the rim.

    Args:
        labels: (H, W), 0 = no field, else 1..n.
        confidence: (n,).
        min_pixels: objects of fewer pixels are small.
        min_width: objects whose mean width, 2 area / perimeter, is below it are thin; in pixels.
        hole_pixels: holes of fewer pixels are filled.

    Returns:
        Labels (H, W) int32, 1..m in the order of their first pixels, and confidence (m,), the mean of what was merged
        weighted by pixels.
    """
    pieces, label = connected(labels)
    merging = _Merging(pieces, label, np.concatenate([[np.float32(0)], confidence])[label])
    merging.run(min_pixels, min_width, hole_pixels)
    owner = merging.owners()
    kept = np.where(merging.field[owner], owner, -1)
    unique, number = np.unique(kept, return_inverse=True)
    has_ground = int(len(unique) > 0 and unique[0] < 0)
    merged = (number + 1 - has_ground).astype(np.int32)[pieces]
    return merged, merging.confidence[unique[has_ground:]].clip(0, 1).astype(np.float32)


@dataclass(slots=True)
class _Merging:
    """Pieces that become fewer: their pixels, perimeters, shared edges, and into which each went."""

    area: npt.NDArray[np.int64]
    perimeter: npt.NDArray[np.int64]
    rim: npt.NDArray[np.bool_]
    field: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float64]
    into: Index
    shared: list[dict[int, int]]

    def __init__(self, pieces: Labels, label: Labels, confidence: Floats) -> None:
        count = len(label)
        self.area = np.bincount(pieces.ravel(), minlength=count)
        self.field, self.confidence = label > 0, confidence.astype(np.float64)
        self.into = np.arange(count)
        sides = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
        self.rim = np.bincount(sides, minlength=count) > 0
        self.perimeter = np.bincount(sides, minlength=count)
        self.shared = [{} for _ in range(count)]
        for one, other, edges in zip(*_shared_edges(pieces), strict=True):
            self.shared[one][other] = edges
            self.shared[other][one] = edges
            self.perimeter[[one, other]] += edges

    def run(self, min_pixels: float, min_width: float, hole_pixels: float) -> None:
        """Merge until nothing is small, thin or a hole."""

        def wrong(piece: int) -> bool:
            if not self.field[piece]:
                return bool(not self.rim[piece] and self.area[piece] < hole_pixels)
            width = 2.0 * self.area[piece] / max(int(self.perimeter[piece]), 1)
            return bool(self.area[piece] < min_pixels or width < min_width)

        queue = [(int(self.area[piece]), piece) for piece in range(len(self.area)) if wrong(piece)]
        heapq.heapify(queue)
        while queue:
            size, piece = heapq.heappop(queue)
            if self.into[piece] != piece or size != self.area[piece] or not wrong(piece):
                continue
            changed = self._resolve(piece)
            if wrong(changed) and self.into[changed] == changed:
                heapq.heappush(queue, (int(self.area[changed]), changed))

    def owners(self) -> Index:
        """(m,) the piece that each went into in the end."""
        while not np.array_equal(self.into, self.into[self.into]):
            self.into = self.into[self.into]
        return self.into

    def _resolve(self, piece: int) -> int:
        """Merge a piece into the neighbour with the longest shared edge, or drop it; what it is part of then."""
        beside = self.shared[piece]
        target = max(beside, key=lambda other: (beside[other], self.field[other], -other), default=None)
        if target is None or (self.field[piece] and not self.field[target]):
            return self._drop(piece)
        if not self.field[piece]:
            self.confidence[piece] = self.confidence[target]
        self._merge(piece, target)
        return target

    def _drop(self, piece: int) -> int:
        """Make a field background, one piece with the background that it touches."""
        self.field[piece] = False
        for other in [other for other in self.shared[piece] if not self.field[other]]:
            self._merge(other, piece)
        return piece

    def _merge(self, piece: int, target: int) -> None:
        sizes = self.area[[piece, target]]
        self.confidence[target] = np.average(self.confidence[[piece, target]], weights=sizes)
        between = self.shared[piece].pop(target)
        self.area[target] += sizes[0]
        self.perimeter[target] += self.perimeter[piece] - 2 * between
        self.rim[target] |= self.rim[piece]
        del self.shared[target][piece]
        for other, edges in self.shared[piece].items():
            whole = self.shared[target].get(other, 0) + edges
            self.shared[target][other] = self.shared[other][target] = whole
            del self.shared[other][piece]
        self.shared[piece] = {}
        self.into[piece] = target


def _neighbours(
    values: npt.NDArray[np.integer],
) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]:
    """The two values at each edge between pixels, first those side by side, then those one above the other."""
    first = np.concatenate([values[:, :-1].ravel(), values[:-1].ravel()])
    return first, np.concatenate([values[:, 1:].ravel(), values[1:].ravel()])


def _shared_edges(pieces: Labels) -> tuple[list[int], list[int], list[int]]:
    """Pairs of pieces side by side, the lower number first, and how many pixels' edges they share."""
    first, second = _neighbours(pieces)
    differ = first != second
    first, second = first[differ].astype(np.int64), second[differ].astype(np.int64)
    low, high = np.minimum(first, second), np.maximum(first, second)
    count = int(pieces.max(initial=0)) + 1
    pairs, edges = np.unique(low * count + high, return_counts=True)
    return (pairs // count).tolist(), (pairs % count).tolist(), edges.tolist()
