"""Evaluation on blocks, regions and seasons held out: what is held out stays out, and every figure is what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from adapter_contract import labelled_vectors
from sklearn.calibration import calibration_curve
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import f1_score, log_loss

from surco.adapters import BASELINES, CropTypeAdapter, LabelsError, VectorsError
from surco.adapters.evaluation import (
    ADAPTER,
    Labelled,
    evaluate,
    evaluate_fitted,
    leave_each_out,
    spatial_blocks,
)
from surco.adapters.evaluation.baselines import Prototypes, ShrunkDiscriminant
from surco.adapters.evaluation.calibration import class_calibration_errors, reliability
from surco.adapters.evaluation.held_out import Contender, contenders, hold_out
from surco.adapters.evaluation.label_curves import label_curves
from surco.adapters.evaluation.legend_levels import level_scores, levels_of
from surco.adapters.evaluation.regions import fairness
from surco.adapters.evaluation.selective import coverage_of, selective_accuracy
from surco.adapters.scores import score, score_difference

FEW = ("majority class", "logistic regression")


class Remembering:
    """A classifier that always answers class 0 and writes down the groups it was taught and asked about."""

    def __init__(self) -> None:
        self.seen: list[set[float]] = []
        self.classes_ = np.array([0, 1])

    def fit(self, X, y):
        """Remember the first column, which is the group."""
        self.seen.append(set(X[:, 0].tolist()))
        return self

    def predict_proba(self, X):
        """Refuse rows of a group that was taught."""
        assert not self.seen[-1] & set(X[:, 0].tolist())
        return np.tile([0.8, 0.2], (len(X), 1))


def grouped(n: int = 90, regions: int = 6) -> Labelled:
    """Rows of 18 groups in regions, with the group as the first column."""
    X, y, _ = labelled_vectors(n, classes=2)
    groups = np.arange(n) // 5
    X[:, 0] = groups
    return Labelled.of(X, y, groups, regions=[f"region {g % regions}" for g in groups])


@pytest.mark.parametrize("how", [spatial_blocks, leave_each_out])
def test_no_group_is_taught_and_tested(how) -> None:
    """In every fold the groups tested are none of those taught, and every row is tested once."""
    data, asked = grouped(), Remembering()
    held = hold_out(
        [Contender(ADAPTER, None, lambda d, t: asked.fit(d.vectors[t], d.codes[t]))], data, how(data)
    )
    assert held.rows.tolist() == list(range(90))
    assert len(asked.seen) == len(set(held.part.tolist())) == (5 if how is spatial_blocks else 6)


def test_a_block_over_a_border_is_in_neither() -> None:
    """A block that reaches into the region tested teaches nothing there."""
    data = grouped(regions=3)
    regions = data.regions.copy()
    regions[0] = "region 1"  # one row of group 0, the rest of which is region 0
    split = leave_each_out(data, values=regions)
    _, train, test = next(iter(split.folds(data.groups)))
    assert 0 not in test
    assert 0 not in train
    assert 1 in test


def test_seasons_may_share_their_places() -> None:
    """Of a season left out the same places may be taught, and the report says so."""
    data = Labelled.of(*labelled_vectors(80)[:2], np.arange(80) % 20)
    split = leave_each_out(data, "season", np.repeat(["2023-24", "2024-25"], 40))
    _, train, test = next(iter(split.folds(data.groups)))
    assert (len(train), len(test)) == (40, 40)
    assert "places may be the same" in split.words


def test_rows_without_a_region_teach_only() -> None:
    """A row whose region is unknown is learned from and never tested."""
    data = grouped()
    regions = np.where(data.groups == 3, "", data.regions)
    found = evaluate(CropTypeAdapter(), data, leave_each_out(data, values=regions), shots=(), baselines=FEW)
    assert (found.n, found.left_out) == (85, 5)


def test_the_whole_evaluation_is_plain_json() -> None:
    """One call gives scores, differences, calibration, regions, levels and curves, and all of it is JSON."""
    X, y, groups = labelled_vectors(120)
    data = Labelled.of(
        X, y, groups, regions=[f"r{g % 3}" for g in groups], features={"raw bands": X[:, :10] * 9}
    )
    parents = {"crop 000": "grass", "crop 001": "grass", "crop 002": "trees", "crop 003": "trees"}
    calls = []
    found = evaluate(
        CropTypeAdapter(),
        data,
        spatial_blocks(data),
        parents=parents,
        shots=(1, 5),
        draws=3,
        baselines=("majority class", "prototypes", "logistic regression"),
        progress=lambda *call: calls.append(call),
    )
    names = [e.name for e in found.entries]
    assert names == [
        ADAPTER,
        "majority class",
        "prototypes",
        "logistic regression",
        "logistic regression, raw bands",
    ]
    assert found.entry().scores.macro_f1.value > found.entry("majority class").scores.macro_f1.value + 0.3
    assert found.best in names[1:]
    assert [c.n for c in found.classes] == [30, 30, 30, 30]
    assert {r.name for r in found.fairness.regions} == {"r0", "r1", "r2"}
    assert found.levels[0].scores.classes == ["grass", "trees"]
    assert [p.shots for p in found.curves.points] == [1, 5]
    assert "majority class" not in found.curves.points[0].macro_f1
    assert calls[-1][0] == calls[-1][1]
    again = json.loads(json.dumps(found.as_dict()))
    assert again["entries"][0]["scores"]["n"] == 120


def test_all_baselines_answer_all_class_counts() -> None:
    """Every plain head learns from one label a class without a warning, and its rows sum to one."""
    X, y, _ = labelled_vectors(40, classes=5)
    _, first = np.unique(y, return_index=True)
    for rows in (first, np.append(first, 6), np.arange(40)):
        for name, make in BASELINES.items():
            proba = make(len(rows)).fit(X[rows], y[rows]).predict_proba(X)
            np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6, err_msg=name)


def test_prototypes_and_discriminant_are_theirs() -> None:
    """The nearest mean by cosine decides, and the discriminant agrees with scikit-learn's on plenty of rows."""
    X, y, _ = labelled_vectors(400, dimension=8)
    means = np.stack([X[y == c].mean(axis=0) for c in np.unique(y)])
    cosine = X @ means.T / np.linalg.norm(means, axis=1)
    model = Prototypes().fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X).argmax(axis=1), cosine.argmax(axis=1))
    ours = ShrunkDiscriminant().fit(X, y).predict_proba(X)
    theirs = LinearDiscriminantAnalysis().fit(X, y).predict_proba(X)
    assert np.abs(ours - theirs).mean() < 0.05


