"""The yield adapter: the contract, the corners of its range, intervals that cover, and files that lie."""

import hashlib
import json
import time
import warnings

import numpy as np
import pytest
import safetensors.numpy
from adapter_contract import REGRESSOR_CHECKS, measured_vectors
from sklearn.linear_model import BayesianRidge
from sklearn.utils.estimator_checks import check_estimator

from surco.adapters import CardError, LabelsError, SettingsError, YieldAdapter, load_adapter, save_adapter
from surco.adapters.bayesian_ridge import BayesianRidge as OwnRidge
from surco.adapters.conformal_interval import ConformalInterval
from surco.adapters.kernel_features import standardised


@pytest.mark.parametrize("kernel", ["auto", "linear", "process"])
@pytest.mark.parametrize("check", REGRESSOR_CHECKS, ids=lambda c: c.__name__)
def test_contract(check, kernel):
    """The adapter keeps every promise of the room's contract, with either model."""
    check(lambda: YieldAdapter(kernel=kernel))


def test_scikit_learn_contract():
    """scikit-learn's own battery passes whole; only checks that need packages we do not have are skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's checks warn of their own casts of NaN
        results = check_estimator(YieldAdapter(), on_fail=None, on_skip=None)
    wrong = [
        (r["check_name"], str(r["exception"])) for r in results if r["status"] not in ("passed", "skipped")
    ]
    assert wrong == []
    assert len(results) > 40


@pytest.mark.parametrize(
    ("n", "dimension", "limit"), [(1, 64, 2), (5, 2, 2), (100, 64, 4), (300, 2048, 20), (100_000, 64, 30)]
)
def test_range_of_labels_and_dimensions(n, dimension, limit):
    """From one label to a hundred thousand, 2 to 2048 dimensions: finite values, in far less than a coffee."""
    X, y, groups = measured_vectors(n, dimension)
    began = time.perf_counter()
    adapter = YieldAdapter().fit(X, y, groups=groups)
    assert time.perf_counter() - began < limit
    assert np.isfinite(adapter.predict(X)).all()


def test_one_label_says_nothing_of_the_spread():
    """A single label is predicted everywhere, with an interval that is unbounded, from `least` on."""
    X, _, _ = measured_vectors(5)
    adapter = YieldAdapter(least=0).fit(X[:1], [5.0])
    assert adapter.predict(X).tolist() == [5.0] * 5
    assert adapter.predict_interval(X).tolist() == [[0.0, np.inf]] * 5


def test_one_group_says_nothing_of_others():
    """Labels of a single place are learned from, but how others differ from it stays unknown."""
    X, y, _ = measured_vectors(60)
    adapter = YieldAdapter().fit(X, y, groups=np.zeros(60))
    assert np.isfinite(adapter.predict(X)).all()
    assert np.isinf(adapter.predict_interval(X)).all()


def test_labels_that_are_all_alike():
    """A few equal labels leave the spread unknown; many equal ones make it nothing."""
    X, _, _ = measured_vectors(40)
    few = YieldAdapter().fit(X[:4], np.full(4, 7.0))
    many = YieldAdapter().fit(X, np.full(40, 7.0))
    np.testing.assert_allclose(few.predict(X), 7.0)
    assert np.isinf(few.predict_interval(X)).all()
    np.testing.assert_allclose(many.predict_interval(X), 7.0)


def test_least_bounds_labels_values_and_intervals():
    """Nothing below `least` is learned, predicted or held possible."""
    X, y, groups = measured_vectors(noise=3.0)
    adapter = YieldAdapter(least=0).fit(X, y, groups=groups)
    assert adapter.predict_interval(X, 0.99).min() == 0
    with pytest.raises(LabelsError, match="at least 0; got -3 in row 2 and 1 such in all"):
        YieldAdapter(least=0).fit(X, np.where(np.arange(len(y)) == 2, -3.0, y), groups=groups)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel": "rbf"},
        {"scaling": "x"},
        {"least": "0"},
        {"least": np.nan},
        {"coverage": 1.0},
        {"coverage": True},
        {"unit": "x" * 50},
    ],
)
def test_settings_out_of_range_are_named(settings):
    """A setting outside its range is refused by name when fitting."""
    X, y, _ = measured_vectors(20)
    with pytest.raises(SettingsError, match=next(iter(settings))):
        YieldAdapter(**settings).fit(X, y)


def _valleys(groups, each, shared, seed):
    """Labels of valleys: vectors that lean by valley, and yields of which a valley shares an error of its own."""
    rng = np.random.default_rng(seed)
    slope = np.random.default_rng(5).normal(size=16) / 4
    group = np.repeat(np.arange(groups), each)
    X = rng.normal(size=(len(group), 16)) + 0.5 * rng.normal(size=(groups, 16))[group]
    y = X @ slope + shared * rng.normal(size=groups)[group] + rng.normal(size=len(group))
    return X.astype(np.float32), y, group


@pytest.mark.parametrize("groups", [3, 8, 20, 60])
@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_coverage_in_valleys_without_labels(groups, shared):
    """Nine in ten are covered in new valleys, from three valleys on, also where a valley errs as one."""
    other, truth, _ = _valleys(200, 10, shared, seed=99)
    covered = []
    for seed in range(20):
        adapter = YieldAdapter().fit(*_valleys(groups, 12, shared, seed))
        low, high = adapter.predict_interval(other).T
        covered.append(((low <= truth) & (truth <= high)).mean())
    assert 0.86 < np.mean(covered) < 0.95


def test_groups_widen_the_interval():
    """Labels taken for independent although their valley errs as one promise too much."""
    X, y, groups = _valleys(20, 12, 1.5, seed=0)
    other, truth, _ = _valleys(200, 10, 1.5, seed=99)
    within = {}
    for name, given in (("blocks", groups), ("none", None)):
        low, high = YieldAdapter().fit(X, y, groups=given).predict_interval(other).T
        within[name] = ((low <= truth) & (truth <= high)).mean()
    assert within["none"] < within["blocks"] - 0.02


def test_process_is_chosen_where_it_is_better():
    """A curved relation gets the Gaussian process, a straight one the ridge."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)).astype(np.float32)
    groups, noise = np.arange(400) % 40, rng.normal(size=400) * 0.2
    curved = YieldAdapter().fit(X, np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + noise, groups=groups)
    straight = YieldAdapter().fit(X, X[:, 0] + noise, groups=groups)
    assert (curved.kernel_, straight.kernel_) == ("process", "linear")
    fresh = rng.normal(size=(500, 3)).astype(np.float32)
    truth = np.sin(2 * fresh[:, 0]) + fresh[:, 1] ** 2
    assert np.corrcoef(curved.predict(fresh), truth)[0, 1] > 0.9


