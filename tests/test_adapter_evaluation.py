"""Scores against scikit-learn's, intervals from groups, and silence where nothing can be held out."""

import json

import numpy as np
import pytest
from adapter_contract import labelled_vectors
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from surco.adapters import (
    BASELINES,
    CropTypeAdapter,
    LabelsError,
    VectorsError,
    cross_validate,
    holdout_report,
)
from surco.adapters.scores import score


def _predictions(n=400, classes=4, seed=0, sharp=1.5):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, classes)) * sharp
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(classes, p=p) for p in proba])
    return truth, proba


def test_scores_are_scikit_learns():
    """Accuracy, macro-F1 and confusion are what scikit-learn computes."""
    truth, proba = _predictions()
    report = holdout_report(truth, proba, [0, 1, 2, 3])
    predicted = proba.argmax(axis=1)
    assert report.accuracy.value == pytest.approx(accuracy_score(truth, predicted))
    assert report.macro_f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    np.testing.assert_array_equal(report.confusion, confusion_matrix(truth, predicted))


def test_brier_is_the_squared_distance_to_the_truth():
    """The Brier score is the mean squared distance of probabilities to the one-hot truth."""
    truth, proba = _predictions()
    expected = ((proba - np.eye(4)[truth]) ** 2).sum(axis=1).mean()
    assert holdout_report(truth, proba, [0, 1, 2, 3]).brier.value == pytest.approx(expected)


def test_calibration_error_tells_true_from_false_confidence():
    """Probabilities that come true have nearly no calibration error; the same made sharper have much."""
    truth, proba = _predictions(20_000)
    sharper = proba**4 / (proba**4).sum(axis=1, keepdims=True)
    assert holdout_report(truth, proba, [0, 1, 2, 3]).ece.value < 0.02
    assert holdout_report(truth, sharper, [0, 1, 2, 3]).ece.value > 0.15


def test_weights_count_areas():
    """Weights make accuracy the share of area that is right."""
    proba = np.array([[0.9, 0.1], [0.9, 0.1]])
    report = holdout_report(["a", "b"], proba, ["a", "b"], weights=[3.0, 1.0])
    assert report.accuracy.value == pytest.approx(0.75)
    assert report.confusion == [[3.0, 0.0], [1.0, 0.0]]


def test_interval_is_of_groups_not_of_rows():
    """Rows that are right or wrong by whole groups make the interval as wide as the few groups allow."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 50)
    right = np.repeat(rng.random(20) < 0.7, 50)
    proba = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
    truth = np.zeros(1000, int)
    by_group = holdout_report(truth, proba, [0, 1], groups).accuracy
    by_row = holdout_report(truth, proba, [0, 1]).accuracy
    assert by_group.low < by_group.value < by_group.high
    assert by_group.high - by_group.low > 4 * (by_row.high - by_row.low)


def test_interval_covers():
    """The 95 % interval of accuracy holds the truth in roughly 95 of 100 draws of groups."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(150):
        rate = rng.beta(6, 3, 30)
        right = rng.random((30, 10)) < rate[:, None]
        proba = np.where(right.reshape(-1, 1), [0.9, 0.1], [0.1, 0.9])
        accuracy = holdout_report(np.zeros(300, int), proba, [0, 1], np.repeat(np.arange(30), 10)).accuracy
        hits += accuracy.low <= 6 / 9 <= accuracy.high
    assert 0.87 <= hits / 150 <= 1.0


def test_no_error_in_few_groups_is_not_certainty():
    """Resampling finds no error where there is none; the interval says what so few groups leave room for."""
    for n, low in ((20, 0.8316), (200, 0.9817)):
        codes = np.arange(n) % 2
        found = score(codes, np.eye(2)[codes], ["a", "b"], np.arange(n))
        assert (found.accuracy.value, found.accuracy.high) == (1.0, 1.0)
        assert found.accuracy.low == pytest.approx(low, abs=1e-3) == found.macro_f1.low
        wrong = score(codes, np.eye(2)[1 - codes], ["a", "b"], np.arange(n))
        assert wrong.accuracy.high == pytest.approx(1 - low, abs=1e-3) and wrong.accuracy.low == 0


def test_no_interval_from_a_few_groups():
    """Under five groups no interval is printed."""
    truth, proba = _predictions(40)
    accuracy = holdout_report(truth, proba, [0, 1, 2, 3], np.arange(40) % 4).accuracy
    assert accuracy.low is None
    assert accuracy.high is None


def test_cross_validation_shows_the_baselines():
    """The report names its split and shows every plain head beside the adapter, all of it plain JSON."""
    X, y, groups = labelled_vectors(96)
    report = cross_validate(CropTypeAdapter(), X, y, groups)
    assert set(report.baselines) == set(BASELINES)
    assert report.scores.accuracy.value > report.baselines["majority class"].accuracy.value + 0.3
    assert report.scores.n == 96
    assert "whole groups: 96 labels in 12 groups" in report.split
    assert json.loads(json.dumps(report.as_dict()))["scores"]["n_groups"] == 12


def test_cross_validation_holds_groups_out():
    """Vectors that betray their group but not their class score no better than chance."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    X = rng.normal(size=(30, 16))[groups] + rng.normal(size=(300, 16)) * 0.01
    y = rng.integers(0, 2, 30)[groups]
    report = cross_validate(CropTypeAdapter(), X, y, groups, baselines=False)
    assert report.scores.accuracy.value < 0.75


def test_too_few_groups_give_words_not_numbers():
    """Labels of one place are not evaluated, and the report says why and what to do."""
    X, y, _ = labelled_vectors(24)
    report = cross_validate(CropTypeAdapter(), X, y, np.zeros(24))
    assert report.scores is None
    assert "24 labels in 1 spatial group" in report.split


def test_classes_in_one_place_each_give_words_not_numbers():
    """Classes that each occur in one group only cannot be tested elsewhere."""
    X, y, _ = labelled_vectors(24)
    report = cross_validate(CropTypeAdapter(), X, y, y)
    assert report.scores is None
    assert "fewer than two of 4 classes occur in two spatial groups" in report.split


def test_a_class_missing_from_training_counts_as_wrong():
    """A class that only one group has is no reason to stop: its rows count as errors where held out."""
    X, y, groups = labelled_vectors(96)
    rare = np.where(groups == 0, "only here", y)
    report = cross_validate(CropTypeAdapter(), X, rare, groups, baselines=False)
    row = report.scores.classes.index("only here")
    assert report.scores.confusion[row][row] == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"proba": np.ones((3, 2))}, VectorsError, "sum to one"),
        ({"proba": np.full((2, 2), 0.5)}, VectorsError, "shape"),
        ({"y_true": ["a", "b", "c"]}, LabelsError, "got c"),
        ({"weights": [1.0, -1.0, 1.0]}, VectorsError, "not negative"),
        ({"groups": [1, 2]}, LabelsError, "one group a label"),
    ],
)
def test_holdout_report_refuses(change, error, message):
    """Rows that do not belong together are refused with the reason."""
    given = {"y_true": ["a", "b", "a"], "proba": np.full((3, 2), 0.5), "classes": ["a", "b"], **change}
    with pytest.raises(error, match=message):
        holdout_report(**given)
