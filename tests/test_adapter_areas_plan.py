"""Planning a sample: its size, its allocation, its draw, and that it reaches the standard error it promised."""

import numpy as np
import pytest
from area_maps import CLASSES, country

from surco.adapters import (
    ALLOCATIONS,
    AreasError,
    ReferenceSample,
    allocate,
    area_accuracy,
    draw_sample,
    estimate_areas,
    plan_sample,
    sample_size,
)

# Olofsson et al. 2014, section 5.1: shares of the map, expected user's accuracies, pixels.
SHARES, USERS = [0.02, 0.015, 0.32, 0.645], [0.7, 0.6, 0.9, 0.95]
PIXELS = [200_000, 150_000, 3_200_000, 6_450_000]


def test_published_size() -> None:
    """For a standard error of 0.01 of overall accuracy the paper's example needs 641 places."""
    assert sample_size(SHARES, USERS, 0.01) == 641


def test_published_allocations() -> None:
    """Equal and proportional allocations, and the one with 75 in the rare classes, are the paper's (table 5)."""
    spread = np.sqrt(np.array(USERS) * (1 - np.array(USERS)))
    assert allocate(640, PIXELS, spread, "equal").tolist() == [160, 160, 160, 160]
    assert allocate(641, PIXELS, spread, "proportional").tolist() == [13, 10, 205, 413]
    rare = allocate(640, PIXELS, spread, "rare", least=75)
    assert rare[:2].tolist() == [75, 75]
    assert rare.sum() == 640
    neyman = allocate(640, PIXELS, spread, "neyman")
    weight = np.array(PIXELS) * spread
    assert np.abs(neyman - 640 * weight / weight.sum()).max() <= 1


@pytest.mark.parametrize("method", ALLOCATIONS)
def test_allocations_keep_their_bounds(method: str) -> None:
    """Whatever the strata, an allocation sums to the size, with two places to all places of each stratum."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        places = rng.integers(1, rng.choice([5, 50, 5000]), rng.integers(1, 12))
        size = int(rng.integers(np.minimum(places, 2).sum(), places.sum() + 1))
        counts = allocate(size, places, rng.random(len(places)), method, least=20)
        assert counts.sum() == size
        assert (counts <= places).all()
        assert (counts >= np.minimum(places, 2)).all()


@pytest.mark.parametrize("target", [None, "maize"])
def test_a_plan_keeps_its_promise(target: str | None) -> None:
    """Samples drawn by a plan have the standard error that was asked for, of overall accuracy or of a class's area."""
    rng = np.random.default_rng(1)
    land = country(rng, 20_000)
    names = np.array(CLASSES)
    wanted = 0.02 if target is None else 0.06
    plan = plan_sample(
        land.area_map,
        land.area_map.mapped,
        CLASSES,
        standard_error=wanted,
        target=target,
        allocation="neyman",
    )
    assert plan.standard_error == pytest.approx(wanted, rel=0.05)
    found = []
    for seed in range(300):
        rows, chance = draw_sample(plan, land.area_map.mapped, CLASSES, seed=seed)
        sample = ReferenceSample(rows, names[land.truth[rows]], chance, names[land.area_map.mapped[rows]])
        if target is None:
            found.append(area_accuracy(sample, names[land.area_map.mapped[rows]], 1.0, CLASSES).overall.value)
        else:
            areas = estimate_areas(land.area_map, sample, method="stratified")[0].classes
            found.append(areas[CLASSES.index(target)].area / land.hectares()[CLASSES.index(target)])
    assert np.std(found) == pytest.approx(wanted, rel=0.15)


def test_a_draw_is_what_was_planned() -> None:
    """A draw has each stratum's places once, its inclusion probabilities, and the same places for the same seed."""
    land = country(np.random.default_rng(2), 2000)
    stratum, names = land.area_map.mapped, CLASSES
    plan = plan_sample(land.area_map, stratum, names, size=150, allocation="rare", least=20)
    rows, chance = draw_sample(plan, stratum, names, seed=3)
    assert len(set(rows.tolist())) == plan.size == 150
    for planned in plan.strata:
        mine = stratum[rows] == names.index(planned.name)
        assert mine.sum() == planned.drawn >= 20
        assert np.allclose(chance[mine], planned.drawn / planned.places)
    assert (1 / chance).sum() == pytest.approx(2000)
    assert (draw_sample(plan, stratum, names, seed=3)[0] == rows).all()
    assert (draw_sample(plan, stratum, names, seed=4)[0] != rows).any()


def test_worse_expectations_need_more_places() -> None:
    """User's accuracies that people expect take the place of the map's own probabilities."""
    land = country(np.random.default_rng(3), 20_000, sharpness=6)
    sizes = [
        plan_sample(land.area_map, land.area_map.mapped, CLASSES, standard_error=0.02, users=users).size
        for users in (None, {"wheat": 0.6})
    ]
    assert sizes[1] > sizes[0]


def test_strata_without_places_are_left_out() -> None:
    """A class that is mapped nowhere is no stratum."""
    land = country(np.random.default_rng(4), 2000)
    stratum = np.where(land.area_map.mapped == 0, 1, land.area_map.mapped)
    plan = plan_sample(land.area_map, stratum, CLASSES, size=100)
    assert [s.name for s in plan.strata] == list(CLASSES[1:])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"standard_error": 0.0}, "standard error between 0 and 1"),
        ({"standard_error": 5}, "standard error between 0 and 1"),
        ({"target": "cotton"}, "got 'cotton'"),
        ({"users": {"cotton": 0.5}}, "got cotton = 0.5"),
        ({"users": {"wheat": 85}}, "got wheat = 85"),
        ({"size": 5}, "two places in each of 5 strata"),
        ({"allocation": "best"}, "got 'best'"),
    ],
)
def test_plans_that_cannot_be_made(asked: dict[str, object], message: str) -> None:
    """Targets and settings that make no plan are refused with the reason."""
    land = country(np.random.default_rng(5), 2000)
    with pytest.raises(AreasError, match=message):
        plan_sample(land.area_map, land.area_map.mapped, CLASSES, **asked)


@pytest.mark.parametrize(
    ("weights", "expected", "message"),
    [([0.5, 0.4], [0.9, 0.9], "sum to one"), ([0.5, 0.5], [0.9, 90], "write 0.9 for 90 %")],
)
def test_sizes_that_cannot_be_told(weights: list[float], expected: list[float], message: str) -> None:
    """Shares that are none and accuracies in percent are refused."""
    with pytest.raises(AreasError, match=message):
        sample_size(weights, expected, 0.01)