def _known_model(groups=8, each=6, dimension=5):
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(groups), each)
    X = rng.normal(size=(len(group), dimension))
    features = standardised(X, each=False)
    rows = features.of(X).astype(float)
    y = X[:, 0] + rng.normal(size=groups)[group] * 0.5 + rng.normal(size=len(group)) * 0.3
    return rows, (y - y.mean()) / y.std(), group, features.blocks(), (2.0,)


@pytest.mark.parametrize("each", [2, 20])
def test_held_out_predictions_are_those_of_a_fit_without_the_group(each):
    """The closed form for a held-out group, small or large, is what fitting without it predicts."""
    rows, y, group, blocks, ratios = _known_model(each=each)
    model = OwnRidge.fit(rows, y, blocks, ratios)
    closed = model.held_out(rows, y, group)
    for g in range(3):
        rest = group != g
        without = OwnRidge.fit(rows[rest], y[rest], blocks, ratios)
        np.testing.assert_allclose(closed.mean[~rest], rows[~rest] @ without.weights, atol=1e-6)
        spread = np.square(rows[~rest] @ without.factor).sum(axis=1) / without.noise + 1
        np.testing.assert_allclose(closed.deviation[~rest] ** 2 / model.noise, spread, rtol=1e-5)


def test_posterior_is_the_textbook_gaussian_process():
    """Weights and their covariance are those of the Gaussian process with its covariance written out."""
    rows, y, _, blocks, ratios = _known_model()
    model = OwnRidge.fit(rows, y, blocks, ratios)
    prior = np.where(blocks == 0, 1e4, ratios[0])
    covariance = (rows * prior) @ rows.T + np.eye(len(y))
    np.testing.assert_allclose(model.weights, prior * (rows.T @ np.linalg.solve(covariance, y)), atol=1e-5)
    expected = np.diag(prior) - (prior[:, None] * rows.T) @ np.linalg.solve(covariance, rows * prior)
    np.testing.assert_allclose(model.factor @ model.factor.T, model.noise * expected, atol=1e-4 * model.noise)


