"""Several subsets of labels fitted at once: the same as one after the other, only sooner."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from surco.adapters import CropTypeAdapter, LocalScatter, VectorsError, cross_validate
from surco.adapters.evaluation.baselines import BalancedLogistic
from surco.adapters.logistic import logistic, logistic_each
from surco.adapters.temperatures import FoldScores, crossfitted

NONE = np.zeros(50, np.float32)


def labelled(n: int, classes: int = 4, dimension: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes of unit vectors."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % classes
    vectors = rng.normal(size=(classes, dimension))[codes] + 2 * rng.normal(size=(n, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), codes


def folds(n: int, count: int = 5) -> list[np.ndarray]:
    """Training rows of each fold, every row its own group."""
    return [train for train, _ in GroupKFold(count).split(np.zeros(n), groups=np.arange(n))]


@pytest.mark.parametrize("n", [16, 90])
def test_heads_solved_together_are_those_solved_alone(n: int) -> None:
    """Logits differ by no more than the solver's tolerance, also where a subset lacks a class."""
    X, codes = labelled(n)
    vectors = X.astype(float) * 5
    subsets = np.ones((3, n), bool)
    subsets[1, ::3] = False
    subsets[2, codes == 3] = False
    together = logistic_each(vectors, codes, 4, subsets, C=0.1)
    for rows, (weights, bias) in zip(subsets, together, strict=True):
        known, inner = np.unique(codes[rows], return_inverse=True)
        alone, offset = logistic(vectors[rows], inner, len(known), C=0.1)
        ours, theirs = vectors @ weights[:, known] + bias[known], vectors @ alone + offset
        apart = (ours - ours.mean(axis=1, keepdims=True)) - (theirs - theirs.mean(axis=1, keepdims=True))
        assert np.abs(apart).max() < 0.02 * np.abs(theirs).max()


def test_many_labels_are_solved_one_subset_after_the_other() -> None:
    """Tables too large to be solved together give the same heads, with zeros for a class that a subset lacks."""
    X, codes = labelled(9_000)
    subsets = np.ones((3, len(codes)), bool)
    subsets[1, codes == 2] = False
    (whole, _), (without, bias), _ = logistic_each(X.astype(float), codes, 4, subsets, C=0.1)
    assert not without[:, 2].any() and bias[2] == 0 and whole[:, 2].any()


def test_a_fit_of_each_subset_is_a_fit_of_it_alone() -> None:
    """With a pool, which all subsets share, probabilities are those of a fit on the subset's labels."""
    X, codes = labelled(100)
    pool = LocalScatter.of(labelled(400, seed=3)[0])
    groups, subsets = np.arange(100), folds(100)
    each = CropTypeAdapter().fit_each(X, codes, groups, subsets, pool=pool)
    for rows, fitted in zip(subsets, each, strict=True):
        alone = CropTypeAdapter().fit(X[rows], codes[rows], groups=groups[rows], pool=pool)
        assert np.abs(fitted.predict_proba(X) - alone.predict_proba(X)).max() < 0.01
        np.testing.assert_array_equal(fitted.classes_, alone.classes_)


def test_a_subset_without_a_class_does_not_know_it() -> None:
    """Without a pool, too, the classes are the subset's own."""
    X, codes = labelled(40)
    rows = np.flatnonzero(codes != 1)
    (fitted,) = CropTypeAdapter().fit_each(X, codes, None, [rows])
    assert fitted.classes_.tolist() == [0, 2, 3] and fitted.predict_proba(X).shape == (40, 3)
    with pytest.raises(VectorsError, match="pool of the vectors' dimension"):
        CropTypeAdapter().fit_each(X, codes, None, [rows], pool=np.ones((60, 3), np.float32))


def test_cross_validation_has_a_reliability_diagram_and_the_baselines_named() -> None:
    """Points cover all labels once and their mean is the accuracy; only the named baselines are fitted."""
    X, codes = labelled(100)
    found = cross_validate(CropTypeAdapter(), X, codes, np.arange(100), baselines=("prototypes",))
    assert list(found.baselines) == ["prototypes"]
    assert sum(point.n for point in found.reliability) == 100 and found.scores is not None
    right = sum(point.n * point.accuracy for point in found.reliability) / 100
    assert right == pytest.approx(found.scores.accuracy.value)
    assert found.as_dict()["reliability"][0] == {  # type: ignore[index]
        "confidence": found.reliability[0].confidence,
        "accuracy": found.reliability[0].accuracy,
        "n": 10,
    }


def test_the_correction_is_where_held_out_labels_are_most_likely() -> None:
    """No nearby factor or floor makes them likelier, also where folds know different numbers of classes."""
    rng = np.random.default_rng(0)
    parts = []
    for k in (3, 4):
        codes = rng.integers(0, k, 50)
        parts.append(
            FoldScores(2 * rng.normal(size=(50, k)) + 2 * np.eye(k)[codes], rng.normal(size=k), codes, NONE)
        )
    found = crossfitted(parts)
    # Half of the factor's logarithm is believed.
    best = np.array([2 * np.log(found.factor), np.log(found.floor / (1 - found.floor)) - np.log(0.07 / 0.93)])

    def surprise(moved: np.ndarray) -> float:
        floor = 1 / (1 + np.exp(-(np.log(0.07 / 0.93) + moved[1])))
        chances = []
        for part in parts:
            logits = np.exp(moved[0]) * part.pooled + part.offset
            plain = np.exp(logits[np.arange(50), part.codes]) / np.exp(logits).sum(axis=1)
            chances.append((1 - floor) * plain + floor / logits.shape[1])
        return float(0.5 * np.square(moved).sum() - np.log(np.concatenate(chances)).sum())

    for step in ([0.02, 0], [-0.02, 0], [0, 0.02], [0, -0.02]):
        assert surprise(best) <= surprise(best + step) + 1e-9


def test_the_plain_logistic_regression_is_scikit_learns() -> None:
    """The same probabilities as its solver finds, of two classes and of several."""
    for classes, n in ((2, 60), (4, 200)):
        X, codes = labelled(n, classes)
        theirs = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5_000, tol=1e-8).fit(X, codes)
        ours = BalancedLogistic().fit(X, codes)
        assert np.abs(ours.predict_proba(X) - theirs.predict_proba(X)).max() < 1e-3


def test_a_pool_remembers_the_neighbours_of_the_labels_asked_last() -> None:
    """They are computed once for the same vectors, again for others, and a copy has forgotten them."""
    pool = LocalScatter.of(labelled(400, seed=3)[0])
    calls: list[int] = []

    def compute() -> np.ndarray:
        calls.append(1)
        return np.ones((2, 2))

    first, other = np.zeros((2, 2)), np.ones((2, 2))
    for asked in (first, first.copy(), other, first):
        pool.remembered(asked, compute)
    assert len(calls) == 2
    copied = copy.deepcopy(pool)
    copied.remembered(first, compute)
    assert len(calls) == 3 and (copied.rows == pool.rows).all()
