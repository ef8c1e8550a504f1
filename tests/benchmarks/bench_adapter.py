"""Fitting and predicting crop types, beside scikit-learn's logistic regression on the same vectors."""

from __future__ import annotations

import os
import resource
import time
import warnings
from statistics import median

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


def test_map_a_country() -> None:
    """Every row of a table of `SURCO_BENCH_ROWS` (7,200,000 are Chile): seconds, and less than 1 GiB more memory."""
    rows = int(os.environ.get("SURCO_BENCH_ROWS", "720000"))
    X, y = vectors(100, 1)
    table, _ = vectors(100_000, 2)
    some, factor = quantize(table)
    embedding = np.resize(some, (rows, VALUES))
    scale = np.resize(factor, rows)
    adapter = CropTypeAdapter().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer = LogisticRegression(C=10.0, max_iter=200).fit(X, y)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    adapter.predict_int8(embedding, scale)
    extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    floats = dequantize(embedding, scale)
    works = {
        "CropTypeAdapter, int8": lambda: adapter.predict_int8(embedding, scale),
        "logistic regression, float32 made before": lambda: peer.predict(floats),
        "logistic regression, from int8": lambda: peer.predict(dequantize(embedding, scale)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(3):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - began)
    ours = median(seconds["CropTypeAdapter, int8"])
    print_table(
        f"{rows:,} rows of {VALUES}, {CLASSES} classes; {extra:,.0f} MiB more memory",
        ["", "predict", "rows/s", "times ours"],
        [
            [name, milliseconds(median(found)), rate(rows, median(found)), f"{median(found) / ours:.1f}"]
            for name, found in seconds.items()
        ],
    )
    assert extra < 1024
