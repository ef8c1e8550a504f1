"""Fitting a yield adapter on measured labels of a store, with what it is worth beside the plain regressions."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely

from surco.adapters import (
    Estimate,
    RegressionEvaluation,
    RegressionScores,
    YieldAdapter,
    cross_validate_values,
    save_adapter,
)
from surco.api.evaluating_places import blocks_of
from surco.api.growing import seen_until
from surco.api.refusals import SettingsError
from surco.embedstore import Examples, Labels, Store, match_labels, read_labels
from surco.embedstore.vector_sources import source_of

if TYPE_CHECKING:
    from surco.api.fitting import Unit

__all__ = ["YieldFit", "YieldReport", "YieldWish", "describe_values", "fit_values", "fit_yield_adapter"]

_LEAST = 0.0  # no field yields less than nothing


@dataclass(frozen=True, slots=True)
class YieldReport:
    """What was fitted: the adapter's name, its target, the examples, their values and blocks, how well it does."""

    name: str
    target: str
    target_unit: str
    examples: Examples
    values: npt.NDArray[np.float64]
    kernel: str
    blocks: str
    evaluation: RegressionEvaluation
    fit_ms: float

    def text(self) -> str:
        """The report for people."""
        n, features = len(self.values), len(np.unique(self.examples.groups))
        kind = "Gaussian process" if self.kernel == "process" else "Bayesian ridge"
        lines = [
            f"Adapter {self.name}: {n} {self.examples.unit} from {features} labels of {self.target}, "
            f"{self.values.min():.4g} to {self.values.max():.4g} {self.target_unit}, mean {self.values.mean():.4g}; "
            f"{kind}, fitted in {self.fit_ms:.0f} ms."
        ]
        if self.examples.conflicts:
            first = self.examples.conflicts[0]
            lines.append(
                f"{len(self.examples.conflicts)} {self.examples.unit} have two values and were left out, "
                f"such as {first.id} ({' and '.join(first.labels)})."
            )
        if self.examples.unmatched:
            lines.append(f"{len(self.examples.unmatched)} labels name no {self.examples.unit} of the store.")
        return "\n".join([*lines, *_evaluation_lines(self)])


@dataclass(frozen=True, slots=True)
class YieldWish:
    """How measured values are to be fitted: `target` in `target_unit`, the rest as in `FitWish`."""

    name: str
    target: str
    target_unit: str = "t/ha"
    season: str | None = None
    unit: Unit = "auto"
    model_id: str | None = None
    baselines: bool | Collection[str] = True
    most_places: int | None = None


@dataclass(frozen=True, slots=True)
class YieldFit:
    """A fitted yield adapter that is not in the store yet: what is to be said of it, and its files by name."""

    report: YieldReport
    files: dict[str, bytes]


def fit_yield_adapter(
    path: Path,
    labels: Path,
    *,
    name: str,
    target_column: str,
    target_unit: str = "t/ha",
    season: str | None = None,
    unit: Unit = "auto",
    model_id: str | None = None,
    baselines: bool = True,
) -> YieldReport:
    """Fit a yield adapter on labels with a measured value and keep it in the store, as a new version of the store.

    Values must be 0 or more. Labels are held out by blocks of land, for the intervals and for the scores.

    Raises:
        EmbedstoreError: the store, the labels or the season cannot be used.
        SettingsError: a value that is no number.
        AdapterError: values that nothing can be learned from.
    """
    store = Store.open(path)
    wish = YieldWish(name, target_column, target_unit, season, unit, model_id, baselines)
    fit = fit_values(store, read_labels(labels, target_column), wish)
    with store.transaction() as transaction:
        transaction.put_adapter(name, fit.files)
    return fit.report


def fit_values(store: Store, labels: Labels, wish: YieldWish) -> YieldFit:
    """Fit a yield adapter on labels whose class is a number; the store is only read. Raises as `fit_yield_adapter`."""
    _require_numbers(labels, wish.target)
    examples = match_labels(
        store,
        labels,
        season=wish.season,
        unit=wish.unit,
        model_id=wish.model_id,
        least_classes=1,
        most_rows=wish.most_places,
    )
    seen: npt.NDArray[np.bool_] = np.asarray(np.isfinite(examples.X).all(axis=1) & examples.X.any(axis=1))
    if not seen.any():
        raise SettingsError(
            f"Expected labels where something was observed, got {len(seen)} {examples.unit} without data. Label "
            "places that the season's table has vectors of."
        )
    X, values = examples.X[seen], examples.y[seen].astype(np.float64)
    blocks, words = _blocks(labels, np.asarray(examples.groups, np.int64)[seen])
    began = time.perf_counter()
    adapter = YieldAdapter(least=_LEAST, unit=wish.target_unit).fit(X, values, groups=blocks)
    fit_ms = 1000.0 * (time.perf_counter() - began)
    evaluation = cross_validate_values(
        YieldAdapter(least=_LEAST), X, values, blocks, baselines=wish.baselines
    )
    source = source_of(store, examples.unit, season=wish.season, model_id=examples.model_id)
    training = {
        "labels": labels.path.name,
        "unit": examples.unit,
        "season": source.info.season,
        "as_of": seen_until(source.info),
        "target": wish.target,
        "ids": [str(i) for i, s in zip(examples.ids, seen, strict=True) if s],
        "blocks": words,
        "cross_validation": evaluation.as_dict(),
    }
    files = save_adapter(
        adapter, name=wish.name, model_id=examples.model_id, task=YieldAdapter.task, training=training
    )
    report = YieldReport(
        wish.name,
        wish.target,
        wish.target_unit,
        examples,
        values,
        adapter.kernel_,
        words,
        evaluation,
        fit_ms,
    )
    return YieldFit(report, files)


def _require_numbers(labels: Labels, column: str) -> None:
    """Refuse values that are no finite number, naming the feature."""
    for text, feature in zip(labels.label, labels.id, strict=True):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise SettingsError(
                f"Expected a number in column {column!r} of every label, got {text!r} in feature {feature} of "
                f"{labels.path}. Correct it, or remove the feature; classes need --task crop-type."
            )


def _blocks(labels: Labels, features: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], str]:
    inside = shapely.point_on_surface(labels.geometry)
    return blocks_of(shapely.get_x(inside)[features], shapely.get_y(inside)[features], features)


def _evaluation_lines(report: YieldReport) -> list[str]:
    evaluation = report.evaluation
    if evaluation.scores is None:
        return [f"How good: {evaluation.split}."]
    lines = [f"On held-out labels ({evaluation.split}; blocks are {report.blocks}):"]
    for name, scores in [("this adapter", evaluation.scores), *evaluation.baselines.items()]:
        lines.append(f"  {name:22} {describe_values(scores, report.target_unit)}")
    return lines


def describe_values(scores: RegressionScores, unit: str) -> str:
    """R², RMSE and bias in one line, with 95 % intervals where there are groups enough, and what was covered."""
    text = (
        f"R² {_words(scores.r2)}   RMSE {_words(scores.rmse)} {unit}   bias {scores.bias.value:+.3g} {unit}"
    )
    if scores.coverage is None:
        return text
    return f"{text}   90 % intervals held {100 * scores.coverage.value:.0f} %"


def _words(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3g}"
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
