from __future__ import annotations

import numpy as np
import pytest

from surco.adapters import VectorsError
from surco.adapters.boundaries import ObjectScores, score_objects


def field(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Fields 1, 2, ... of a raster of 20 x 20 pixels: top, left, bottom, right."""
    out = np.zeros((20, 20), np.int32)
    for i, (top, left, bottom, right) in enumerate(boxes, start=1):
        out[top:bottom, left:right] = i
    return out


def test_the_same_fields_score_one() -> None:
    """Fields found as they are: every score is perfect, whatever they are numbered."""
    true = field((0, 0, 10, 10), (10, 0, 20, 10), (0, 12, 20, 20))
    scores = score_objects(np.array([0, 3, 1, 2])[true], true)
    assert (scores.true, scores.found, scores.fitting) == (3, 3, 3)
    assert scores.f1 == scores.precision == scores.recall == scores.mean_iou == 1
    assert scores.over_segmentation == scores.under_segmentation == 0


def test_a_field_cut_in_four_is_over_segmented() -> None:
    """A quarter of a field fits nothing: 3/4 of the field is outside of it, and nothing of it outside the field."""
    found = field((0, 0, 5, 5), (0, 5, 5, 10), (5, 0, 10, 5), (5, 5, 10, 10))
    scores = score_objects(found, field((0, 0, 10, 10)))
    assert (scores.true, scores.found, scores.fitting) == (1, 4, 0)
    assert scores.over_segmentation == pytest.approx(0.75)
    assert scores.under_segmentation == 0
    assert scores.mean_iou == pytest.approx(0.25)


def test_one_object_over_two_fields_is_under_segmented() -> None:
    """An object over two fields, one four times the other, fits the larger (IoU 0.8) and not the other."""
    true = field((0, 0, 20, 16), (0, 16, 20, 20))
    scores = score_objects(field((0, 0, 20, 20)), true)
    assert (scores.fitting, scores.precision, scores.recall) == (1, 1.0, 0.5)
    assert scores.under_segmentation == pytest.approx((0.2 + 0.8) / 2)
    assert scores.mean_iou == pytest.approx((0.8 + 0.2) / 2)
    assert scores.over_segmentation == 0


def test_half_is_not_enough() -> None:
    """An IoU of exactly 0.5 does not fit: two objects could have it with one field."""
    true = field((0, 0, 10, 10))
    assert score_objects(field((0, 0, 5, 10), (5, 0, 10, 10)), true).fitting == 0
    assert score_objects(field((0, 0, 6, 10), (6, 0, 10, 10)), true).fitting == 1


def test_fields_too_small_for_the_pixels_count_on_neither_side() -> None:
    """A field below the size is no miss, and an object on it no false alarm; nor is a small object."""
    true = field((0, 0, 10, 10), (15, 15, 17, 17))
    found = field((0, 0, 10, 10), (15, 15, 18, 17), (0, 15, 2, 17))
    scores = score_objects(found, true)
    assert (scores.true, scores.found, scores.fitting) == (1, 1, 1)
    assert score_objects(found, true, min_pixels=1).true == 2


def test_an_object_on_no_field_is_a_false_alarm() -> None:
    """Precision counts every object found, also where nobody drew a field."""
    scores = score_objects(field((0, 0, 10, 10), (12, 12, 18, 18)), field((0, 0, 10, 10)))
    assert (scores.precision, scores.recall) == (0.5, 1.0)
    assert scores.f1 == pytest.approx(2 / 3)


def test_areas_are_joined_by_their_fields() -> None:
    """Two areas together count each field once, not each area."""
    one = ObjectScores(10, 8, 6, 7.0, 1.0, 2.0)
    other = ObjectScores(2, 4, 2, 2.0, 0.0, 0.0)
    both = ObjectScores.joined([one, other])
    assert (both.true, both.found, both.fitting) == (12, 12, 8)
    assert both.f1 == pytest.approx(8 / 12)
    assert both.mean_iou == pytest.approx(9 / 12)


def test_nothing_found_and_nothing_there() -> None:
    """Empty rasters give zeros and no division by zero."""
    empty, some = np.zeros((20, 20), np.int32), field((0, 0, 10, 10))
    nothing = score_objects(empty, some)
    assert (nothing.f1, nothing.recall, nothing.over_segmentation) == (0.0, 0.0, 1.0)
    assert score_objects(some, empty).precision == 0
    assert score_objects(empty, empty).f1 == 0


def test_other_pixels_are_refused() -> None:
    """Rasters of two sizes are not compared."""
    with pytest.raises(VectorsError, match=r"same pixels; got \(20, 20\) and \(5, 5\): rasterise"):
        score_objects(field(), np.zeros((5, 5), int))
