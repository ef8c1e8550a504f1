"""Fields of areas too large for one go: found in windows that overlap, and whole again across their borders."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from scipy.spatial import cKDTree

from surco.adapters import AdapterError
from surco.adapters.boundaries.field_objects import FieldObjects
from surco.adapters.boundaries.pixel_vectors import PixelVectors
from surco.adapters.boundaries.small_objects import connected
from surco.adapters.boundaries.windows import (
    OverlappingWindow,
    join_objects,
    objects_in_windows,
    overlapping_windows,
)

GRID = Affine(10, 0, 300_000, 0, -10, 6_080_000)
CRS = "EPSG:32719"


def landscape(height: int, width: int, fields: int, seed: int = 0) -> np.ndarray:
    """Numbers of fields around random places, some pieces of them no field."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(0, 1, (fields, 2)) * [height, width]
    pixels = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2)
    number = cKDTree(place).query(pixels)[1].reshape(height, width) + 1
    return np.where(number % 7 == 0, 0, number).astype(np.int32)


def area_of(numbers: np.ndarray, transform: Affine = GRID) -> PixelVectors:
    """Vectors that are those of a field's number, zero and unseen where there is none."""
    angle = numbers * 2.4
    vectors = np.stack([np.cos(angle), np.sin(angle), np.cos(3 * angle)], -1)
    vectors = np.where(numbers[..., None] > 0, vectors / np.linalg.norm(vectors, axis=2, keepdims=True), 0)
    return PixelVectors(vectors.astype(np.float32), numbers > 0, transform, CRS, "m-1")


def pieces(area: PixelVectors) -> FieldObjects:
    """A finder: pixels that hang together and have the same vector are a field; sure by its size in the window."""
    flat = np.rint(area.vectors.reshape(-1, area.dimension) * 1e4).astype(np.int64)
    _, codes = np.unique(flat, axis=0, return_inverse=True)
    labels = np.where(area.valid, codes.reshape(area.shape) + 1, 0).astype(np.int32)
    found, values = connected(labels)
    names = np.cumsum(values > 0) * (values > 0)
    size = np.bincount(names[found].ravel(), minlength=names.max() + 1)[1:]
    return FieldObjects(
        names[found].astype(np.int32), (size / size.max()).astype(np.float32), area.transform, area.crs
    )


def blind_at_the_rim(area: PixelVectors) -> FieldObjects:
    """The same finder that misses the three outermost pixels, and cuts a field there into crumbs."""
    seen = np.zeros(area.shape, bool)
    seen[3:-3, 3:-3] = area.valid[3:-3, 3:-3]
    return pieces(PixelVectors(area.vectors, seen, area.transform, area.crs, area.model_id))


def in_windows(numbers: np.ndarray, find=pieces, **sizes: int) -> FieldObjects:
    """What is found in windows of an area of field numbers."""

    def read(window: OverlappingWindow) -> PixelVectors:
        top, left, bottom, right = window.outer
        return area_of(numbers[top:bottom, left:right], window.transform(GRID))

    return objects_in_windows(read, find, numbers.shape, GRID, CRS, **sizes)


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two label rasters have the same objects, whatever their numbers."""
    pairs = len(np.unique(one.astype(np.int64) * (other.max() + 1) + other))
    return pairs == len(np.unique(one)) == len(np.unique(other)) and ((one > 0) == (other > 0)).all()


@pytest.mark.parametrize(("size", "margin"), [(64, 24), (50, 30), (100, 16)])
def test_windows_give_what_the_whole_gives(size: int, margin: int) -> None:
    """Fields that cross one border, a corner of four windows, or several windows are the objects of the whole."""
    numbers = landscape(230, 310, 120)
    numbers[100:108] = 121  # a field of 310 pixels across all windows
    whole, parts = pieces(area_of(numbers)), in_windows(numbers, size=size, margin=margin)
    assert same_partition(whole.labels, parts.labels)
    assert parts.transform == GRID and parts.crs == CRS and len(parts) == len(whole)
    first = np.unique(parts.labels, return_index=True)[1]
    assert (np.diff(first[1:]) > 0).all()


def test_what_windows_do_not_see_at_their_rims_is_seen_by_their_neighbours() -> None:
    """A finder that is wrong at the rim of what it is given is right in the middle: no border shows."""
    numbers = landscape(200, 200, 60, seed=2)
    inner = (slice(3, -3),) * 2
    whole, parts = (
        blind_at_the_rim(area_of(numbers)),
        in_windows(numbers, blind_at_the_rim, size=64, margin=24),
    )
    assert same_partition(whole.labels[inner], parts.labels[inner])


def test_without_a_margin_fields_are_cut() -> None:
    """The margin is what joins: windows that share no ground leave a field in two."""
    numbers = np.ones((20, 40), np.int32)
    assert len(in_windows(numbers, size=20, margin=0)) == 2
    assert len(in_windows(numbers, size=20, margin=5)) == 1


def test_neighbours_do_not_grow_together() -> None:
    """Where one window sees two fields and the other one, the larger overlap is joined, not both."""
    left, right = overlapping_windows(10, 20, 10, 5)
    one = np.ones((10, 15), np.int32)
    two = one.copy()
    two[3:] = 2
    found = join_objects(
        [(left, FieldObjects(two, np.array([0.2, 0.4], np.float32), left.transform(GRID), CRS)),
         (right, FieldObjects(one, np.array([0.8], np.float32), right.transform(GRID), CRS))],
        (10, 20), GRID, CRS,
    )  # fmt: skip
    assert found.labels[:, 0].tolist() == [1] * 3 + [2] * 7 and (found.labels[:, 10:] == 2).all()
    np.testing.assert_allclose(found.confidence, [0.2, (70 * 0.4 + 100 * 0.8) / 170], rtol=1e-6)


def test_windows_tile_the_raster() -> None:
    """Every pixel is in one inner part; outer parts reach over by the margin and not over the rim."""
    count = np.zeros((70, 45), int)
    for window in overlapping_windows(70, 45, 32, 8):
        top, left, bottom, right = window.inner
        count[top:bottom, left:right] += 1
        assert window.outer == (max(top - 8, 0), max(left - 8, 0), min(bottom + 8, 70), min(right + 8, 45))
    assert (count == 1).all()
    last = window.transform(GRID)
    assert (last.c, last.f) == (300_000 + 240, 6_080_000 - 560)


def test_a_margin_as_wide_as_the_window_is_refused() -> None:
    """In words."""
    with pytest.raises(AdapterError, match="expected windows of a size above their margin"):
        list(overlapping_windows(10, 10, 8, 8))


def test_progress_is_told_in_windows() -> None:
    """Once before each window."""
    told: list[tuple[int, int, str]] = []

    def read(window: OverlappingWindow) -> PixelVectors:
        top, left, bottom, right = window.outer
        return area_of(np.ones((bottom - top, right - left), np.int32), window.transform(GRID))

    objects_in_windows(
        read, pieces, (20, 20), GRID, CRS, size=10, margin=2, progress=lambda *n: told.append(n)
    )
    assert [now[:2] for now in told] == [(0, 4), (1, 4), (2, 4), (3, 4)]
