"""The crop-type adapter: the contract, the corners of its range, and what pools and temperatures are for."""

import time
import warnings

import numpy as np
import pytest
from adapter_contract import CLASSIFIER_CHECKS, labelled_vectors
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

from surco.adapters import CropTypeAdapter, LocalScatter, SettingsError, VectorsError
from surco.adapters.discriminant import Gaussians
from surco.adapters.logistic import logistic
from surco.adapters.scores import score
from surco.adapters.temperatures import FoldScores, crossfitted, expected_temperature


@pytest.mark.parametrize("check", CLASSIFIER_CHECKS, ids=lambda c: c.__name__)
def test_contract(check):
    """The adapter keeps every promise of the room's contract."""
    check(CropTypeAdapter)


def test_scikit_learn_contract():
    """scikit-learn's own battery passes whole; only checks that need packages we do not have are skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's checks warn of their own casts of NaN
        results = check_estimator(CropTypeAdapter(), on_fail=None, on_skip=None)
    wrong = [
        (r["check_name"], str(r["exception"])) for r in results if r["status"] not in ("passed", "skipped")
    ]
    assert wrong == []
    assert len(results) > 40


def _mixture(n, classes, dimension, seed=0, weights=None):
    """Vectors of classes that overlap along a few directions which say nothing of the class."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(classes, dimension)) * 0.5
    loud = np.random.default_rng(8).normal(size=(4, dimension)) * 0.5
    codes = rng.choice(classes, n, p=weights)
    vectors = centres[codes] + rng.normal(size=(n, 4)) @ loud + rng.normal(size=(n, dimension)) * 0.3
    return vectors.astype(np.float32), codes


@pytest.mark.parametrize(
    ("n", "classes", "dimension"),
    [(2, 2, 2), (3, 2, 2048), (10, 2, 64), (400, 200, 64), (500, 3, 2), (100_000, 5, 64)],
)
def test_range_of_labels_classes_and_dimensions(n, classes, dimension):
    """From two labels to a hundred thousand, 2 to 200 classes, 2 to 2048 dimensions: finite, and right on easy data."""
    X, y, _ = labelled_vectors(n, classes, dimension, noise=0.05)
    adapter = CropTypeAdapter().fit(X, y)
    proba = adapter.predict_proba(X)
    assert np.isfinite(proba).all()
    assert (adapter.predict(X) == y).mean() > (0.95 if dimension > 2 else 0.8)


def test_pool_teaches_what_varies_within_classes():
    """With three labels a class, unlabelled vectors lift accuracy where loud directions say nothing of the class."""
    pool, _ = _mixture(4000, 5, 32, seed=1)
    test, truth = _mixture(2000, 5, 32, seed=2)
    with_pool, without = [], []
    for seed in range(5):
        X, y = _mixture(400, 5, 32, seed=10 + seed)
        rows = np.concatenate([np.flatnonzero(y == c)[:3] for c in range(5)])
        without.append((CropTypeAdapter().fit(X[rows], y[rows]).predict(test) == truth).mean())
        with_pool.append((CropTypeAdapter().fit(X[rows], y[rows], pool=pool).predict(test) == truth).mean())
    assert np.mean(with_pool) > np.mean(without) + 0.05


def test_scatter_made_once_serves_like_the_pool():
    """A LocalScatter made before gives the very adapter that the pool's vectors give."""
    pool, _ = _mixture(3000, 4, 16)
    X, y = _mixture(40, 4, 16, seed=3)
    by_rows = CropTypeAdapter().fit(X, y, pool=pool)
    by_scatter = CropTypeAdapter().fit(X, y, pool=LocalScatter.of(pool))
    np.testing.assert_array_equal(by_rows.head_.weights, by_scatter.head_.weights)


def test_a_constant_pool_is_no_disaster():
    """Vectors that are all alike say nothing; the fit falls back on the labels."""
    X, y, _ = labelled_vectors(40, dimension=8)
    adapter = CropTypeAdapter().fit(X, y, pool=np.ones((100, 8), np.float32))
    assert np.isfinite(adapter.predict_proba(X)).all()


def test_a_pool_with_gaps_is_refused():
    """Unlabelled rows without data are named, not averaged in."""
    pool = np.ones((100, 8), np.float32)
    pool[:7] = np.nan
    with pytest.raises(VectorsError, match="in 7 of 100 rows"):
        LocalScatter.of(pool)


