"""Labelled tables of vectors that campaigns are replayed on: six real ones and three synthetic regions.

Real tables are encoded by the models of a folder of `leave_files_out.py`, each by the one that has not seen it; without
the folder by surco-nano, whose lessons had these labels. Vectors are kept in `--cache`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from encoder_sources import encode, encoders
from sklearn.metrics import f1_score

from surco.adapters.next_label import Ground
from surco.adapters.next_label.campaign import Labelled
from surco.adapters.next_label.learner import Classifier
from surco.adapters.next_label.standing import Frame, frame_of
from surco.embedstore import dequantize, quantize
from surco.encoder import load_encoder, read_samples
from surco.encoder.simulate import simulate_series

REAL = ("chile_maule_2020", "corsica_2022", "france_2023", "flanders_2018", "east_africa_2017", "world_500")
SYNTHETIC = ("north", "central", "south")
UNLABELLED = ("", "Unknown", "unknown")
SYNTHETIC_ROWS = 1536
LEAST_ROWS = 8
LEAST_TEST = 3


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """Vectors (N, D) as a store keeps them, class names (N,) and spatial groups (N,)."""

    name: str
    vectors: np.ndarray
    label: np.ndarray
    group: np.ndarray


@dataclass(frozen=True, slots=True)
class Split:
    """One campaign: rows that may be visited, rows of the test, and the classes that are scored."""

    pool: np.ndarray
    test: np.ndarray
    scored: np.ndarray


def read_tables(samples: Path, models: Path | None, cache: Path) -> list[LabelledTable]:
    """All nine tables; made where the cache does not have them."""
    model = "surco-nano" if models is None else str(models)
    real = [
        _kept(cache, f"{name}-{Path(model).name}", name, lambda n=name: _real(samples, n, model))
        for name in REAL
    ]
    return [
        *real,
        *(_kept(cache, f"synthetic-{c}", f"synthetic {c}", lambda c=c: _synthetic(c)) for c in SYNTHETIC),
    ]


def _kept(cache: Path, key: str, name: str, make) -> LabelledTable:
    path = cache / f"{key}.npz"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **dict(zip(("vectors", "label", "group"), make(), strict=True)))
    with np.load(path, allow_pickle=False) as kept:
        return LabelledTable(name, kept["vectors"], kept["label"], kept["group"])


def _real(samples: Path, name: str, model: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    series = read_samples(samples / f"{name}.parquet")
    vectors = encode(encoders(model, [name])[name], series)
    label = series.label.astype(str)
    known = np.isfinite(vectors).all(axis=1) & ~np.isin(label, UNLABELLED)
    return dequantize(*quantize(vectors[known])), label[known], series.group[known].astype(str)


def _synthetic(climate: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    made = simulate_series(SYNTHETIC_ROWS, seed=4242, climate=climate)
    vectors = load_encoder("surco-nano").encode(made.values, made.valid, made.dates, made.lonlat, made.static)
    known = np.isfinite(vectors).all(axis=1)
    return dequantize(*quantize(vectors[known])), made.label[known].astype(str), made.zone[known].astype(str)


def splits(table: LabelledTable, runs: int, seed: int) -> Iterator[Split]:
    """Splits of whole groups: a third of them is the test.

    Scored are classes of eight rows or more, three of them in the test; rows of other classes stay in the pool, as
    they would in the field.
    """
    rng = np.random.default_rng(seed)
    names, rows = np.unique(table.group), np.arange(len(table.label))
    classes, counts = np.unique(table.label, return_counts=True)
    made = 0
    while made < runs:
        held = np.isin(table.group, rng.permutation(names)[: max(1, len(names) // 3)])
        test_classes, tested = np.unique(table.label[held], return_counts=True)
        scored = np.intersect1d(classes[counts >= LEAST_ROWS], test_classes[tested >= LEAST_TEST])
        scored = np.intersect1d(scored, table.label[~held])
        if len(scored) >= 3 and (~held).sum() >= 120:
            made += 1
            yield Split(rows[~held], rows[held & np.isin(table.label, scored)], scored)


@dataclass(frozen=True, slots=True)
class Field:
    """A campaign whose truth is known: the ground of a split, its candidates, and the truth of all rows."""

    table: LabelledTable
    split: Split
    ground: Ground
    frame: Frame

    @classmethod
    def of(cls, table: LabelledTable, split: Split) -> Field:
        """The ground are the split's pool rows, their spatial groups the regions."""
        ground = Ground.of(table.vectors[split.pool], regions=table.group[split.pool])
        return cls(table, split, ground, frame_of(ground, np.arange(len(ground))))

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """True classes of rows of the ground."""
        return self.table.label[self.split.pool[rows]]

    def labelled(self, rows: np.ndarray) -> Labelled:
        """Rows of the ground as they are once visited."""
        return Labelled(
            self.ground.floats(rows), self.labels(rows), self.ground.region[rows].astype(np.int64)
        )

    def score(self, adapter: Classifier | None) -> float:
        """Macro-F1 on the test over the scored classes; 0 where nothing is known that tells classes apart."""
        if adapter is None:
            return 0.0
        chances = adapter.predict_proba(self.table.vectors[self.split.test])
        truth, found = self.table.label[self.split.test], adapter.classes_[chances.argmax(axis=1)]
        return float(f1_score(truth, found, labels=self.split.scored, average="macro", zero_division=0))
