"""Which polygon each pixel of a tile shows: crossings of sides with the middle of each row, all sides at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surco.api.tiles.shapes import Shapes, spread

__all__ = ["painted"]

_COLUMN_BITS, _ROW_BITS = 11, 10

Whole = npt.NDArray[np.int64]


def painted(shapes: Shapes, size: int, pixels: int) -> Whole:
    """Position of the feature that holds each pixel's middle, -1 where none does: (pixels, pixels).

    Two polygons that share a side share no pixel and leave none between them. Of features that overlap the last counts;
    what a ring holds by the even-odd rule is inside.

    Args:
        shapes: in units relative to the tile's corner.
        size: units a side of the tile.
        pixels: a side, at most 1024.
    """
    picture = np.full(pixels * pixels, -1)
    row, begin, end, owner = _runs(_crossings(shapes, size, pixels))
    picture[spread(row * pixels + begin, end - begin)] = np.repeat(owner, end - begin)
    return picture.reshape(pixels, pixels)


def _crossings(shapes: Shapes, size: int, pixels: int) -> npt.NDArray[np.uint64]:
    """One number a crossing, so that numbers in order are crossings by feature, row and column."""
    points = shapes.points * (pixels / size) - 0.5
    following = shapes.following()
    x, y = points.T
    # From the upper end to the lower one, so that both polygons of a side reckon alike.
    down = (y < y[following]) | ((y == y[following]) & (x < x[following]))
    upper, lower = np.where(down, np.arange(len(x)), following), np.where(down, following, np.arange(len(x)))
    first = np.clip(np.ceil(y[upper]), 0, pixels).astype(np.int64)
    stop = np.clip(np.ceil(y[lower]), 0, pixels).astype(np.int64)
    crossed = np.flatnonzero(stop > first)
    upper, lower, first, lengths = upper[crossed], lower[crossed], first[crossed], (stop - first)[crossed]
    slope = (x[lower] - x[upper]) / (y[lower] - y[upper])
    row = spread(first, lengths)
    at = np.repeat(x[upper] - slope * y[upper], lengths) + np.repeat(slope, lengths) * row
    column = np.clip(np.ceil(at), 0, pixels).astype(np.int64)
    owner = np.repeat(np.repeat(shapes.owner, np.diff(shapes.ring))[crossed], lengths)
    keys = (owner << (_COLUMN_BITS + _ROW_BITS)) | (row << _COLUMN_BITS) | column
    return np.sort(keys.astype(np.uint64))


def _runs(keys: npt.NDArray[np.uint64]) -> tuple[Whole, Whole, Whole, Whole]:
    """Row, first column, column after the last, and feature of each run of pixels."""
    number = keys.astype(np.int64)
    column = number & ((1 << _COLUMN_BITS) - 1)
    begin, end = column[0::2], column[1::2]
    wide = np.flatnonzero(end > begin)
    heads = number[0::2][wide]
    row = (heads >> _COLUMN_BITS) & ((1 << _ROW_BITS) - 1)
    return row, begin[wide], end[wide], heads >> (_COLUMN_BITS + _ROW_BITS)
