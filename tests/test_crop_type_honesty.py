"""Sets that hold the true class, "none of these", and labels that borrow from the table."""

import numpy as np
import pytest
from adapter_contract import labelled_vectors

from surco.adapters import (
    CropTypeAdapter,
    LabelsError,
    LocalScatter,
    SettingsError,
    load_adapter,
    save_adapter,
)
from surco.adapters.borrowing import with_neighbours
from surco.adapters.conformal import class_sets, threshold, true_probabilities


def _places(n, seed, classes=6, noise=2.0, shift=0.6):
    """Overlapping classes whose vectors differ from place to place: (vectors, codes, places)."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(5).normal(size=(classes, 32))
    places = rng.integers(0, 25, n)
    there = np.random.default_rng(seed + 1).normal(size=(25, 32)) * shift
    codes = rng.integers(0, classes, n)
    return centres[codes] + there[places] + noise * rng.normal(size=(n, 32)), codes, places


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_hold_the_true_class_as_often_as_asked(coverage):
    """In places that taught nothing sets hold the true class at most two points less often than asked, eight more."""
    held, sizes = [], []
    for seed in range(12):
        X, y, places = _places(1200, 100 + seed)
        ours = places < 12
        labelled = np.flatnonzero(ours)[:150]
        pool = LocalScatter.of(X.astype(np.float32), queries=300)
        adapter = CropTypeAdapter().fit(X[labelled], y[labelled], groups=places[labelled], pool=pool)
        sets = adapter.predict_set(X[~ours], coverage)
        held.append(sets[np.arange(len(sets)), y[~ours]].mean())
        sizes.append(sets.sum(axis=1).mean())
    assert coverage - 0.02 < np.mean(held) < coverage + 0.08
    assert np.mean(sizes) < 0.75 * 6


def test_a_wider_coverage_has_larger_sets_that_hold_the_narrower():
    """Sets grow with the coverage, and every set holds the likeliest class."""
    X, y, places = _places(600, 1)
    adapter = CropTypeAdapter().fit(X[:200], y[:200], groups=places[:200])
    narrow, wide = adapter.predict_set(X, 0.6), adapter.predict_set(X, 0.95)
    assert (wide | ~narrow).all()
    assert wide.sum() > narrow.sum()
    assert narrow[np.arange(len(X)), adapter.predict_proba(X).argmax(axis=1)].all()


def test_a_coverage_that_no_labels_can_promise_is_refused():
    """A coverage outside 0.5 to 0.99 is a sentence, not a set of everything."""
    X, y, _ = labelled_vectors(60)
    with pytest.raises(SettingsError, match=r"coverage from 0\.5 to 0\.99; got 1\.0"):
        CropTypeAdapter().fit(X, y).predict_set(X, 1.0)


def test_without_held_out_labels_sets_follow_the_expected_probabilities():
    """Where nothing could be held out, a set reaches the coverage that the probabilities themselves promise."""
    chances = np.random.default_rng(0).dirichlet(np.full(5, 0.5), 4000)
    quantiles = true_probabilities(np.zeros(0), chances, 1e6)
    sets = class_sets(chances.astype(np.float32), threshold(quantiles, 0.9))
    truth = np.array([np.random.default_rng(i).choice(5, p=row) for i, row in enumerate(chances)])
    assert sets[np.arange(4000), truth].mean() == pytest.approx(0.9, abs=0.03)


def test_a_class_that_nobody_labelled_has_no_support():
    """Places of a class that was never labelled lie farther out than those of labelled classes."""
    X, y, places = _places(1500, 3, noise=1.0, shift=0.2)
    known = y < 5
    taught = np.flatnonzero(known & (places < 12))[:200]
    adapter = CropTypeAdapter().fit(X[taught], y[taught], groups=places[taught])
    asked = places >= 12
    usual, strange = adapter.support(X[asked & known]), adapter.support(X[asked & ~known])
    assert (strange < 0.05).mean() > 0.5
    assert (usual < 0.05).mean() < 0.15
    order = np.concatenate([usual, strange]).argsort().argsort()
    ahead = (order[: len(usual)].sum() - len(usual) * (len(usual) - 1) / 2) / (len(usual) * len(strange))
    assert ahead > 0.85


def test_support_needs_labels_that_can_be_held_out():
    """Too few labels to know what is usual: a sentence says how many are wanted."""
    X, y, _ = labelled_vectors(12)
    with pytest.raises(LabelsError, match="at least 20 labels in three groups"):
        CropTypeAdapter().fit(X, y).support(X)


def test_sets_and_support_survive_the_files():
    """Saved and loaded, an adapter gives the same sets and the same support."""
    X, y, places = _places(300, 4)
    adapter = CropTypeAdapter().fit(X, y, groups=places)
    files = save_adapter(adapter, name="a", model_id="m", task="crop-type", training={})
    loaded = load_adapter(files)
    np.testing.assert_array_equal(loaded.predict_set(X, 0.8), adapter.predict_set(X, 0.8))
    np.testing.assert_array_equal(loaded.support(X), adapter.support(X))


def test_borrowing_draws_lone_labels_to_their_class():
    """A label's mean with its neighbours lies nearer its class's centre, and the more labels the less is borrowed."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 16)) * 2
    rows = (centres[np.arange(2000) % 4] + rng.normal(size=(2000, 16))).astype(np.float32)
    codes = np.arange(4)
    labels = rows[:4].astype(float)
    taught = with_neighbours(labels, codes, rows, 1.0)
    apart = np.linalg.norm(labels - centres, axis=1), np.linalg.norm(taught - centres, axis=1)
    assert (apart[1] < apart[0]).all()
    many = with_neighbours(rows[:80].astype(float), np.arange(80) % 4, rows, 1.0)
    assert np.linalg.norm(many[:4] - labels, axis=1).max() < np.linalg.norm(taught - labels, axis=1).min()
    np.testing.assert_array_equal(with_neighbours(labels, codes, rows, 0.0), labels)


def test_a_labels_own_row_is_not_its_neighbour():
    """Whether the table holds the labelled row or not, the same three neighbours are borrowed from."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(500, 8)).astype(np.float32)
    label, codes = rows[:1].astype(float), np.zeros(1, int)
    np.testing.assert_allclose(
        with_neighbours(label, codes, rows, 1.0), with_neighbours(label, codes, rows[1:], 1.0), atol=1e-6
    )
