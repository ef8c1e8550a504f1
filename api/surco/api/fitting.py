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
    LocalScatter,
    Scores,
    cross_validate,
    read_card,
    save_adapter,
)
from surco.adapters.label_quality import LabelReport
from surco.adapters.legends import Legend, MixedFit, fit_mixed, load_legend
from surco.api.crop_fits import crop_adapter, pool_of
from surco.api.label_checking import inspected, observed
from surco.api.legend_levels import legend_record
from surco.api.maps import vectors
from surco.embedstore import Examples, Store, match_labels, read_labels

__all__ = ["FitReport", "Unit", "describe_scores", "fit_adapter", "list_adapters"]

Unit = Literal["auto", "cells", "parcels"]
POOL_ROWS = 20_000
MOST_JUDGED = 20_000  # of more rows suspects are left to `surco labels check`, which takes its time


@dataclass(frozen=True, slots=True)
class FitReport:
    """What was fitted: name, examples, labels by class, how well it does on held-out places, time of the fit.

    `quality` says what is wrong with the labels, or may be; `mixed` what a legend made of them, None without one.
    """

    name: str
    examples: Examples
    counts: dict[str, int]
    validation: CrossValidation
    fit_ms: float
    quality: LabelReport
    mixed: MixedFit | None = None

    def text(self) -> str:
        """The report for people."""
        n, features = len(self.examples.y), len(np.unique(self.examples.groups))
        classes = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        lines = [
            f"Adapter {self.name}: {n} {self.examples.unit} from {features} labels in {len(self.counts)} classes "
            f"({classes}), fitted in {self.fit_ms:.0f} ms."
        ]
        lines += _mixed_lines(self.mixed)
        lines += [text for text in self.quality.text().splitlines() if text]
        if self.quality.suspects is not None and self.quality.suspects.flagged:
            lines.append("All of them, in order: surco labels check STORE --labels FILE --out suspects.html")
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
    legend: str | None = None,
) -> FitReport:
    """Fit a crop-type adapter on labels and keep it in the store, as a new version of the store.

    The vectors of the labels' own table serve as the unlabelled pool (at most 20,000, evenly spaced rows). With a
    legend labels of several levels are used as what they say, and the card keeps the part of the legend that they
    need; exact labels alone are held out for the accuracy.

    Raises:
        EmbedstoreError: the store, the labels or the season cannot be used.
        AdapterError: labels that nothing can be learned from.
    """
    store = Store.open(path)
    found = read_labels(labels, class_column)
    tree = load_legend(legend) if legend else None
    matched = match_labels(store, found, season=season, unit=unit, model_id=model_id)
    examples = observed(matched)
    pool = _pool(store, examples, season)
    began = time.perf_counter()
    adapter, y, mixed = _fitted(examples, tree, pool)
    fit_ms = 1000.0 * (time.perf_counter() - began)
    exact = ~np.isin(mixed.labels.y, list(mixed.labels.among)) if mixed else np.ones(len(y), bool)
    validation = cross_validate(
        crop_adapter(examples.model_id, pool),
        examples.X[exact],
        y[exact],
        examples.groups[exact],
        pool=pool,
        baselines=baselines,
    )
    quality = inspected(found, matched, tree, pool=pool, folds=5, suspects=len(y) <= MOST_JUDGED)
    training = {
        "labels": labels.name,
        "unit": examples.unit,
        "season": season or store.find(examples.unit, model_id=examples.model_id).season,
        "ids": [str(i) for i in examples.ids],
        "cross_validation": validation.as_dict(),
    }
    if tree:
        training["legend"] = legend_record(tree, adapter.classes_.tolist())
    files = save_adapter(
        adapter, name=name, model_id=examples.model_id, task=CropTypeAdapter.task, training=training
    )
    with store.transaction() as transaction:
        transaction.put_adapter(name, files)
    counts = dict(sorted(Counter(examples.y.tolist()).items()))
    return FitReport(name, examples, counts, validation, fit_ms, quality, mixed)


def list_adapters(path: Path) -> list[dict[str, Any]]:
    """Name, task, model id and classes of each adapter of a store, from their cards."""
    store = Store.open(path)
    cards = [read_card(store.adapter_dir(name)) for name in store.adapters()]
    named = [{key: card[key] for key in ("name", "task", "model_id")} for card in cards]
    return [fact | {"classes": _names(card.get("classes"))} for fact, card in zip(named, cards, strict=True)]


def _names(classes: object) -> list[str]:
    """Class names of a card, none where the adapter measures or draws."""
    return [str(name) for name in classes] if isinstance(classes, list) else []


def _fitted(
    examples: Examples, tree: Legend | None, pool: LocalScatter | None
) -> tuple[CropTypeAdapter, npt.NDArray[np.str_], MixedFit | None]:
    """The adapter, the class that each example was used as, and what a legend made of the labels."""
    unfitted = crop_adapter(examples.model_id, pool)
    if tree is None:
        adapter = unfitted.fit(examples.X, examples.y, groups=examples.groups, pool=pool)
        return adapter, examples.y, None
    fit = fit_mixed(unfitted, examples.X, examples.y, tree, groups=examples.groups, pool=pool)
    return fit.adapter, fit.y, fit


def _mixed_lines(fit: MixedFit | None) -> list[str]:
    """What a legend made of the labels, in sentences."""
    if fit is None:
        return []
    mixed = fit.labels
    lines = [
        f"{given!r} is the same class as {kept!r} and was taken with it."
        for given, kept in mixed.merged.items()
    ]
    lines += [
        f"{name!r} is above {', '.join(below)}: each label of it was taken as the likeliest of them."
        for name, below in mixed.among.items()
    ]
    lines += [
        f"{name!r} is above one labelled class only, and stays a class of its own."
        for name in mixed.open_classes
    ]
    lines += [
        f"Labels of {name!r} look unlike the classes below it: if they are none of them, name them otherwise."
        for name in fit.unlike
    ]
    return lines


def _pool(store: Store, examples: Examples, season: str | None) -> LocalScatter | None:
    """What evenly spaced vectors of the table that the examples come from say."""
    table = store.read(
        examples.unit, season=season, model_id=examples.model_id, columns=["embedding", "embedding_scale"]
    )
    step = max(1, table.num_rows // POOL_ROWS)
    return pool_of(vectors(table.take(np.arange(0, table.num_rows, step)[:POOL_ROWS])))


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
