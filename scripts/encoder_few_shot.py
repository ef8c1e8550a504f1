"""Macro-F1 with few labels: vectors as they are, as int8, shortened; against the best of three heads on raw bands.

Forests on raw bands are slow and the same for every encoder, so their scores are kept in a JSON file by a digest of
the numbers that they were made from; tasks are drawn one after another, so that more episodes extend what is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sklearn
from encoder_scores import (
    Head,
    Task,
    estimate,
    filled,
    logistic,
    logistic_unscaled,
    macro_f1,
    markdown,
    nearest,
    points,
    shortened,
    stored,
)
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from surco.encoder.channels import INDEX
from surco.encoder.samples import SampleSeries

PREFIXES = (16, 32, 64)
MAIN = "int8, logistic"
"""What a store's user gets: the row that is compared with raw bands."""
UNSCALED = "int8, logistic, not standardised"
Scores = dict[str, list[float]]

RAW_HEADS: dict[str, Head] = {
    "logistic": logistic,
    "forest": lambda seed: RandomForestClassifier(100, random_state=seed),
    "extra trees": lambda seed: ExtraTreesClassifier(100, random_state=seed),
}


@dataclass(frozen=True)
class Table:
    """A sample table with its tasks: row numbers of (train, test) by labels a class."""

    name: str
    series: SampleSeries
    label: np.ndarray
    tasks: Mapping[int, Sequence[Task]]


@dataclass(frozen=True)
class RawCache:
    """Scores of heads on raw bands in a JSON file."""

    path: Path

    def scores(self, x: np.ndarray, table: Table, shots: int, seed: int) -> Scores:
        """Macro-F1 of each raw head in each task; made where it is not yet in the file."""
        tasks = table.tasks[shots]
        key = f"{table.name} {shots} {_digest(x, table, seed)}"
        known: Scores = self._read().get(key, {name: [] for name in RAW_HEADS})
        done = len(known["logistic"])
        if done < len(tasks):
            for name, head in RAW_HEADS.items():
                known[name] += macro_f1(head, x, table.label, tasks[done:], seed + done)
            self._write(key, known)
        return {name: known[name][: len(tasks)] for name in RAW_HEADS}

    def _read(self) -> dict[str, Scores]:
        return json.loads(self.path.read_text()) if self.path.is_file() else {}

    def _write(self, key: str, scores: Scores) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.part")
        part.write_text(json.dumps({**self._read(), key: scores}))
        part.replace(self.path)


def _digest(x: np.ndarray, table: Table, seed: int) -> str:
    decisive = (x.shape, table.label.tolist(), table.series.group.tolist(), seed, sklearn.__version__)
    text = repr(decisive).encode()
    return hashlib.sha256(text + np.ascontiguousarray(x, np.float32).tobytes()).hexdigest()[:16]


def raw_features(series: SampleSeries) -> np.ndarray:
    """All bands at all dates with NDVI and NDMI, gaps filled by the column's mean (N, T * channels)."""
    x = np.where(series.valid, series.values, np.nan)
    columns = [x]
    for a, b in (("nir", "red"), ("nir", "swir16")):
        total = x[..., INDEX[a]] + x[..., INDEX[b]]
        columns.append(
            ((x[..., INDEX[a]] - x[..., INDEX[b]]) / np.where(total > 0, total, np.nan))[..., None]
        )
    flat = np.concatenate([np.concatenate(columns, -1).reshape(len(x), -1), series.static], axis=1)
    flat = flat[:, np.isfinite(flat).any(0)]
    return np.where(np.isfinite(flat), flat, np.nanmean(flat, axis=0))


def best_raw(scores: Scores) -> str:
    """The head with the highest mean over the tasks: chosen knowing them, in favour of raw bands."""
    return max(scores, key=lambda name: float(np.mean(scores[name])))


