"""Mapbox Vector Tile 2.1: a layer of polygons encoded as one array of numbers, without a step for each feature.

All that a feature's message holds is varints, its tags and lengths too, so that a layer's features are a single
stream of numbers: https://github.com/mapbox/vector-tile-spec/tree/master/2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from surco.api.tiles.columns import Column
from surco.api.tiles.shapes import Shapes, spread
from surco.api.tiles.varints import varint_bytes, varint_sizes, zigzag

__all__ = ["BUFFER", "EXTENT", "layer", "mended", "snapped"]

EXTENT = 4096
"""Steps from one side of a tile to the other."""
BUFFER = 64
"""Steps beyond its sides that a tile shows too."""

# Tags: a number of the field, shifted by three, and how its value is written (0 one number, 2 a length and bytes).
_LAYER, _NAME, _FEATURE, _KEY, _SIZE, _VERSION = 0x1A, 0x0A, 0x12, 0x1A, 0x28, 0x78
_ID, _TAGS, _TYPE, _GEOMETRY = 0x08, 0x12, 0x18, 0x22
_POLYGON = 3
_MOVE_TO_ONE, _LINE_TO, _CLOSE = 9, 2, 15

Numbers = npt.NDArray[np.uint64]
Whole = npt.NDArray[np.int64]


def snapped(shapes: Shapes, size: int) -> Shapes:
    """Shapes in units, relative to their tile's corner, on the grid of a tile of `size` units.

    A point has the same place on the grid in every tile, so that what two polygons share stays shared. Rings that
    lose their area are dropped, points that fall on the one before are joined.
    """
    bits = size.bit_length() - EXTENT.bit_length()
    points = (shapes.points + (1 << (bits - 1))) >> bits if bits > 0 else shapes.points << -bits
    return _joined(Shapes(points, shapes.ring, shapes.owner, shapes.count), shapes.signed_area() > 0)


def mended(shapes: Shapes) -> Shapes:
    """Shapes on the grid, those that snapping made invalid (a hole that touches its ring) as the nearest valid ones.

    Hexagons never need it.
    """
    polygons = shapes.polygons()
    broken = np.flatnonzero(~shapely.is_valid(polygons))
    if not len(broken):
        return shapes
    polygons[broken] = shapely.set_precision(shapely.make_valid(polygons[broken]), 1)
    return Shapes.of_polygons(polygons)


def layer(name: str, shapes: Shapes, columns: Sequence[Column], ids: Numbers | None = None) -> bytes:
    """One layer of a tile.

    Args:
        name: of the layer.
        shapes: of N features on the tile's grid, as `snapped` gives them; features without a ring are left out.
        columns: properties of the N features.
        ids: (N,) below 2^53.
    """
    shown = np.unique(shapes.owner)
    values, keys, tags = b"", b"", []
    start = 0
    for number, column in enumerate(columns):
        keys += _text(_KEY, column.name)
        values += column.values
        which = column.which[shown]
        tags.append(np.stack([np.full(len(which), number), np.where(which < 0, -1, which + start)], axis=1))
        start += column.count
    features = _features(shapes, shown, _tags(tags, len(shown)), None if ids is None else ids[shown])
    body = _text(_NAME, name) + varint_bytes(features) + keys + values
    body += varint_bytes(np.array([_SIZE, EXTENT, _VERSION, 2], np.uint64))
    return varint_bytes(np.array([_LAYER, len(body)], np.uint64)) + body


def _tags(tags: list[npt.NDArray[Any]], count: int) -> tuple[Numbers, Whole]:
    """The tags of all features one after the other, and how many each has."""
    pairs = np.stack(tags, axis=1) if tags else np.zeros((count, 0, 2), np.int64)
    there = pairs[..., 1] >= 0
    return pairs[there].reshape(-1).astype(np.uint64), 2 * there.sum(axis=1)


def _features(shapes: Shapes, shown: Whole, tags: tuple[Numbers, Whole], ids: Numbers | None) -> Numbers:
    """The stream of all features: tag and length, then id, tags, type and geometry."""
    numbers, per_ring = _geometry(shapes)
    drawn = np.searchsorted(shown, shapes.owner)
    of_geometry = np.bincount(drawn, per_ring, len(shown)).astype(np.int64)
    head = 2 if ids is None else 4
    lengths = head + 2 + tags[1] + 4 + of_geometry
    start = np.cumsum(lengths) - lengths
    stream = np.empty(int(lengths.sum()), np.uint64)
    stream[start] = _FEATURE
    stream[start + 1] = 0
    if ids is not None:
        stream[start + 2] = _ID
        stream[start + 3] = ids
    tagged = start + head
    stream[tagged] = _TAGS
    stream[tagged + 1] = _put(stream, tags[0], tagged + 2, tags[1])
    typed = tagged + 2 + tags[1]
    stream[typed], stream[typed + 1], stream[typed + 2] = _TYPE, _POLYGON, _GEOMETRY
    stream[typed + 3] = _put(stream, numbers, typed + 4, of_geometry)
    sizes = np.concatenate([[0], np.cumsum(varint_sizes(stream))])
    stream[start + 1] = sizes[start + lengths] - sizes[start + 2]
    return stream


def _put(stream: Numbers, numbers: Numbers, at: Whole, lengths: Whole) -> Numbers:
    """Write runs of `numbers` into the stream where `at` says; the bytes that each run will take."""
    ends = np.cumsum(lengths)
    stream[spread(at, lengths)] = numbers
    sizes = np.concatenate([[0], np.cumsum(varint_sizes(numbers))])
    return np.asarray(sizes[ends] - sizes[ends - lengths], np.uint64)


def _geometry(shapes: Shapes) -> tuple[Numbers, Whole]:
    """Commands of all rings one after the other, and how many numbers each ring takes."""
    lengths = np.diff(shapes.ring)
    taken = 2 * lengths + 3
    base = np.cumsum(taken) - taken
    out = np.empty(int(taken.sum()), np.uint64)
    out[base] = _MOVE_TO_ONE
    out[base + 3] = ((lengths - 1) << 3) | _LINE_TO
    out[base + taken - 1] = _CLOSE
    within = np.arange(len(shapes.points)) - np.repeat(shapes.ring[:-1], lengths)
    place = np.repeat(base, lengths) + np.where(within == 0, 1, 2 + 2 * within)
    step = zigzag(_steps(shapes))
    out[place], out[place + 1] = step[:, 0], step[:, 1]
    return out, taken


def _steps(shapes: Shapes) -> Whole:
    """(P, 2) from the point before, of the same feature; from the corner of the tile for its first."""
    steps = np.diff(shapes.points, axis=0, prepend=np.zeros((1, 2), np.int64))
    first = shapes.ring[:-1][np.append(True, np.diff(shapes.owner) != 0)[: len(shapes.owner)]]
    steps[first] = shapes.points[first]
    return steps


def _joined(shapes: Shapes, outer: npt.NDArray[np.bool_]) -> Shapes:
    moved = (shapes.points != shapes.points[shapes.following()]).any(axis=1)
    kept = np.concatenate([[0], np.cumsum(moved)])
    joined = Shapes(shapes.points[moved], kept[shapes.ring], shapes.owner, shapes.count)
    area = joined.signed_area()
    sound = (np.diff(joined.ring) >= 3) & np.where(outer, area > 0, area < 0)
    group = np.cumsum(outer) - 1
    sound &= sound[outer][group] if outer.any() else sound
    if sound.all():
        return joined
    lengths = np.diff(joined.ring)
    points = joined.points[np.repeat(sound, lengths)]
    ring = np.concatenate([[0], np.cumsum(lengths[sound])])
    return Shapes(points, ring, joined.owner[sound], joined.count)


def _text(tag: int, text: str) -> bytes:
    data = text.encode()
    return varint_bytes(np.array([tag, len(data)], np.uint64)) + data