def test_imbalance_keeps_rare_classes():
    """Five labels against five hundred: the rare class is still found, and rarity still counts where asked."""
    X, y = _mixture(4000, 2, 16, seed=4)
    rows = np.concatenate([np.flatnonzero(y == 0)[:500], np.flatnonzero(y == 1)[:5]])
    test, truth = _mixture(2000, 2, 16, seed=5)
    equal, shares = (
        CropTypeAdapter(frequency_weight=w).fit(X[rows], y[rows]).predict_proba(test)[:, 1]
        for w in (0.0, 1.0)
    )
    assert ((equal > 0.5) == truth).mean() > 0.8
    assert shares.mean() < equal.mean()


def test_checked_temperature_calibrates():
    """With groups and enough labels, stated confidence is what comes true: error below five points."""
    X, y = _mixture(600, 4, 16, seed=6)
    groups = np.random.default_rng(0).integers(0, 20, len(y))
    test, truth = _mixture(4000, 4, 16, seed=7)
    adapter = CropTypeAdapter().fit(X, y, groups=groups)
    proba = adapter.predict_proba(test).astype(float)
    assert score(truth, proba, list("abcd"), np.arange(len(truth))).ece.value < 0.05


def test_crossfit_corrects_over_confidence():
    """Held-out labels that contradict sharp scores lower the temperature; those that agree raise it."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 300)
    sharp = np.eye(3)[codes] * 5
    wrong = np.eye(3)[rng.permutation(codes)] * 5
    lowered, raised = (
        crossfitted([FoldScores(scores, np.zeros(3), codes, np.zeros(300, np.float32))])
        for scores in (wrong, sharp)
    )
    assert lowered.factor < 1 < raised.factor
    assert lowered.floor > raised.floor


def test_scores_are_believed_more_with_more_labels():
    """The temperature grows with the labels of a class, up to the twenty that tables are fitted on."""
    found = [expected_temperature(np.full(6, k), with_pool=True) for k in (1, 5, 20, 100)]
    assert found[0] < found[1] < found[2]
    assert found[3] == pytest.approx(found[2])


def test_discriminant_equals_the_textbook_with_a_weak_prior():
    """Without prior the discriminant is linear discriminant analysis with the pooled covariance."""
    X, y = _mixture(300, 3, 5, seed=8)
    Z = X.astype(float)
    gaussians = Gaussians.fit(Z, y, 3, np.eye(5), strength=1e-9, scale=1.0, mean_strength=0.0)
    weights, bias = gaussians.discriminant()
    means = np.stack([Z[y == c].mean(axis=0) for c in range(3)])
    residuals = Z - means[y]
    inverse = np.linalg.inv(residuals.T @ residuals / (len(Z) - 3))
    np.testing.assert_allclose(weights, inverse @ means.T, rtol=1e-6)
    np.testing.assert_allclose(bias, -0.5 * np.einsum("kd,de,ke->k", means, inverse, means), rtol=1e-6)


def test_logistic_in_the_span_is_the_whole_solution():
    """Fewer labels than dimensions are fitted in their span with the same probabilities as in full."""
    X, y, _ = labelled_vectors(30, 3, 80)
    codes = np.unique(y, return_inverse=True)[1]
    weights, bias = logistic(X.astype(float), codes, 3, C=1.0)
    full = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000, tol=1e-8).fit(
        X.astype(float), codes
    )
    logits = X @ weights + bias
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(proba, full.predict_proba(X.astype(float)), atol=1e-3)


@pytest.mark.parametrize(
    "settings",
    [
        {"C": 0},
        {"prior_strength": -1},
        {"borrowed": -1},
        {"frequency_weight": 2},
        {"mean_strength": "1"},
        {"scaling": "x"},
    ],
)
def test_settings_out_of_range_are_named(settings):
    """A setting outside its range is refused by name when fitting."""
    X, y, _ = labelled_vectors(20)
    with pytest.raises(SettingsError, match=next(iter(settings))):
        CropTypeAdapter(**settings).fit(X, y)


@pytest.mark.parametrize(("labels", "classes", "rows"), [(40, 8, 0), (100, 17, 20_000)])
def test_fit_of_a_handful_takes_milliseconds(labels, classes, rows):
    """Forty labels, and a hundred in 17 classes with a pool of 20,000 rows, are learned in under 100 ms."""
    X, y, groups = labelled_vectors(labels, classes)
    pool = LocalScatter.of(labelled_vectors(rows, classes, seed=1)[0]) if rows else None
    CropTypeAdapter().fit(X, y, groups=groups, pool=pool)
    times = []
    for _ in range(5):
        start = time.process_time()
        CropTypeAdapter().fit(X, y, groups=groups, pool=pool)
        times.append(time.process_time() - start)
    assert min(times) < 0.1
