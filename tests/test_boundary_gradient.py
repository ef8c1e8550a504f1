from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from field_patchwork import patchwork

from surco.adapters import SettingsError, VectorsError
from surco.adapters.boundaries import FieldObjects, PixelVectors, gradient_objects, score_objects
from surco.adapters.boundaries.gradient_fallback import vector_gradient


@pytest.mark.parametrize("dimension", [8, 64, 128])
def test_a_patchwork_is_taken_apart(dimension: int) -> None:
    """Fields with plain vectors are found one by one, with lanes between them or without, in any dimension."""
    area, fields = patchwork(dimension=dimension, lane=0)
    found = gradient_objects(area)
    assert score_objects(found.labels, fields).f1 > 0.9
    lanes, fields = patchwork(dimension=dimension, lane=2)
    assert score_objects(gradient_objects(lanes).labels, fields).recall == 1
    assert found.crs == area.crs
    assert found.transform == area.transform


def test_a_step_has_the_gradient_of_its_height() -> None:
    """Between two halves whose vectors differ by a length of d, the gradient is d / 2 a pixel; elsewhere none."""
    vectors = np.zeros((6, 8, 2), np.float32)
    vectors[:, :4, 0], vectors[:, 4:, 1] = 1, 1
    area = PixelVectors(vectors, np.ones((6, 8), bool), Affine.identity(), "EPSG:32719", "m")
    gradient = vector_gradient(area, sigma=1e-3)
    np.testing.assert_allclose(gradient[:, 3:5], np.sqrt(2) / 2, atol=1e-5)
    np.testing.assert_allclose(gradient[:, [0, 1, 2, 5, 6, 7]], 0, atol=1e-6)


def test_what_was_not_seen_makes_no_border() -> None:
    """A hole in the data has no gradient, gives none to its neighbours, and lies in no field."""
    area, _ = patchwork(rows=1, columns=1, side=20, noise=0.0, lane=0)
    valid = area.valid.copy()
    valid[8:12, 8:12] = False
    vectors = np.where(valid[..., None], area.vectors, np.float32(0))
    holed = PixelVectors(vectors, valid, area.transform, area.crs, area.model_id)
    assert vector_gradient(holed).max() < 1e-4
    found = gradient_objects(holed)
    assert (found.labels[~valid] == 0).all()
    assert len(found) == 1


def test_nothing_seen_gives_no_fields() -> None:
    """An area without data has no fields and raises nothing."""
    shape = (12, 9)
    area = PixelVectors(
        np.zeros((*shape, 4), np.float32), np.zeros(shape, bool), Affine.identity(), "EPSG:32719", "m"
    )
    assert len(gradient_objects(area)) == 0


def test_it_is_the_same_every_time() -> None:
    """Two runs give the same labels and confidences."""
    area, _ = patchwork(noise=0.1)
    one, other = gradient_objects(area), gradient_objects(area)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.confidence, other.confidence)


def test_settings_out_of_range_are_refused() -> None:
    """A contrast of nothing is no contrast."""
    with pytest.raises(SettingsError, match=r"positive contrast, sigma and min_pixels; got 0, 0.4, 10"):
        gradient_objects(patchwork()[0], contrast=0)


def test_vectors_and_objects_are_checked_at_the_door() -> None:
    """Shapes, types and numbers that are none are refused, with what to do."""
    good, valid = np.zeros((4, 5, 3), np.float32), np.ones((4, 5), bool)
    broken = good.copy()
    broken[1, 2, 0] = np.nan
    for vectors, seen, message in (
        (good[0], valid, r"shape \(height, width, dimension\); got float32 of shape \(5, 3\)"),
        (good.astype(float), valid, "got float64"),
        (good, valid[:2], r"shape \(4, 5\); got bool of shape \(2, 5\)"),
        (broken, valid, "got NaN or infinity in 1 of 20"),
    ):
        with pytest.raises(VectorsError, match=message):
            PixelVectors(vectors, seen, Affine.identity(), "EPSG:32719", "m")
    labels = np.array([[0, 1], [2, 2]], np.int32)
    with pytest.raises(VectorsError, match="labels 1 to 3, each in use"):
        FieldObjects(labels, np.ones(3, np.float32), Affine.identity(), "EPSG:32719")
    with pytest.raises(VectorsError, match="confidences from 0 to 1"):
        FieldObjects(labels, np.full(2, 1.5, np.float32), Affine.identity(), "EPSG:32719")
