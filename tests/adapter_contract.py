"""What every adapter of the room promises, as check functions: run each over each adapter.

A check takes a factory of unfitted adapters and raises AssertionError where the promise is broken.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from surco.adapters import AdapterError, UnfittedError, load_adapter, save_adapter

__all__ = [
    "CLASSIFIER_CHECKS",
    "REGRESSOR_CHECKS",
    "check_bad_input_is_refused",
    "check_clone_is_unfitted",
    "check_fit_is_deterministic",
    "check_order_of_rows_does_not_matter",
    "check_probabilities",
    "check_quantised_rows_give_the_same",
    "check_round_trip",
    "check_values_are_bounded_and_covered",
    "check_values_bad_input_is_refused",
    "check_values_clone_is_unfitted",
    "check_values_of_quantised_rows_are_the_same",
    "check_values_order_of_rows_does_not_matter",
    "check_values_round_trip",
    "labelled_vectors",
    "measured_vectors",
]

Factory = Callable[[], Any]


def labelled_vectors(
    n: int = 120, classes: int = 4, dimension: int = 64, seed: int = 0, noise: float = 0.8
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors (n, dimension) float32 around class centres, names of crops, and 12 groups."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, dimension))
    codes = np.arange(n) % classes
    vectors = centres[codes] + rng.normal(size=(n, dimension)) * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = np.array([f"crop {c:03d}" for c in range(classes)])
    return vectors.astype(np.float32), names[codes], rng.integers(0, 12, n)


def check_probabilities(make: Factory) -> None:
    """Rows of predict_proba are float, in 0..1, sum to one, and agree with predict and classes_."""
    X, y, groups = labelled_vectors()
    adapter = make().fit(X, y, groups=groups)
    proba = adapter.predict_proba(X)
    assert proba.shape == (len(X), len(adapter.classes_))
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(adapter.classes_[proba.argmax(axis=1)], adapter.predict(X))
    assert adapter.classes_.tolist() == sorted(set(y.tolist()))


def check_clone_is_unfitted(make: Factory) -> None:
    """A clone keeps the parameters and nothing learned, and says so when it is asked."""
    X, y, _ = labelled_vectors()
    fitted = make().fit(X, y)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(UnfittedError, match="call fit"):
        copy.predict(X)


def check_fit_is_deterministic(make: Factory) -> None:
    """Two fits on the same labels predict the same."""
    X, y, groups = labelled_vectors()
    first, second = (make().fit(X, y, groups=groups, pool=X).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def check_order_of_rows_does_not_matter(make: Factory) -> None:
    """Labels in another order teach the same, up to the tolerance of the optimiser."""
    X, y, _ = labelled_vectors(n=40)
    order = np.random.default_rng(1).permutation(len(X))
    straight = make().fit(X, y).predict_proba(X)
    shuffled = make().fit(X[order], y[order]).predict_proba(X)
    np.testing.assert_allclose(straight, shuffled, atol=2e-3)


def check_quantised_rows_give_the_same(make: Factory) -> None:
    """Asking with int8 and scale equals asking with their product."""
    X, y, _ = labelled_vectors()
    adapter = make().fit(X, y)
    scale = (np.abs(X).max(axis=1) / 127).astype(np.float32)
    table = np.rint(X / scale[:, None]).astype(np.int8)
    expected = adapter.predict_proba(table.astype(np.float32) * scale[:, None])
    np.testing.assert_allclose(adapter.predict_proba_int8(table, scale), expected, atol=1e-5)
    np.testing.assert_array_equal(
        adapter.predict_int8(table, scale), adapter.classes_[expected.argmax(axis=1)]
    )


def check_round_trip(make: Factory) -> None:
    """Saved and loaded, an adapter predicts bit for bit the same."""
    X, y, groups = labelled_vectors()
    adapter = make().fit(X, y, groups=groups)
    files = save_adapter(
        adapter, name="valle", model_id="m-1", task=adapter.task, training={"sources": ["field"]}
    )
    loaded = load_adapter(files, model_id="m-1")
    np.testing.assert_array_equal(loaded.predict_proba(X), adapter.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), adapter.predict(X))
    assert loaded.get_params() == adapter.get_params()


def check_bad_input_is_refused(make: Factory) -> None:
    """Nothing that cannot be learned from is learned from: an AdapterError with what to do."""
    X, y, groups = labelled_vectors(n=24)
    broken = X.copy()
    broken[3, 5] = np.nan
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("at least two classes; got 1 class", (X, np.full(len(X), "maíz")), {}),
        (r"got NaN or inf in 1 of 24 rows, first in row 3", (broken, y), {}),
        ("got 24 vectors and 20 labels", (X, y[:20]), {}),
        ("got 20 vectors and 24 labels", (X[:20], y), {}),
        (r"one group a label, shape \(24,\); got shape \(5,\)", (X, y), {"groups": groups[:5]}),
        ("pool of the vectors' dimension, 64; got 8", (X, y), {"pool": labelled_vectors(dimension=8)[0]}),
        ("at least 50 vectors", (X, y), {"pool": X}),
        ("text that is not empty", (X, ["", *y[1:]]), {}),
        ("Unknown label type: continuous", (X, np.linspace(0.1, 0.9, len(X))), {}),
    ]
    for message, args, kwargs in cases:
        with pytest.raises(AdapterError, match=message):
            make().fit(*args, **kwargs)
    fitted = make().fit(X, y)
    with pytest.raises(AdapterError, match=r"X has 10 features, but .* is expecting 64 features"):
        fitted.predict_proba(X[:, :10])
    with pytest.raises(AdapterError, match=r"int8 vectors of shape \(rows, 64\); got float32"):
        fitted.predict_proba_int8(X, np.ones(len(X)))


CLASSIFIER_CHECKS = (
    check_bad_input_is_refused,
    check_clone_is_unfitted,
    check_fit_is_deterministic,
    check_order_of_rows_does_not_matter,
    check_probabilities,
    check_quantised_rows_give_the_same,
    check_round_trip,
)


def measured_vectors(
    n: int = 150, dimension: int = 64, groups: int = 15, seed: int = 0, noise: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors (n, dimension) float32, a yield in t/ha above zero that depends on them, and spatial groups."""
    rng = np.random.default_rng(seed)
    slope = np.random.default_rng(98).normal(size=dimension)
    vectors = rng.normal(size=(n, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    group = rng.integers(0, groups, n)
    shared = rng.normal(size=groups)[group] * noise / 2
    yields = 6 + vectors @ slope + shared + rng.normal(size=n) * noise
    return vectors.astype(np.float32), np.maximum(yields, 0.1), group


def check_values_are_bounded_and_covered(make: Factory) -> None:
    """Values lie in their intervals, wider coverage is wider, nine in ten of other groups are covered."""
    X, y, groups = measured_vectors()
    other, truth, _ = measured_vectors(600, groups=60, seed=1)
    adapter = make().fit(X, y, groups=groups)
    value, narrow, wide = adapter.predict(other), *(adapter.predict_interval(other, c) for c in (0.5, 0.9))
    assert value.shape == (600,) and wide.shape == (600, 2)
    assert (wide[:, 0] <= narrow[:, 0]).all() and (narrow[:, 0] <= value).all()
    assert (value <= narrow[:, 1]).all() and (narrow[:, 1] <= wide[:, 1]).all()
    assert 0.8 < ((wide[:, 0] <= truth) & (truth <= wide[:, 1])).mean() < 0.99
    assert np.corrcoef(value, truth)[0, 1] > 0.8


def check_values_clone_is_unfitted(make: Factory) -> None:
    """A clone keeps the parameters and nothing learned, and says so when it is asked."""
    X, y, _ = measured_vectors()
    fitted = make().fit(X, y)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    for ask in (lambda: copy.predict(X), lambda: copy.predict_interval(X), copy.learned):
        with pytest.raises(UnfittedError, match="call fit"):
            ask()


def check_values_order_of_rows_does_not_matter(make: Factory) -> None:
    """The same labels teach the same value each time, and nearly so in another order."""
    X, y, groups = measured_vectors()
    order = np.random.default_rng(1).permutation(len(X))
    straight, again = (make().fit(X, y, groups=groups).predict(X) for _ in range(2))
    np.testing.assert_array_equal(straight, again)
    shuffled = make().fit(X[order], y[order], groups=groups[order]).predict(X)
    np.testing.assert_allclose(straight, shuffled, atol=0.02)


def check_values_of_quantised_rows_are_the_same(make: Factory) -> None:
    """Asking with int8 and scale equals asking with their product."""
    X, y, groups = measured_vectors()
    adapter = make().fit(X, y, groups=groups)
    scale = (np.abs(X).max(axis=1) / 127).astype(np.float32)
    table = np.rint(X / scale[:, None]).astype(np.int8)
    plain = table.astype(np.float32) * scale[:, None]
    np.testing.assert_allclose(adapter.predict_int8(table, scale), adapter.predict(plain), atol=1e-4)
    value, interval = adapter.predict_interval_int8(table, scale)
    np.testing.assert_allclose(value, adapter.predict(plain), atol=1e-4)
    np.testing.assert_allclose(interval, adapter.predict_interval(plain), atol=1e-3)


def check_values_round_trip(make: Factory) -> None:
    """Saved and loaded, an adapter predicts values and intervals bit for bit the same."""
    X, y, groups = measured_vectors()
    adapter = make().fit(X, y, groups=groups)
    files = save_adapter(adapter, name="trigo", model_id="m-1", task=adapter.task, training={"sources": []})
    loaded = load_adapter(files, model_id="m-1", task=adapter.task)
    np.testing.assert_array_equal(loaded.predict(X), adapter.predict(X))
    np.testing.assert_array_equal(loaded.predict_interval(X), adapter.predict_interval(X))
    assert loaded.get_params() == adapter.get_params()


def check_values_bad_input_is_refused(make: Factory) -> None:
    """Nothing that cannot be learned from is learned from: an AdapterError with what to do."""
    X, y, groups = measured_vectors(n=24)
    broken, unknown, endless = X.copy(), y.copy(), y.copy()
    broken[3, 5], unknown[[4, 9]], endless[7] = np.nan, np.nan, np.inf
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("NaN or inf in 2 of 24 labels, first in row 4: leave out", (X, unknown), {}),
        ("NaN or inf in 1 of 24 labels, first in row 7", (X, endless), {}),
        ("classes need a crop-type adapter", (X, np.full(len(X), "maíz")), {}),
        ("got NaN or inf in 1 of 24 rows, first in row 3", (broken, y), {}),
        ("got 24 vectors and 20 labels", (X, y[:20]), {}),
        (r"one group a label, shape \(24,\); got shape \(5,\)", (X, y), {"groups": groups[:5]}),
        ("the target y is None", (X, None), {}),
    ]
    for message, args, kwargs in cases:
        with pytest.raises(AdapterError, match=message):
            make().fit(*args, **kwargs)
    fitted = make().fit(X, y)
    with pytest.raises(AdapterError, match=r"X has 10 features, but .* is expecting 64 features"):
        fitted.predict(X[:, :10])
    with pytest.raises(AdapterError, match=r"int8 vectors of shape \(rows, 64\); got float32"):
        fitted.predict_int8(X, np.ones(len(X)))
    with pytest.raises(AdapterError, match="coverage between 0 and 1; got 90"):
        fitted.predict_interval(X, 90)


REGRESSOR_CHECKS = (
    check_values_are_bounded_and_covered,
    check_values_bad_input_is_refused,
    check_values_clone_is_unfitted,
    check_values_of_quantised_rows_are_the_same,
    check_values_order_of_rows_does_not_matter,
    check_values_round_trip,
)
