"""The evaluation of the next-label bandit: splits, curves and what is read off them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from surco.adapters.next_label import ARMS, Prior

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import evaluate_next_label as evaluation
import fit_next_label_prior as fitting
from next_label_tables import Field, LabelledTable, splits


def table(name: str = "one", rows: int = 240) -> LabelledTable:
    """Four classes that lie apart, in twelve groups."""
    rng = np.random.default_rng(0)
    code = rng.choice(4, rows, p=[0.5, 0.3, 0.15, 0.05])
    vectors = 2 * np.eye(4, 12)[code] + rng.normal(size=(rows, 12)) * 0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    group = rng.integers(0, 12, rows).astype(str)
    return LabelledTable(name, vectors.astype(np.float32), np.array([*"abcd"])[code], group)


def test_splits_hold_whole_groups_out():
    """No group is on both sides, scored classes are in the pool and in the test, and runs differ."""
    made, one = list(splits(table(), 4, seed=1)), table()
    for split in made:
        assert not set(one.group[split.pool]) & set(one.group[split.test])
        assert set(split.scored) <= set(one.label[split.pool]) & set(one.label[split.test])
    assert len({tuple(split.test.tolist()) for split in made}) == 4


def test_labels_to_reach_a_score():
    """Between two points the line is read; a score that is never reached is NaN."""
    curve = np.array([0.2, 0.4, 0.4, 0.6])
    assert evaluation.labels_to_reach(curve, 0.3) == pytest.approx(15)
    assert evaluation.labels_to_reach(curve, 0.1) == pytest.approx(5)
    assert evaluation.labels_to_reach(curve, 0.5) == pytest.approx(35)
    assert np.isnan(evaluation.labels_to_reach(curve, 0.7))


def test_intervals_are_of_the_paired_mean():
    """Equal gaps have no width; noise around zero includes zero; tables weigh the same whatever their runs."""
    rng = np.random.default_rng(0)
    assert evaluation.interval([np.full(20, 0.1)], rng) == pytest.approx((0.1, 0.1, 0.1))
    mean, low, high = evaluation.interval([rng.normal(size=40)], rng)
    assert low < 0 < high
    assert low < mean < high
    assert evaluation.interval([np.full(30, 1.0), np.full(3, 0.0)], rng)[0] == pytest.approx(0.5)


def test_every_method_has_a_curve_and_the_prior_is_of_other_tables():
    """A small evaluation: ten scores in 0..1 a method, by a prior of another table; a table never helps itself."""
    prior = Prior({name: fitting.source(table(name), 1) for name in ("other", "one")})
    assert prior.sources["other"].states >= 8
    curves, arms = evaluation.evaluate(table(), 1, prior)
    assert set(curves) == set(evaluation.METHODS)
    for found in curves.values():
        assert found.shape == (1, 10)
        assert ((found >= 0) & (found <= 1)).all()
        assert found[0, -1] > 0.6
    assert set(arms[0]) <= set(ARMS)
    with pytest.raises(ValueError, match="at least one source"):
        evaluation.evaluate(table(), 1, prior.without("other"))


def test_gains_are_measured_from_the_same_labels():
    """In each state every arm has a finite gain, and its observables stand beside it."""
    split = next(splits(table(), 1, seed=3))
    states = fitting.campaign(Field.of(table(), split), np.random.default_rng(0))
    context, gains, told = states[0]
    assert len(states) >= 8
    assert gains.shape == (len(ARMS),)
    assert np.isfinite(context).all()
    assert np.isfinite(told).all()
