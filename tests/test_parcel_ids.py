"""Ids that outlive a season: kept by overlap, new with parents where parcels were split or merged."""

from __future__ import annotations

import time

import numpy as np
import pytest
import shapely

from surco.adapters import AdapterError
from surco.adapters.boundaries.parcel_ids import new_ids, persistent_ids

SEASON = "2024-25"


def boxes(*sides: tuple[float, float, float, float]) -> np.ndarray:
    """Fields near Talca; a unit is 0.001 degrees, some 100 m."""
    return np.array([shapely.box(*(np.array(s) * 1e-3 + [-71, -35, -71, -35])) for s in sides], object)


def lineage(earlier: np.ndarray, now: np.ndarray, **settings: float):
    """Of fields a, b, c, ... and those of now."""
    names = [chr(ord("a") + i) for i in range(len(earlier))]
    return persistent_ids(names, earlier, now, new_ids(now, SEASON), **settings)


def test_a_field_that_moved_a_little_keeps_its_id() -> None:
    """The outline of another season differs; what overlaps by half or more is the same field."""
    found = lineage(boxes((0, 0, 2, 2), (2, 0, 4, 2)), boxes((2.2, 0.1, 4.1, 2), (0.1, 0, 2.2, 2)))
    assert found.id.tolist() == ["b", "a"] and found.kept.all()
    assert found.parents == ((), ())
    assert found.iou[1] == pytest.approx(1.9 * 2 / (2.2 * 2), rel=1e-6)


def test_the_larger_part_of_a_split_keeps_the_id_the_other_names_its_parent() -> None:
    """Three quarters keep the id, a quarter is new; halves are both new: neither is the field."""
    found = lineage(boxes((0, 0, 4, 2)), boxes((0, 0, 3, 2), (3, 0, 4, 2)))
    assert found.id[0] == "a" and found.id[1] not in ("a", "b")
    assert found.parents == ((), ("a",)) and found.kept.tolist() == [True, False]
    halves = lineage(boxes((0, 0, 4, 2)), boxes((0, 0, 2, 2), (2, 0, 4, 2)))
    assert not halves.kept.any() and halves.parents == (("a",), ("a",)) and len(set(halves.id)) == 2


def test_a_merger_names_all_its_parents() -> None:
    """Two equal fields become one: new, with both; new land has no parent, and a neighbour that touches is none."""
    found = lineage(
        boxes((0, 0, 2, 2), (2, 0, 4, 2), (4, 0, 6, 2)), boxes((0, 0, 4, 2), (8, 8, 9, 9), (4, 0, 6, 2))
    )
    assert found.parents == (("a", "b"), (), ()) and found.id[2] == "c"
    assert np.isnan(found.iou[:2]).all()


def test_an_overlap_below_half_is_another_field() -> None:
    """A third in common: new, with the parent it took the ground from; another bound keeps it."""
    earlier, now = boxes((0, 0, 2, 2)), boxes((1, 0, 3, 2))
    assert lineage(earlier, now).parents == (("a",),)
    assert lineage(earlier, now, min_iou=0.3).id.tolist() == ["a"]
    assert lineage(earlier, now, min_iou=0.3, parent_share=0.9).id.tolist() == ["a"]


def test_order_does_not_matter() -> None:
    """Shuffled on both sides, every field has the id and the parents it had."""
    rng = np.random.default_rng(5)
    west, south = rng.uniform(0, 30, (2, 120))
    earlier = boxes(*zip(west, south, west + rng.uniform(1, 3, 120), south + 2, strict=True))
    now = boxes(*zip(west, south + 0.3, west + rng.uniform(1, 3, 120), south + 2.3, strict=True))
    names = [f"p{i}" for i in range(120)]
    straight = persistent_ids(names, earlier, now, new_ids(now, SEASON))
    one, two = rng.permutation(120), rng.permutation(120)
    mixed = persistent_ids([names[i] for i in one], earlier[one], now[two], new_ids(now[two], SEASON))
    assert mixed.id.tolist() == straight.id[two].tolist()
    assert mixed.parents == tuple(straight.parents[i] for i in two)
    assert 0 < straight.kept.sum() < 120 and len(set(straight.id)) == 120
    assert any(len(each) > 1 for each in straight.parents)


def test_new_ids_hang_on_the_outline_and_the_season_only() -> None:
    """The same field drawn from another corner has the same id; another season or outline another."""
    ring = [(0, 0), (0, 1e-3), (1e-3, 1e-3), (1e-3, 0)]
    shapes = np.array([shapely.Polygon(ring), shapely.Polygon(ring[2:] + ring[:2])], object)
    first, second = new_ids(shapes, SEASON)
    assert first == second and len(first) == 16
    assert new_ids(shapes, "2025-26")[0] != first != new_ids(boxes((0, 0, 1, 1)), SEASON)[0]


def test_nothing_before_and_nothing_now() -> None:
    """The first season has new ids only; an empty one has none."""
    now = boxes((0, 0, 1, 1))
    assert lineage(boxes(), now).parents == ((),) and not lineage(boxes(), now).kept.any()
    assert len(lineage(now, boxes()).id) == 0


@pytest.mark.parametrize("settings", [{"min_iou": 0.0}, {"min_iou": 1.2}, {"parent_share": float("nan")}])
def test_shares_out_of_range_are_refused(settings: dict[str, float]) -> None:
    """In words."""
    with pytest.raises(AdapterError, match="above 0 and at most 1"):
        lineage(boxes((0, 0, 1, 1)), boxes((0, 0, 1, 1)), **settings)


def test_a_region_takes_seconds() -> None:
    """40,000 fields side by side, each outline of 21 points moved by a tenth: all keep their ids in under 10 s."""
    corner = np.stack(np.meshgrid(np.arange(200), np.arange(200)), -1).reshape(-1, 2) * 2.0
    field = shapely.segmentize(shapely.box(0, 0, 2, 2), 0.4)
    fields = [shapely.transform(field, lambda xy, at=at: (xy + at) * 1e-3 + [-71, -35]) for at in corner]
    earlier = np.array(fields, object)
    now = shapely.transform(earlier, lambda xy: xy + 2e-4)
    names = [str(i) for i in range(len(earlier))]
    began = time.perf_counter()
    found = persistent_ids(names, earlier, now, new_ids(now, SEASON))
    assert time.perf_counter() - began < 10
    assert found.id.tolist() == names