def test_process_is_the_textbook_gaussian_process():
    """With every row chosen, the process predicts values and deviations of a Gaussian process of that kernel."""
    X, y, _ = measured_vectors(40, dimension=4)
    adapter = YieldAdapter(kernel="process").fit(X, y)
    head, fresh = adapter.head_, measured_vectors(20, dimension=4, seed=5)[0]
    a, b = (x @ head.features.projection + head.features.offset for x in (X, fresh))
    linear, kernel = adapter.ratios_
    squares = lambda u, v: ((u[:, None] - v) ** 2).sum(axis=2)  # noqa: E731
    product = lambda u, v: (  # noqa: E731
        1e4 + linear * u @ v.T + kernel * np.exp(-squares(u, v) / (2 * head.features.length**2))
    )
    inverse = np.linalg.inv(product(a, a) + np.eye(40))
    standard = (y - head.centre) / head.spread
    np.testing.assert_allclose(
        adapter.predict(fresh), head.centre + head.spread * product(b, a) @ inverse @ standard, atol=0.02
    )
    variance = np.diag(product(b, b) - product(b, a) @ inverse @ product(a, b)) + 1
    _, deviation = head.predict(fresh)
    np.testing.assert_allclose(deviation, head.spread * np.sqrt(head.noise * variance), rtol=0.02)


def test_linear_model_agrees_with_scikit_learns():
    """Without groups the values are those of scikit-learn's Bayesian ridge, up to the priors."""
    X, y, _ = measured_vectors(500)
    ours, theirs = YieldAdapter(kernel="linear").fit(X, y), BayesianRidge().fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=0.05)


def test_interval_of_ranks_is_a_rank():
    """Of 99 scores of labels that err on their own, 90 % is reached at the ninetieth."""
    interval = ConformalInterval.of(np.arange(1.0, 100.0), np.arange(99))
    assert interval.factor(0.9) == pytest.approx(90.0)


def test_fit_of_a_hundred_takes_milliseconds():
    """A hundred labels of 64 numbers are learned in well under a second, also on a busy machine."""
    X, y, groups = measured_vectors(100)
    YieldAdapter().fit(X, y, groups=groups)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        YieldAdapter().fit(X, y, groups=groups)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.8


def _saved(kernel="process"):
    X, y, groups = measured_vectors(60, dimension=8)
    adapter = YieldAdapter(kernel=kernel, unit="t/ha", least=0).fit(X, y, groups=groups)
    return save_adapter(adapter, name="trigo", model_id="m-1", task="yield", training={})


def test_card_says_the_unit():
    """The card of a yield adapter names its task, unit and number of labels."""
    card = json.loads(_saved()["card.json"])
    assert (card["task"], card["unit"], card["labels"]) == ("yield", "t/ha", 60)


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "kg"},
        {"labels": 0},
        {"labels": True},
        {"dimension": 9},
        {"head": None},
        {"head": {"length": 1.0}},
        {"head": {"length": -1, "noise": 1, "kernel_variance": 1, "centre": 0, "spread": 1}},
        {"head": {"length": 1, "noise": "1", "kernel_variance": 1, "centre": 0, "spread": 1}},
        {"interval": {"root_mean_square": 1.0, "groups": 3}},
        {"interval": {"root_mean_square": 1.0, "groups": "3", "independent": 3.0}},
        {"parameters": {"kernel": "rbf"}},
        {"parameters": {"self": 1}},
        {"parameters": {"coverage": 7}},
    ],
    ids=str,
)
def test_cards_that_lie_are_refused(change):
    """Every field of a card is checked before anything is built from it."""
    files = _saved()
    card = {**json.loads(files["card.json"]), **change}
    with pytest.raises(CardError, match="copy the adapter again"):
        load_adapter({**files, "card.json": json.dumps(card).encode()})


@pytest.mark.parametrize("kernel", ["linear", "process"])
def test_tensors_with_a_matching_hash_are_still_checked(kernel):
    """Missing tensors, others of another shape or type, and falling scores are refused, each by itself."""
    files = _saved(kernel)
    tensors = safetensors.numpy.load(files["adapter.safetensors"])
    for name, value in tensors.items():
        for forged in (None, value[..., :-1], value.astype(float), np.full_like(value, np.nan)):
            if forged is not None and forged.size == 0 and value.size == 0 and forged.dtype == value.dtype:
                continue
            changed = {k: np.ascontiguousarray(forged if k == name else v) for k, v in tensors.items()}
            if forged is None:
                changed.pop(name)
            _refused(files, changed)
    _refused(files, {**tensors, "scores": np.ascontiguousarray(tensors["scores"][::-1])})


def _refused(files, tensors):
    data = safetensors.numpy.save(tensors)
    card = {**json.loads(files["card.json"]), "weights_sha256": hashlib.sha256(data).hexdigest()}
    with pytest.raises(CardError, match="copy the adapter again"):
        load_adapter({"adapter.safetensors": data, "card.json": json.dumps(card).encode()})
