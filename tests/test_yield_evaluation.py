"""Scores of values against scikit-learn's, intervals from groups, regions and seasons held out, and the picture."""

import json

import numpy as np
import pytest
from adapter_contract import measured_vectors
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from surco.adapters import (
    REGRESSION_BASELINES,
    LabelsError,
    VectorsError,
    YieldAdapter,
    cross_validate_values,
    draw_values,
    paired_difference,
    score_values,
)


def _predictions(n=300, groups=30, shared=0.0, seed=0):
    rng = np.random.default_rng(seed)
    group = np.arange(n) % groups
    observed = rng.normal(6, 2, n)
    return observed, observed + shared * rng.normal(size=groups)[group] + rng.normal(size=n), group


def test_scores_are_scikit_learns():
    """R², RMSE and MAE are what scikit-learn computes; bias is predicted less observed."""
    observed, predicted, group = _predictions()
    scores = score_values(observed, predicted, group)
    assert scores.r2.value == pytest.approx(r2_score(observed, predicted))
    assert scores.rmse.value == pytest.approx(root_mean_squared_error(observed, predicted))
    assert scores.mae.value == pytest.approx(mean_absolute_error(observed, predicted))
    assert scores.bias.value == pytest.approx((predicted - observed).mean())
    assert scores.coverage is scores.width is None


def test_coverage_and_width_are_counted():
    """Coverage is the share inside, width the mean; an unbounded interval covers and has no width."""
    observed, predicted, group = _predictions()
    interval = np.stack([predicted - 1, predicted + 1], axis=1)
    scores = score_values(observed, predicted, group, interval)
    assert scores.coverage.value == pytest.approx((np.abs(observed - predicted) <= 1).mean())
    assert scores.width.value == pytest.approx(2.0)
    interval[0] = -np.inf, np.inf
    assert score_values(observed, predicted, group, interval).width is None


def test_intervals_are_of_groups_not_of_rows():
    """Errors that whole groups share make the interval as wide as the few groups allow."""
    observed, predicted, group = _predictions(shared=2.0)
    by_group = score_values(observed, predicted, group).bias
    by_row = score_values(observed, predicted, np.arange(len(group))).bias
    assert by_group.high - by_group.low > 2 * (by_row.high - by_row.low)
    assert score_values(observed, predicted, group % 4).bias.low is None


def test_many_groups_are_scored_in_bundles():
    """Twenty thousand groups give the interval that theory gives, without a table of all resamples."""
    observed, predicted, _ = _predictions(20_000)
    bias = score_values(observed, predicted, np.arange(20_000)).bias
    assert bias.high - bias.low == pytest.approx(2 * 1.96 / np.sqrt(20_000), rel=0.15)


def test_paired_difference_is_narrower_than_the_scores():
    """Two predictions that err alike are told apart where their scores' own intervals overlap."""
    observed, predicted, group = _predictions(shared=1.0)
    worse = observed + 1.05 * (predicted - observed)
    difference = paired_difference(observed, predicted, worse, group)
    assert difference.value == pytest.approx(-0.05 * root_mean_squared_error(observed, predicted), rel=1e-6)
    assert difference.high < 0
    scores = score_values(observed, predicted, group).rmse
    assert difference.high - difference.low < 0.3 * (scores.high - scores.low)


def test_cross_validation_shows_the_baselines():
    """The report names its split, shows every plain regression on vectors and raw bands, all of it plain JSON."""
    X, y, groups = measured_vectors(90)
    raw = np.where(np.arange(90)[:, None] % 7 == 0, np.nan, X[:, :5])
    report = cross_validate_values(YieldAdapter(), X, y, groups, raw=raw, known=groups % 2)
    on_raw = {f"{name} on raw bands" for name in REGRESSION_BASELINES}
    assert set(report.baselines) == {*REGRESSION_BASELINES, *on_raw, "mean", "mean of what is known"}
    assert set(report.differences) == set(report.baselines)
    assert report.scores.rmse.value < 0.8 * report.baselines["mean"].rmse.value
    assert report.differences["mean"].high < 0
    assert "5 folds of whole groups: 90 labels in 15 groups" in report.split
    assert json.loads(json.dumps(report.as_dict()))["scores"]["n_groups"] == 15


def test_baselines_can_be_named():
    """Of the plain regressions only those asked for are fitted; the mean always stands beside."""
    X, y, groups = measured_vectors(60)
    report = cross_validate_values(YieldAdapter(), X, y, groups, baselines=["ridge"])
    assert set(report.baselines) == {"mean", "ridge"}


def test_groups_are_held_out():
    """Vectors that betray their group but not their value predict no better than the mean."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    X = rng.normal(size=(30, 16))[groups] + rng.normal(size=(300, 16)) * 0.01
    y = rng.normal(size=30)[groups] + rng.normal(size=300) * 0.1
    report = cross_validate_values(YieldAdapter(), X, y, groups, baselines=False)
    assert report.scores.r2.value < 0.15


def test_regions_and_seasons_are_held_out_one_by_one():
    """Each part is predicted without any of its labels, and scored by its name."""
    X, y, groups = measured_vectors(120, groups=12)
    season = np.where(groups % 2 == 0, "2022-23", "2023-24")
    shifted = y + 5 * (season == "2023-24")
    report = cross_validate_values(YieldAdapter(), X, shifted, groups, parts=season, baselines=False)
    assert set(report.parts) == {"2022-23", "2023-24"}
    assert report.parts["2022-23"].bias.value > 3
    assert report.parts["2023-24"].bias.value < -3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"groups": np.zeros(40)}, "40 labels in 1 spatial group"),
        ({"parts": ["a"] * 40}, "one region or season"),
    ],
)
def test_nothing_to_hold_out_gives_words_not_numbers(change, words):
    """Labels of one place or one season are not evaluated, and the report says why and what to do."""
    X, y, groups = measured_vectors(40)
    report = cross_validate_values(YieldAdapter(), X, y, **{"groups": groups, **change})
    assert report.scores is None
    assert words in report.split
    with pytest.raises(VectorsError, match="label more places"):
        draw_values(report)


def test_what_cannot_be_evaluated_is_refused():
    """Missing values and parts of another length are named."""
    X, y, groups = measured_vectors(40)
    with pytest.raises(LabelsError, match="first in row 3"):
        cross_validate_values(YieldAdapter(), X, np.where(np.arange(40) == 3, np.nan, y), groups)
    with pytest.raises(LabelsError, match="one region or season a label"):
        cross_validate_values(YieldAdapter(), X, y, groups, parts=["a"] * 39)


def test_the_picture_is_a_picture():
    """Held-out predictions are drawn as a PNG, unbounded intervals without a line."""
    X, y, groups = measured_vectors(60, groups=2)
    report = cross_validate_values(YieldAdapter(), X, y, groups, baselines=False)
    assert np.isinf(report.intervals).all()
    data = draw_values(report, unit="t/ha", title="Trigo")
    assert data.startswith(b"\x89PNG")
    assert len(data) > 10_000
