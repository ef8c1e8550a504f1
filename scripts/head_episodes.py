"""Few-label tasks from the real labelled series: fresh draws, spatial groups never on both sides.

Vectors are "raw" (every valid value and NDVI, gaps at the column's mean), "pca" (64 principal components of raw, at
unit length: an embedding nobody trained), or those of an encoder by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surco.encoder import load_encoder
from surco.encoder.channels import INDEX
from surco.encoder.samples import SampleSeries, read_samples

SETS = ("chile_maule_2020", "corsica_2022", "france_2023", "flanders_2018", "east_africa_2017", "world_500")
SHOTS = (1, 3, 5, 10, 20)
NO_CLASS = ("Unknown", "")
LEAST_TEST = 5
LEAST_CLASSES = 3


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One file of real samples: vectors (N, D), class names (N,), spatial groups (N,)."""

    name: str
    vectors: np.ndarray
    labels: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True, slots=True)
class Episode:
    """One task: positions of the labelled rows and of the test rows, and the classes it is about."""

    train: np.ndarray
    test: np.ndarray
    classes: np.ndarray


def read_set(folder: Path, name: str, vectors: str) -> LabelledSet:
    """Read one file and make its vectors."""
    series = read_samples(folder / f"{name}.parquet")
    made = {"raw": _raw, "pca": _pca}.get(vectors) or (lambda s: _encoded(s, vectors))
    return LabelledSet(name, made(series), np.asarray(series.label, str), np.asarray(series.group, str))


def _raw(series: SampleSeries) -> np.ndarray:
    values = np.where(series.valid, series.values, np.nan).astype(np.float64)
    red, nir = values[..., INDEX["red"]], values[..., INDEX["nir"]]
    table = np.concatenate([values.reshape(len(values), -1), (nir - red) / (nir + red + 1e-6)], axis=1)
    table = table[:, np.isfinite(table).any(axis=0)]
    table = np.where(np.isfinite(table), table, np.nanmean(table, axis=0))
    return table[:, table.std(axis=0) > 1e-9]


def _pca(series: SampleSeries) -> np.ndarray:
    raw = _raw(series)
    standard = ((raw - raw.mean(axis=0)) / raw.std(axis=0)).clip(-5, 5)
    left, sizes, _ = np.linalg.svd(standard - standard.mean(axis=0), full_matrices=False)
    parts = (left * sizes)[:, :64]
    return parts / np.linalg.norm(parts, axis=1, keepdims=True)


def _encoded(series: SampleSeries, model: str) -> np.ndarray:
    return load_encoder(model).encode(series.values, series.valid, series.dates, series.lonlat, series.static)


def draws(labelled: LabelledSet, shots: int, count: int, seed: int) -> Iterator[Episode]:
    """Up to `count` tasks with `shots` labels a class, in half of the groups; the other half is the test."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        for _ in range(50):
            episode = _draw(labelled, shots, rng)
            if episode is not None:
                yield episode
                break


def _draw(labelled: LabelledSet, shots: int, rng: np.random.Generator) -> Episode | None:
    groups = rng.permutation(np.unique(labelled.groups))
    ours = np.isin(labelled.groups, groups[: len(groups) // 2])
    train, classes = [], []
    for name in np.unique(labelled.labels[~np.isin(labelled.labels, NO_CLASS)]):
        here = labelled.labels == name
        candidates = np.flatnonzero(here & ours)
        if len(candidates) >= shots and (here & ~ours).sum() >= LEAST_TEST:
            classes.append(name)
            train.append(rng.choice(candidates, shots, replace=False))
    if len(classes) < LEAST_CLASSES:
        return None
    test = np.flatnonzero(~ours & np.isin(labelled.labels, classes))
    return Episode(np.concatenate(train), test, np.array(classes))
