"""Totals brought down to places: they add up, they are the textbook's kriging, and they know what they do not know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surco.adapters import LabelsError, SettingsError, VectorsError, disaggregate


def _country(areas=30, each=20, dimension=8, seed=0, noise=0.3, shared=0.3):
    """Vectors, hectares, areas and true yields of places, of which areas differ in their vectors."""
    rng = np.random.default_rng(seed)
    area = np.repeat([f"comuna {a:02d}" for a in range(areas)], each)
    code = np.repeat(np.arange(areas), each)
    X = rng.normal(size=(areas, dimension))[code] + rng.normal(size=(len(code), dimension))
    slope = np.random.default_rng(3).normal(size=dimension)
    y = 8 + 0.5 * X @ slope + shared * rng.normal(size=areas)[code] + noise * rng.normal(size=len(code))
    return X, np.exp(rng.normal(1, 0.7, len(code))), area, np.maximum(y, 0.05)


def _totals(y, hectares, area):
    return {a: float(np.average(y[area == a], weights=hectares[area == a])) for a in np.unique(area)}


def _means(values, hectares, area):
    return np.array([*_totals(values, hectares, area).values()])


@settings(max_examples=25, deadline=None)
@given(
    areas=st.integers(1, 12),
    each=st.integers(1, 9),
    seed=st.integers(0, 10_000),
    least=st.sampled_from([None, 0.0]),
    level=st.sampled_from([0.01, 1.0, 1e6]),
)
def test_places_add_up_to_the_totals(areas, each, seed, least, level):
    """Whatever the totals, hectares and vectors, places add up to them, and none passes the bound."""
    X, hectares, area, y = _country(areas, each, seed=seed)
    totals = {a: v * level for a, v in _totals(y, hectares, area).items()}
    totals[next(iter(totals))] = 0.0
    found = disaggregate(X, hectares, area, totals, least=least)
    np.testing.assert_allclose(
        _means(found.value, hectares, area), [*totals.values()], rtol=1e-9, atol=1e-9 * level
    )
    assert least is None or found.value.min() >= -1e-9 * level
    assert (found.low <= found.value + 1e-9 * level).all() and (found.value <= found.high).all()


def test_places_are_nearer_the_truth_than_their_areas_mean():
    """Where vectors say what a place yields, its estimate is far better than its comuna's mean; intervals cover."""
    X, hectares, area, y = _country()
    totals = _totals(y, hectares, area)
    found = disaggregate(X, hectares, area, totals, least=0, place_spread=0.05)
    mean = np.array([totals[a] for a in area])
    error, plain = np.sqrt(np.mean((found.value - y) ** 2)), np.sqrt(np.mean((mean - y) ** 2))
    assert error < 0.5 * plain
    assert found.explained > 0.7
    assert ((found.low <= y) & (y <= found.high)).mean() > 0.85


def test_vectors_that_say_nothing_leave_the_areas_mean():
    """Where totals do not follow the vectors, every place stays near its comuna's total."""
    X, hectares, area, _ = _country()
    rng = np.random.default_rng(5)
    totals = {a: float(v) for a, v in zip(np.unique(area), rng.normal(8, 1, 30), strict=True)}
    found = disaggregate(rng.normal(size=X.shape), hectares, area, totals)
    assert np.abs(found.value - [totals[a] for a in area]).max() < 0.5


def test_areas_without_a_total_are_left_unknown():
    """Places of an area that has no total get no value; a total without places is no reason to stop."""
    X, hectares, area, y = _country()
    totals = _totals(y, hectares, area)
    del totals["comuna 03"]
    found = disaggregate(X, hectares, area, {**totals, "elsewhere": 5.0})
    assert np.isnan(found.value[area == "comuna 03"]).all() and np.isnan(found.low[area == "comuna 03"]).all()
    assert np.isfinite(found.value[area != "comuna 03"]).all()
    assert "elsewhere" not in found.areas and len(found.areas) == 29


def test_one_or_two_totals_leave_the_spread_unknown():
    """Two totals tell nothing of how places differ: values add up, intervals are unbounded, from `least` on."""
    X, hectares, area, y = _country(areas=2)
    found = disaggregate(X, hectares, area, _totals(y, hectares, area), least=0)
    assert np.isfinite(found.value).all()
    assert (found.low == 0).all() and np.isinf(found.high).all()
    assert found.explained is None


def test_weights_are_those_of_kriging_from_areas():
    """Without slopes a place's difference from its area is what the covariances say: nothing, as all are alike."""
    _, hectares, area, y = _country(areas=5)
    totals = _totals(y, hectares, area)
    found = disaggregate(np.ones((len(y), 3)), hectares, area, totals, place_spread=0.0)
    np.testing.assert_allclose(found.value, [totals[a] for a in area])


def test_larger_shares_follow_the_total_more():
    """A place that is most of its area's hectares is known better than the many small ones beside it."""
    X, hectares, area, y = _country(areas=20, each=10)
    first = np.arange(len(y)) % 10 == 0
    hectares = np.where(first, 1000.0, 1.0)
    found = disaggregate(X, hectares, area, _totals(y, hectares, area), place_spread=0.2)
    width = found.high - found.low
    assert width[first].mean() < 0.5 * width[~first].mean()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"totals": {"x": 1.0}}, LabelsError, "compare the areas' names"),
        ({"totals": {"comuna 00": np.nan}}, LabelsError, "got nan of comuna 00"),
        ({"totals": {"comuna 00": -2.0}, "least": 0.0}, LabelsError, "at least 0; got -2 of comuna 00"),
        ({"hectares": np.zeros(600)}, VectorsError, "hectares above 0; got 0 in row 0 and 600 such"),
        ({"hectares": np.ones(3)}, LabelsError, "from the same rows"),
        ({"X": np.full((600, 8), np.nan)}, VectorsError, "in 600 of 600 rows"),
        ({"coverage": 90}, SettingsError, "between 0 and 1; got 90"),
        ({"place_spread": -1}, SettingsError, "place_spread between 0 and 1"),
    ],
)
def test_what_cannot_be_brought_down_is_refused(change, error, message):
    """Totals, hectares and settings that no estimate can be made from are named."""
    X, hectares, area, y = _country()
    given = {"X": X, "hectares": hectares, "areas": area, "totals": _totals(y, hectares, area), **change}
    with pytest.raises(error, match=message):
        disaggregate(**given)