def test_log_loss_is_scikit_learns() -> None:
    """The logarithmic loss is scikit-learn's."""
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), 200)
    truth = rng.integers(0, 3, 200)
    assert score(truth, proba, "abc", np.arange(200)).log_loss.value == pytest.approx(log_loss(truth, proba))


def test_reliability_and_class_errors() -> None:
    """Points of two classes are scikit-learn's quantile curve; probabilities that come true have small class errors."""
    rng = np.random.default_rng(1)
    p = rng.random(30_000)
    truth = (rng.random(30_000) < p).astype(int)
    proba = np.column_stack([1 - p, p])
    assert class_calibration_errors(truth, proba).max() < 0.015
    assert class_calibration_errors(1 - truth, proba).min() > 0.3
    points = reliability(truth, proba)
    assert max(abs(x.confidence - x.accuracy) for x in points) < 0.03
    hit = (proba.argmax(axis=1) == truth).astype(int)
    true, mean = calibration_curve(hit, proba.max(axis=1), n_bins=10, strategy="quantile")
    np.testing.assert_allclose([x.accuracy for x in points], true, atol=0.01)
    np.testing.assert_allclose([x.confidence for x in points], mean, atol=0.01)


def test_difference_is_paired() -> None:
    """Two classifiers that err in the same hard groups differ by an interval narrower than either's own."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(30), 20)
    hard = np.repeat(rng.random(30), 20)
    first, second = rng.random(600) < hard, rng.random(600) < hard - 0.1
    proba = [np.where(r[:, None], [0.9, 0.1], [0.1, 0.9]) for r in (first, second)]
    truth = np.zeros(600, int)
    own = score(truth, proba[0], "ab", groups).accuracy
    paired = score_difference(truth, *proba, groups).accuracy
    assert paired.value == pytest.approx(first.mean() - second.mean())
    assert paired.low < paired.value < paired.high
    assert paired.high - paired.low < 0.7 * (own.high - own.low)
    assert score_difference(truth, proba[0], proba[0], groups).macro_f1.high == 0


def test_many_groups_keep_their_interval() -> None:
    """Bundling thousands of groups leaves the interval as wide as theory says."""
    rng = np.random.default_rng(3)
    right = rng.random(9000) < 0.7
    proba = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
    found = score(np.zeros(9000, int), proba, "ab", np.arange(9000)).accuracy
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.21 / 9000), rel=0.15)


def test_levels_sum_probabilities_up_the_tree() -> None:
    """A parent's probability is the sum of its children's, level by level, and single classes stay themselves."""
    parents = {"wheat": "cereal", "barley": "cereal", "cereal": "annual", "maize": "annual", "plum": "tree"}
    classes = ["barley", "maize", "plum", "rock", "wheat"]
    assert levels_of(parents, classes) == [
        ("cereal", "annual", "tree", "rock", "cereal"),
        ("annual", "annual", "tree", "rock", "annual"),
    ]
    proba = np.array([[0.3, 0.05, 0.4, 0.0, 0.25]])
    first, second = level_scores(parents, np.array([4]), proba, classes, np.zeros(1, int))
    assert first.scores.accuracy.value == 1  # cereal 0.55 before plum 0.4, though no cereal leads
    assert second.scores.classes == ["annual", "rock", "tree"]
    with pytest.raises(LabelsError, match="circle"):
        levels_of({"a": "b", "b": "a", "c": "d", "d": "c"}, ["a", "c"])


def test_abstaining_keeps_the_surest() -> None:
    """Answering only the surest rows is right more often where confidence means something."""
    rng = np.random.default_rng(4)
    p = rng.uniform(0.5, 1, 4000)
    truth = (rng.random(4000) > p).astype(int)
    curve = selective_accuracy(truth, np.column_stack([p, 1 - p]))
    assert curve[-1] == (1.0, pytest.approx((truth == 0).mean()))
    assert curve[0][1] > curve[-1][1] + 0.15


def test_coverage_counts_sets() -> None:
    """Coverage is the share of sets that hold the truth; their size is the mean number of classes."""
    held = np.array([[True, False], [True, True], [False, True], [False, True]])
    found = coverage_of(0.9, held, np.array([0, 0, 0, 1]), np.arange(4))
    assert (found.covered.value, found.mean_size, found.single) == (0.75, 1.25, 0.75)


def test_sets_are_asked_of_the_adapter_that_did_not_see_the_row() -> None:
    """Where the adapter makes conformal sets they are made fold by fold, for every coverage."""

    class Sets(CropTypeAdapter):
        def predict_set(self, X, coverage):
            return self.predict_proba(X) >= 1 - coverage

    data = Labelled.of(*labelled_vectors(96))
    held = hold_out(contenders(Sets(), data, FEW), data, spatial_blocks(data), coverages=(0.5, 0.9))
    np.testing.assert_array_equal(held.sets[0.5], held.proba[ADAPTER] >= 0.5)
    assert (held.sets[0.9].sum(axis=1) >= held.sets[0.5].sum(axis=1)).all()


def test_regions_are_compared_where_they_have_labels() -> None:
    """The worst region is one with labels enough; a region of few labels is shown and not compared."""
    truth = np.zeros(70, int)
    right = np.r_[np.ones(30), np.arange(30) % 2, np.zeros(10)].astype(bool)
    proba = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
    names = np.array(["good"] * 30 + ["poor"] * 30 + ["tiny"] * 10)
    found = fairness(truth, proba, proba, "ab", np.arange(70) // 2, names)
    assert (found.spread, found.worst) == (0.5, "poor")
    assert [r.name for r in found.regions] == ["good", "poor", "tiny"]
    assert not found.regions[-1].compared


def test_curves_rise_and_are_fair() -> None:
    """More labels score higher; every classifier gets the same labels, from places that are not tested."""
    X, y, _ = labelled_vectors(400, noise=1.6)
    data = Labelled.of(X, y, np.arange(400) // 10)
    asked: list[np.ndarray] = []

    def fit(d, t):
        asked.append(t)
        return BASELINES["logistic regression"](len(t)).fit(d.vectors[t], d.codes[t])

    entries = [Contender(ADAPTER, None, fit), Contender("again", None, fit)]
    curves = label_curves(entries, data, shots=(1, 10, 30, 100), draws=4)
    assert [p.shots for p in curves.points] == [1, 10, 30]
    assert [p.labels for p in curves.points] == [4, 40, 120]
    f1 = [p.macro_f1[ADAPTER].value for p in curves.points]
    assert f1[0] < f1[1] < f1[2]
    assert curves.points[0].gain["again"].high == 0
    np.testing.assert_array_equal(asked[0], asked[1])


def test_curves_need_places() -> None:
    """Labels of one place give words instead of a curve."""
    data = Labelled.of(*labelled_vectors(40)[:2], np.zeros(40))
    curves = label_curves(contenders(CropTypeAdapter(), data, FEW), data, draws=3)
    assert not curves.points
    assert "too few" in curves.words


def test_a_region_with_a_class_of_its_own_is_noted() -> None:
    """A class that occurs in one region only cannot be right there, and a note says how many labels that is."""
    X, y, groups = labelled_vectors(96)
    rare = np.where(groups == 0, "only here", y)
    data = Labelled.of(X, rare, groups, regions=[f"r{g}" for g in groups])
    found = evaluate(CropTypeAdapter(), data, leave_each_out(data), shots=(), baselines=FEW)
    assert any("only here occur nowhere else" in note for note in found.notes)


def test_splits_that_leave_nothing_to_learn_are_refused() -> None:
    """One region, one block, or classes in one place each: a sentence that says what to label."""
    X, y, groups = labelled_vectors(40, classes=2)
    with pytest.raises(LabelsError, match="at least two comunas"):
        leave_each_out(Labelled.of(X, y, groups, regions=["Talca"] * 40), "comuna")
    with pytest.raises(LabelsError, match="farther apart"):
        spatial_blocks(Labelled.of(X, y, np.zeros(40)))
    data = Labelled.of(X, y, groups, regions=y)
    with pytest.raises(LabelsError, match="label every class in several places"):
        evaluate(CropTypeAdapter(), data, leave_each_out(data), baselines=FEW)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"features": {"raw bands": np.ones((3, 2))}},
            VectorsError,
            r"raw bands as numbers of shape \(8, columns\)",
        ),
        ({"regions": ["a"]}, LabelsError, "one region a label"),
        ({"y": ["a"] * 8}, LabelsError, "two classes"),
        ({"X": [["a"]] * 8}, VectorsError, "vectors as numbers"),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(change, error, message) -> None:
    """Features, regions and labels are of the same rows, or a sentence says which are not."""
    X, y, groups = labelled_vectors(8)
    given = {"X": X, "y": y, "groups": groups, **change}
    with pytest.raises(error, match=message):
        Labelled.of(given.pop("X"), given.pop("y"), given.pop("groups"), **given)


def test_fitted_adapters_are_scored_on_new_labels() -> None:
    """Adapters as they are, on rows nobody saw: the first against the others, strange classes noted as wrong."""
    X, y, groups = labelled_vectors(240, noise=3.0)
    good = CropTypeAdapter().fit(X[:120], y[:120])
    poor = CropTypeAdapter().fit(X[:6], y[:6])
    truth = y[120:].copy()
    truth[:5] = "quinoa"
    data = Labelled.of(X[120:], truth, groups[120:])
    found = evaluate_fitted({"good": good, "poor": poor}, data, majority="crop 000")
    assert [e.name for e in found.entries] == [ADAPTER, "poor", "majority class"]
    names = [c.name for c in found.classes]
    expected = f1_score(truth, good.predict(X[120:]), average="macro", labels=names)
    assert found.entry().scores.macro_f1.value == pytest.approx(expected)
    assert found.entry("poor").difference.macro_f1.value > 0.1
    assert found.notes == ("No adapter knows quinoa: 5 labels cannot be right.",)
    assert found.best == "poor"
