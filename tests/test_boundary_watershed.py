from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from surco.adapters.boundaries.watershed import basins, hierarchical_watershed


def walls(*heights: float, gap: float | None = None) -> np.ndarray:
    """A corridor of rooms, 9 pixels each, with a wall of each height between; `gap` is a hole in the first wall."""
    ground = np.full((9, 9 * (len(heights) + 1) + len(heights)), 0.1, np.float32)
    for i, height in enumerate(heights):
        ground[:, 10 * i + 9] = height
    if gap is not None:
        ground[4, 9] = gap
    return ground


def segments(ground: np.ndarray, height: float, min_pixels: int = 1) -> np.ndarray:
    """Segments of a ground that was seen everywhere."""
    return hierarchical_watershed(ground, np.ones(ground.shape, bool), height=height, min_pixels=min_pixels)


@pytest.mark.parametrize(("height", "rooms"), [(0.05, 4), (0.3, 4), (0.5, 3), (0.7, 2), (0.95, 1)])
def test_walls_fall_in_the_order_of_their_height(height: float, rooms: int) -> None:
    """A height joins what lower walls part, and nothing else."""
    assert segments(walls(0.4, 0.6, 0.9), height).max() == rooms


def test_a_gap_does_not_join_two_fields() -> None:
    """A hole of one pixel in a wall of nine leaves it standing: the mean of a border decides, not its lowest pass."""
    found = segments(walls(0.9, gap=0.1), 0.5)
    assert found.max() == 2
    assert segments(walls(0.9, gap=0.1), 0.85).max() == 1


def test_pixels_not_seen_belong_to_nothing() -> None:
    """Where nothing is valid there is no segment, and segments do not reach across."""
    ground = np.full((5, 11), 0.1, np.float32)
    valid = np.ones(ground.shape, bool)
    valid[:, 5] = False
    found = hierarchical_watershed(ground, valid, height=0.5)
    assert (found[~valid] == 0).all()
    assert found[0, 0] == 1
    assert found[0, -1] == 2
    assert hierarchical_watershed(ground, np.zeros_like(valid), height=0.5).max() == 0


def test_small_segments_join_behind_their_lowest_border() -> None:
    """A room below the size goes to the neighbour with the lower wall, however high that is."""
    ground = np.full((6, 16), 0.1, np.float32)
    ground[:, 6], ground[:, 9] = 0.9, 0.8
    assert segments(ground, 0.5).max() == 3
    found = segments(ground, 0.5, min_pixels=20)
    assert found.max() == 2
    assert found[0, 7] == found[0, 12] != found[0, 2]


@given(st.integers(0, 10_000), st.integers(3, 24), st.integers(3, 24))
@settings(max_examples=40, deadline=None)
def test_segments_are_whole_numbered_and_nested(seed: int, rows: int, columns: int) -> None:
    """Segments hang together by edges, are numbered in reading order, and higher ones hold lower ones whole."""
    rng = np.random.default_rng(seed)
    ground = rng.random((rows, columns)).astype(np.float32)
    valid = rng.random((rows, columns)) < 0.9
    low, high = (hierarchical_watershed(ground, valid, height=h) for h in (0.6, 0.8))
    assert ((low > 0) == valid).all()
    first = [int(np.flatnonzero(low == i)[0]) for i in range(1, low.max() + 1)]
    assert first == sorted(first)
    assert all(ndimage.label(low == i)[1] == 1 for i in range(1, low.max() + 1))
    assert all(len(np.unique(high[low == i])) == 1 for i in range(1, low.max() + 1))


def test_basins_flow_down() -> None:
    """Every pixel of a basin that is not its lowest has a lower or equal neighbour in the same basin."""
    ground = np.random.default_rng(3).random((20, 20)).astype(np.float32)
    found = basins(ground, np.ones(ground.shape, bool))
    minima = (ground == ndimage.minimum_filter(ground, footprint=[[0, 1, 0], [1, 1, 1], [0, 1, 0]])).sum()
    assert found.max() == minima


def test_a_flat_ground_is_one_segment() -> None:
    """Pixels equally high make one segment and no crumbs, and the same every time."""
    ground = np.zeros((30, 30), np.float32)
    assert segments(ground, 1e-6).max() == 1


def test_a_large_area_takes_seconds() -> None:
    """A million pixels of noise, the worst there is, take less than a minute on a busy machine."""
    ground = ndimage.gaussian_filter(np.random.default_rng(0).random((1000, 1000)), 1.5).astype(np.float32)
    began = time.process_time()
    assert segments(ground, float(np.median(ground))).max() > 1
    assert time.process_time() - began < 60
