"""Fitting an adapter on labels of a store: the same for the command line, the demo and the server."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from surco.adapters import (
    CropTypeAdapter,
    CrossValidation,
    Estimate,
    Scores,
    cross_validate,
    read_card,
    save_adapter,
)
from surco.api.maps import vectors
from surco.embedstore import Examples, Store, match_labels, read_labels

__all__ = ["FitReport", "Unit", "describe_scores", "fit_adapter", "list_adapters"]

Unit = Literal["auto", "cells", "parcels"]
POOL_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class FitReport:
    """What was fitted: name, examples, labels by class, how well it does on held-out places, time of the fit."""

    name: str
    examples: Examples
    counts: dict[str, int]
    validation: CrossValidation
    fit_ms: float

    def text(self) -> str:
        """The report for people."""
        n, features = len(self.examples.y), len(np.unique(self.examples.groups))
        classes = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        lines = [
            f"Adapter {self.name}: {n} {self.examples.unit} from {features} labels in {len(self.counts)} classes "
            f"({classes}), fitted in {self.fit_ms:.0f} ms."
        ]
        if self.examples.conflicts:
            first = self.examples.conflicts[0]
            lines.append(
                f"{len(self.examples.conflicts)} {self.examples.unit} have two classes and were left out, "
                f"such as {first.id} ({' and '.join(first.labels)})."
            )
        if self.examples.unmatched:
            lines.append(f"{len(self.examples.unmatched)} labels name no {self.examples.unit} of the store.")
        return "\n".join([*lines, *_validation_lines(self.validation)])


def fit_adapter(
    path: Path,
    labels: Path,
    *,
    name: str,
    class_column: str | None = None,
    season: str | None = None,
    unit: Unit = "auto",
    model_id: str | None = None,
    baselines: bool = True,
) -> FitReport:
    """Fit a crop-type adapter on labels and keep it in the store, as a new version of the store.

    The vectors of the labels' own table serve as the unlabelled pool (at most 20,000, evenly spaced rows).

    Raises:
        EmbedstoreError: the store, the labels or the season cannot be used.
        AdapterError: labels that nothing can be learned from.
    """
    store = Store.open(path)
    found = read_labels(labels, class_column)
    examples = match_labels(store, found, season=season, unit=unit, model_id=model_id)
    pool = _pool(store, examples, season)
    began = time.perf_counter()
    adapter = CropTypeAdapter().fit(examples.X, examples.y, groups=examples.groups, pool=pool)
    fit_ms = 1000.0 * (time.perf_counter() - began)
    validation = cross_validate(
        CropTypeAdapter(), examples.X, examples.y, examples.groups, pool=pool, baselines=baselines
    )
    training = {
        "labels": labels.name,
        "unit": examples.unit,
        "season": season or store.find(examples.unit, model_id=examples.model_id).season,
        "ids": [str(i) for i in examples.ids],
        "cross_validation": validation.as_dict(),
    }
    files = save_adapter(
        adapter, name=name, model_id=examples.model_id, task=CropTypeAdapter.task, training=training
    )
    with store.transaction() as transaction:
        transaction.put_adapter(name, files)
    counts = dict(sorted(Counter(examples.y.tolist()).items()))
    return FitReport(name, examples, counts, validation, fit_ms)


def list_adapters(path: Path) -> list[dict[str, Any]]:
    """Name, task, model id and classes of each adapter of a store, from their cards."""
    store = Store.open(path)
    cards = [read_card(store.adapter_dir(name)) for name in store.adapters()]
    return [{key: card[key] for key in ("name", "task", "model_id", "classes")} for card in cards]


def _pool(store: Store, examples: Examples, season: str | None) -> npt.NDArray[np.float32]:
    """Evenly spaced vectors of the table that the examples come from."""
    table = store.read(
        examples.unit, season=season, model_id=examples.model_id, columns=["embedding", "embedding_scale"]
    )
    step = max(1, table.num_rows // POOL_ROWS)
    rows = vectors(table.take(np.arange(0, table.num_rows, step)[:POOL_ROWS]))
    return rows[rows.any(axis=1)]


def _validation_lines(validation: CrossValidation) -> list[str]:
    if validation.scores is None:
        return [f"Accuracy: {validation.split}."]
    lines = [f"Accuracy on held-out labels ({validation.split}):"]
    for name, scores in [("this adapter", validation.scores), *validation.baselines.items()]:
        lines.append(f"  {name:22} {describe_scores(scores)}")
    return lines


def describe_scores(scores: Scores) -> str:
    """Accuracy, macro-F1 and calibration error in one line, with 95 % intervals where there are groups enough."""
    return f"accuracy {_interval(scores.accuracy)}   macro-F1 {_interval(scores.macro_f1)}   ECE {scores.ece.value:.2f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
