"""Evaluations as people ask for them: a store with labels, or a table of labelled series; reports as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters import CropTypeAdapter, load_adapter, read_card
from surco.adapters.evaluation import (
    ADAPTER,
    FLOOR,
    FOREST_FREE,
    SHOTS,
    About,
    Evaluation,
    Labelled,
    Split,
    evaluate,
    evaluate_fitted,
    leave_each_out,
    report_page,
    spatial_blocks,
)
from surco.adapters.legends import load_legend
from surco.api.crop_fits import crop_adapter
from surco.api.evaluating_samples import labelled_samples
from surco.api.evaluating_store import StoreRows, Unit, labelled_rows, unseen
from surco.api.refusals import ExportError, SettingsError
from surco.api.whole_file import whole_file, write_json
from surco.embedstore import Store
from surco.encoder import Encoder

__all__ = [
    "Report",
    "StoreQuestion",
    "evaluate_adapters",
    "evaluate_samples",
    "evaluate_store",
    "write_report",
]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation and what its page says about it."""

    found: Evaluation
    about: About


def evaluate_samples(
    path: Path,
    *,
    model: str = "surco-nano",
    split: str = "blocks",
    legend: str | None = None,
    beside: Sequence[str] = (),
    least: int = 5,
    draws: int = 10,
    quick: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Evaluate a crop-type adapter on a table of labelled series, beside plain heads on vectors and on raw bands.

    Args:
        path: a sample table (docs/samples.md).
        model: encoder of the vectors.
        split: "blocks", "comuna", "province", "region" or a column of the table.
        legend: name or file of a legend: scores up its tree are added.
        beside: other encoders, on whose vectors the plain heads are fitted too.
        least: labels that a class needs.
        draws: of the label-efficiency curves.
        quick: leave out forests and curves.
        progress: called as `progress(done, total, text)`.

    Raises:
        AdapterError, ApiError, EncoderError: what cannot be evaluated, and why.
    """
    rows = labelled_samples(path, model, split, beside=beside, least=least, progress=progress)
    kind = _split(rows.data, split, rows.split_values)
    found = _evaluated(rows.data, rows.encoder.model_id, kind, legend, 0 if quick else draws, progress)
    title = f"Crop types of {path.stem}, by {rows.encoder.model_id}"
    about = About(title, "the crop-type adapter", (*rows.facts, _made_today()), _known(rows.encoder, path))
    return Report(found, about)


@dataclass(frozen=True, slots=True)
class StoreQuestion:
    """What to evaluate in a store: labels, and how they are found and held out (see `labelled_rows`)."""

    store: Path
    labels: Path
    split: str = "blocks"
    class_column: str | None = None
    season: str | None = None
    unit: Unit = "auto"
    model_id: str | None = None
    legend: str | None = None
    raw: Path | None = None

    def rows(self, model_id: str | None = None) -> tuple[Store, StoreRows]:
        """The store, and the rows that the labels name in it."""
        store = Store.open(self.store)
        found = labelled_rows(
            store,
            self.labels,
            self.split,
            class_column=self.class_column,
            season=self.season,
            unit=self.unit,
            model_id=model_id or self.model_id,
            raw=self.raw,
        )
        return store, found


def evaluate_store(
    question: StoreQuestion, *, draws: int = 10, quick: bool = False, progress: Progress | None = None
) -> Report:
    """Evaluate what an adapter fitted on these labels is worth where nobody labelled.

    Raises:
        AdapterError, ApiError, EmbedstoreError: what cannot be evaluated, and why.
    """
    _, rows = question.rows()
    kind = _split(rows.data, question.split, rows.split_values)
    found = _evaluated(rows.data, rows.model_id, kind, question.legend, 0 if quick else draws, progress)
    title = f"Crop types of {question.labels.stem}, by {rows.model_id}"
    return Report(found, About(title, "a crop-type adapter", (*rows.facts, _made_today())))


def evaluate_adapters(question: StoreQuestion, names: Sequence[str]) -> Report:
    """Evaluate stored adapters, the first against the others, on labels that none of them has learned from.

    Raises:
        AdapterError, ApiError, EmbedstoreError: no such adapter, one of another task or model, or no new labels.
    """
    store = Store.open(question.store)
    if reserved := {ADAPTER, FLOOR} & set(names):
        raise SettingsError(
            f"Expected adapters whose names no report uses, got {reserved.pop()!r}. Save it under another name."
        )
    cards = {name: read_card(store.adapter_dir(name)) for name in names}
    model_id = str(cards[names[0]]["model_id"])
    fitted = {
        name: load_adapter(store.adapter_dir(name), model_id=model_id, task=CropTypeAdapter.task)
        for name in names
    }
    _, rows = replace(question, unit=_unit(question.unit, cards[names[0]])).rows(model_id)
    kept, said = unseen(rows, cards)
    first = fitted[names[0]]
    found = evaluate_fitted(
        fitted,
        kept.data,
        words=f"labels of {question.labels.name} that were not learned from; neighbours of them may have been",
        parents=_parents_of(question.legend, [str(c) for c in (*first.classes_, *kept.data.classes)]),
        majority=str(first.classes_[int(np.argmax(first.labels_per_class_))]),
    )
    found = replace(found, notes=(*said, *found.notes))
    title = f"Adapter {names[0]} on {question.labels.stem}" + (
        f", beside {', '.join(names[1:])}" * (len(names) > 1)
    )
    return Report(found, About(title, f"adapter {names[0]}", (*kept.facts, _made_today())))


def _split(data: Labelled, split: str, values: npt.NDArray[np.str_] | None) -> Split:
    return spatial_blocks(data) if split == "blocks" else leave_each_out(data, split, values)


def _unit(asked: Unit, card: Mapping[str, Any]) -> Unit:
    """The unit to score on: what was asked for, else that of the adapter's own labels."""
    learned = card.get("training", {}).get("unit")
    if asked == "auto" and learned in ("cells", "parcels"):
        return "cells" if learned == "cells" else "parcels"
    return asked


def _evaluated(
    data: Labelled,
    model_id: str,
    split: Split,
    legend: str | None,
    draws: int,
    progress: Progress | None,
) -> Evaluation:
    """The evaluation of a crop-type adapter; no draws mean no curves and no forests."""
    return evaluate(
        crop_adapter(model_id, data.pool),
        data,
        split,
        parents=_parents_of(legend, data.classes),
        draws=draws,
        shots=SHOTS if draws else (),
        baselines=None if draws else FOREST_FREE,
        progress=progress,
    )


def _parents_of(legend: str | None, classes: Sequence[str]) -> Mapping[str, str] | None:
    """Parents of the classes in a legend, by name; None without one."""
    return None if legend is None else load_legend(legend).parents(classes)


def _known(encoder: Encoder, path: Path) -> tuple[str, ...]:
    """A warning where the encoder's card says that it learned from a table of this name."""
    if path.stem not in getattr(encoder, "card", {}).get("data", ()):
        return ()
    return (
        f"Careful: {encoder.model_id} itself learned from a table of this name, labels and all. Its figures here are "
        "too good, and so is its lead over raw bands.",
    )


def _made_today() -> tuple[str, str]:
    """The fact of when a report was made."""
    return ("made", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")


def write_report(report: Report, out: Path, json_file: Path | None = None) -> None:
    """Write the page and, where asked for, its figures as JSON; each whole or not at all.

    Raises:
        ExportError: a file that is no .html, or a folder that refuses.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise ExportError(f"Expected a report ending in .html, got {out.name!r}. Rename it.")
    content: dict[str, Any] = {
        "title": report.about.title,
        "warnings": list(report.about.warnings),
        "facts": [list(fact) for fact in report.about.facts],
        "evaluation": report.found.as_dict(),
    }
    try:
        with whole_file(out) as draft:
            draft.write_text(report_page(report.found, report.about), encoding="utf-8")
        if json_file is not None:
            write_json(json_file, content)
    except OSError as error:
        raise ExportError(
            f"Expected to be able to write {out}, got: {error}. Choose another place."
        ) from error
