"""Fitting and predicting crop types, beside scikit-learn's logistic regression on the same vectors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from benchmarks.measure import measure, milliseconds, print_table, rate, ratio
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from surco.adapters import CropTypeAdapter
from surco.embedstore import dequantize, quantize

CLASSES, ROWS, VALUES = 17, 200_000, 64


def vectors(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of overlapping classes, and their class."""
    centres = np.random.default_rng(0).normal(size=(CLASSES, VALUES))
    rng = np.random.default_rng(seed)
    y = np.arange(count) % CLASSES
    made = centres[y] + 3.0 * rng.normal(size=(count, VALUES))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32), y


@pytest.mark.parametrize("shots", [5, 100])
def test_fit_and_predict(shots: int) -> None:
    """Both find the classes, the adapter at least as well as logistic regression less two points."""
    X, y = vectors(shots * CLASSES, 1)
    table, truth = vectors(ROWS, 2)
    embedding, scale = quantize(table)

    def logistic() -> LogisticRegression:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return LogisticRegression(C=10.0, max_iter=200).fit(X, y)

    (fitted, adapter), (peer_fitted, peer) = measure(lambda: CropTypeAdapter().fit(X, y), logistic)
    (predicted, found), (peer_predicted, peer_found) = measure(
        lambda: adapter.predict_int8(embedding, scale), lambda: peer.predict(dequantize(embedding, scale))
    )
    right, peer_right = (found == truth).mean(), (peer_found == truth).mean()
    assert right > peer_right - 0.02 > 2 / CLASSES
    rows = [
        [
            "CropTypeAdapter",
            milliseconds(fitted),
            ratio(1, 1),
            milliseconds(predicted),
            rate(ROWS, predicted),
            ratio(1, 1),
        ],
        [
            "logistic regression",
            *(milliseconds(peer_fitted), ratio(peer_fitted, fitted)),
            *(milliseconds(peer_predicted), rate(ROWS, peer_predicted), ratio(peer_predicted, predicted)),
        ],
    ]
    print_table(
        f"{CLASSES} classes, {shots} labels each, {ROWS:,} int8 rows to map (accuracy {right:.2f}, {peer_right:.2f})",
        ["", "fit", "as fast", "predict", "rows/s", "as fast"],
        rows,
    )
