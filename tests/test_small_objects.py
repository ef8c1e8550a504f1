"""Objects of a label raster: connected pieces, merging by the longest edge, holes, and outlines that share edges."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from surco.adapters.boundaries.outlines import polygons_of_labels
from surco.adapters.boundaries.small_objects import connected, merge_small

GRID = Affine(10, 0, 300_000, 0, -10, 6_080_000)
NOTHING = {"min_pixels": 0, "min_width": 0, "hole_pixels": 0}
RASTERS = arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3))


def raster(text: str) -> np.ndarray:
    """Labels from lines of digits; a dot is background."""
    return np.array([[0 if c == "." else int(c) for c in line] for line in text.split()], np.int32)


def merged(text: str, **sizes: float) -> tuple[list[str], list[float]]:
    """Lines after merging, and the confidence, of objects of confidence 0.1, 0.2, ..."""
    labels = raster(text)
    confidence = np.arange(1, labels.max() + 1, dtype=np.float32) / 10
    found, left = merge_small(labels, confidence, **(NOTHING | sizes))
    return ["".join("." if v == 0 else str(v) for v in row) for row in found], np.round(
        left.astype(float), 4
    ).tolist()


@given(RASTERS)
@settings(max_examples=60, deadline=None)
def test_pieces_are_those_of_scipy(labels: np.ndarray) -> None:
    """Of each value, pieces are the connected components by pixels' edges, numbered by their first pixels."""
    pieces, values = connected(labels)
    np.testing.assert_array_equal(values[pieces], labels)
    expected = sum(ndimage.label(labels == value)[1] for value in np.unique(labels))
    assert len(values) == expected == len(np.unique(pieces))
    _, first = np.unique(pieces, return_index=True)
    assert (np.diff(first) > 0).all()


def test_a_small_object_goes_to_the_longest_edge() -> None:
    """Two edges with 2 against one with 1: it becomes 2, whose confidence is the mean by pixels."""
    lines, confidence = merged("1111 1123 2222 2222", min_pixels=2)
    assert lines == ["1111", "1122", "2222", "2222"]
    assert confidence == [0.1, pytest.approx((9 * 0.2 + 0.3) / 10, abs=1e-4)]


def test_a_small_object_amid_background_is_dropped() -> None:
    """Nothing is left of an island; one that touches a field by less than it touches background goes too."""
    assert merged(".... .1.. .... ....", min_pixels=2) == (["...."] * 4, [])
    assert merged("11.. 11.. 112. ....", min_pixels=2)[0] == ["11..", "11..", "11..", "...."]


def test_small_ones_grow_together() -> None:
    """Two halves that are each too small make one that is not; a whole raster of crumbs ends as one field."""
    assert merged("...... .1122. ......", min_pixels=3)[0] == ["......"] * 3
    assert merged("12 34", min_pixels=3)[0] == ["11", "11"]


def test_thin_objects_are_slivers_whatever_their_length() -> None:
    """A strip one pixel wide between two fields goes to one of them; two pixels wide it stays."""
    assert merged("11111 22222 33333 33333", min_width=1.0)[0][1] in ("11111", "22222")
    assert len(merged("111111 111111 222222 222222 333333 333333", min_width=1.0)[1]) == 3


def test_holes_are_filled_below_their_size() -> None:
    """A hole in a field and a gap between two are filled; background that reaches the rim, and a larger hole, stay."""
    text = "1111. 1.11. 1111. ....."
    assert merged(text, hole_pixels=2)[0] == ["1111.", "1111.", "1111.", "....."]
    assert merged(text, hole_pixels=1)[0] == text.split()
    assert merged("1122 1.22 1122", hole_pixels=2)[0] == ["1122", "1122", "1122"]


def test_labels_that_do_not_hang_together_become_several() -> None:
    """Two places of one label, or two pixels that touch at a corner, are two objects of its confidence."""
    assert merged("1.1") == (["1.2"], [0.1, 0.1])
    assert merged("1. .1") == (["1.", ".2"], [0.1, 0.1])


