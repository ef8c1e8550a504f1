"""Search by likeness: mean average precision of finding a class's rows again on the other side of a spatial split.

Queries are one half of the spatial groups, the gallery is the other half. Average precision of each query, mean over
the queries of a class, then over classes, so that a frequent class does not decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from encoder_few_shot import Table, raw_features
from encoder_scores import estimate, filled, markdown, standardised, stored, unit

LEAST = 3
"""Rows that a class needs in the gallery."""


def mean_average_precision(vectors: np.ndarray, label: np.ndarray, query: np.ndarray) -> float:
    """Class-balanced mean average precision of cosine search.

    Args:
        vectors: (N, D).
        label: (N,); an empty one is neither asked for nor in the gallery.
        query: (N,) True where a row asks, False where it is searched among.

    Returns:
        Between 0 and 1; NaN where no class has a query and `LEAST` rows in the gallery.
    """
    x = unit(vectors)
    gallery = np.flatnonzero(~query & (label != ""))
    names, counts = np.unique(label[gallery], return_counts=True)
    asked = np.flatnonzero(query & np.isin(label, names[counts >= LEAST]))
    if not len(asked):
        return float("nan")
    order = np.argsort(-(x[asked] @ x[gallery].T), axis=1, kind="stable")
    hit = label[gallery][order] == label[asked][:, None]
    precision = np.cumsum(hit, axis=1) / np.arange(1, len(gallery) + 1)
    average = (precision * hit).sum(axis=1) / hit.sum(axis=1)
    return float(np.mean([average[label[asked] == c].mean() for c in np.unique(label[asked])]))


def halves(group: np.ndarray, n: int, seed: int) -> list[np.ndarray]:
    """`n` random halves of the spatial groups, as rows that ask (N,)."""
    rng = np.random.default_rng(seed)
    names = np.unique(group)
    return [np.isin(group, rng.permutation(names)[: len(names) // 2]) for _ in range(n)]


def precisions(table: Table, x: np.ndarray, n: int, seed: int) -> list[float]:
    """Mean average precision of each random half."""
    found = [mean_average_precision(x, table.label, query) for query in halves(table.series.group, n, seed)]
    return [value for value in found if not np.isnan(value)]


def raw_precisions(table: Table, n: int, seed: int) -> list[float]:
    """Of raw bands with indices, standardised over the table."""
    return precisions(table, standardised(raw_features(table.series)), n, seed)


def chance_precisions(table: Table, n: int, seed: int) -> list[float]:
    """Of random vectors."""
    random = np.random.default_rng(seed).standard_normal((len(table.label), 64))
    return precisions(table, random, n, seed)


def vector_precisions(table: Table, vectors: np.ndarray, n: int, seed: int) -> dict[str, list[float]]:
    """Of int8 vectors by cosine, and by cosine after the table's mean vector was taken off."""
    x = stored(filled(vectors))
    return {
        "cosine": precisions(table, x, n, seed),
        "cosine, mean removed": precisions(table, x - x.mean(axis=0), n, seed),
    }


def retrieval_table(rows: Mapping[tuple[str, str], Mapping[str, Sequence[float]]]) -> str:
    """Mean average precision by (vectors, measure) and table, with the mean over tables."""
    tables = list(next(iter(rows.values())))
    lines = []
    for (vectors, measure), by_table in rows.items():
        each = [estimate([by_table[name]]).plain() for name in tables]
        lines.append([vectors, measure, estimate(list(by_table.values())).plain(), *each])
    return markdown(["vectors", "measure", "mean", *tables], lines)