def raw_scores(tables: Iterable[Table], cache: RawCache, seed: int) -> dict[str, list[float]]:
    """Macro-F1 in each task of the best head on raw bands, by `table shots`."""
    found = {}
    for table in tables:
        x = raw_features(table.series)
        for shots, tasks in table.tasks.items():
            if tasks:
                scores = cache.scores(x, table, shots, seed)
                found[f"{table.name} {shots}"] = scores[best_raw(scores)]
    return found


def variants(vectors: np.ndarray) -> dict[str, tuple[Head, np.ndarray]]:
    """Every form in which vectors are scored: (head, vectors) by name."""
    whole = stored(vectors)
    found = {
        MAIN: (logistic, whole),
        UNSCALED: (logistic_unscaled, whole),
        "float, logistic": (logistic, vectors),
        "int8, cosine k-NN": (nearest, whole),
        "float, cosine k-NN": (nearest, vectors),
    }
    for length in PREFIXES:
        if length < vectors.shape[1]:
            found[f"int8, first {length}, logistic"] = (logistic, stored(shortened(vectors, length)))
    return found


def vector_scores(
    table: Table, vectors: np.ndarray, seed: int, only: Sequence[str] | None = None
) -> dict[str, Scores]:
    """Macro-F1 in each task by variant, then by `table shots`; `only` names the variants wanted."""
    found: dict[str, Scores] = {}
    for variant, (head, x) in variants(filled(vectors)).items():
        if only is None or variant in only:
            found[variant] = {
                f"{table.name} {shots}": macro_f1(head, x, table.label, tasks, seed)
                for shots, tasks in table.tasks.items()
                if tasks
            }
    return found


def labels(shots: int) -> str:
    """The number of labels a class as a column's head."""
    return f"{shots} label" if shots == 1 else f"{shots} labels"


def of_shots(scores: Scores, shots: int) -> dict[str, list[float]]:
    """The scores of one number of labels, by table."""
    return {key.rsplit(" ", 1)[0]: v for key, v in scores.items() if key.endswith(f" {shots}")}


def differences(scores: Scores, raw: Scores, shots: int) -> dict[str, list[float]]:
    """Vectors - raw in each task, by table."""
    ours, base = of_shots(scores, shots), of_shots(raw, shots)
    return {name: list(np.subtract(values, base[name])) for name, values in ours.items()}


def mean_table(found: Mapping[str, Mapping[str, Scores]], raw: Scores, shots: Sequence[int]) -> str:
    """Means over tables: raw bands, every model in every variant, and the paired difference of the main one."""
    base = [estimate(list(of_shots(raw, k).values())).plain() for k in shots]
    rows = [["best on raw bands", "", *base]]
    for model, by_variant in found.items():
        for variant, scores in by_variant.items():
            means = [estimate(list(of_shots(scores, k).values())).plain() for k in shots]
            rows.append([model, variant, *means])
        for variant in (MAIN, UNSCALED):
            if variant in by_variant:
                gain = [
                    estimate(list(differences(by_variant[variant], raw, k).values())).signed() for k in shots
                ]
                rows.append([model, f"{variant} − raw", *gain])
    return markdown(["vectors", "form", *(labels(k) for k in shots)], rows)


def gain_table(found: Mapping[str, Mapping[str, Scores]], raw: Scores, shots: Sequence[int]) -> str:
    """The main variant - best raw of each table, paired, with the raw mean beside it."""
    tables = list(dict.fromkeys(key.rsplit(" ", 1)[0] for key in raw))
    rows = []
    for model, by_variant in found.items():
        for table in tables:
            cells = []
            for k in shots:
                base = of_shots(raw, k).get(table)
                if base is None:
                    cells.append("no task")
                    continue
                gain = estimate([differences(by_variant[MAIN], raw, k)[table]])
                cells.append(f"{points(float(np.mean(base)))} {gain.signed()} (n = {len(base)})")
            rows.append([model, table, *cells])
    header = ["vectors", "table", *(f"{labels(k)}: raw, {MAIN} − raw" for k in shots)]
    return markdown(header, rows)