@given(RASTERS, st.integers(0, 8), st.integers(0, 8), st.sampled_from([0.0, 0.9, 1.4]))
@settings(max_examples=150, deadline=None)
def test_what_is_left_is_as_asked(labels: np.ndarray, pixels: int, hole: int, width: float) -> None:
    """After merging no object is small or thin, none in pieces, no hole small; merging again changes nothing."""
    confidence = np.linspace(0.2, 0.9, labels.max(initial=0)).astype(np.float32)
    sizes = {"min_pixels": pixels, "min_width": width, "hole_pixels": hole}
    found, left = merge_small(labels, confidence, **sizes)
    pieces, values = connected(found)
    area = np.bincount(pieces.ravel())
    assert sorted(values[values > 0].tolist()) == list(range(1, len(left) + 1))
    assert (area[values > 0] >= pixels).all()
    rim = set(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]).tolist())
    assert all(area[p] >= hole or p in rim for p in np.flatnonzero(values == 0))
    for number in range(1, len(left) + 1):
        inside = np.pad(found == number, 1).astype(int)
        edges = sum(np.abs(np.diff(inside, axis=axis)).sum() for axis in (0, 1))
        assert 2 * (found == number).sum() / edges >= width
    assert ((left >= 0.2 - 1e-6) & (left <= 0.9 + 1e-6)).all()
    again, _ = merge_small(found, left, **sizes)
    np.testing.assert_array_equal(again, found)


def assert_clean(shapes: np.ndarray) -> None:
    """Valid single polygons that do not overlap and share their edges' vertices."""
    assert shapely.is_valid(shapes).all() and (shapely.get_type_id(shapes) == 3).all()
    assert shapely.coverage_is_valid(shapes)
    assert shapely.area(shapely.union_all(shapes)) == pytest.approx(shapely.area(shapes).sum())


@given(RASTERS)
@settings(max_examples=80, deadline=None)
def test_outlines_without_simplifying_are_the_pixels(labels: np.ndarray) -> None:
    """Each outline has its pixels' area, also where a field touches itself or another at a corner."""
    labels, _ = merge_small(labels, np.ones(3, np.float32)[: labels.max(initial=0)], **NOTHING)
    shapes = polygons_of_labels(labels, GRID, 0.0)
    np.testing.assert_allclose(shapely.area(shapes), np.bincount(labels.ravel())[1:] * 100.0)
    if len(shapes):
        assert_clean(shapes)


@given(RASTERS)
@settings(max_examples=80, deadline=None)
def test_simplified_outlines_stay_a_coverage(labels: np.ndarray) -> None:
    """Whatever the raster, no overlap, no gap along shared edges, nothing invalid, nothing gone."""
    labels, _ = merge_small(labels, np.ones(3, np.float32)[: labels.max(initial=0)], **NOTHING)
    shapes = polygons_of_labels(labels, GRID, 1.5)
    assert (shapely.area(shapes) > 0).all()
    if len(shapes):
        assert_clean(shapes)


def test_stairs_become_straight() -> None:
    """A diagonal between two fields has few vertices, the same in both, and areas hardly change."""
    row, column = np.mgrid[:60, :60]
    labels = np.where(row < 0.4 * column + 10, 1, 2).astype(np.int32)
    stairs, plain = (polygons_of_labels(labels, GRID, tolerance) for tolerance in (0.0, 1.5))
    shared = [shapely.intersection(*shapes) for shapes in (stairs, plain)]
    assert shapely.get_num_coordinates(plain).sum() < 20 < 60 < shapely.get_num_coordinates(stairs).sum()
    assert shapely.length(shared[1]) < 0.85 * shapely.length(shared[0])
    np.testing.assert_allclose(shapely.area(plain), shapely.area(stairs), rtol=0.02)
