"""Labels beside a store, looked over before anything is learned from them; the label file is only read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from surco.adapters.label_findings import Finding
from surco.adapters.label_quality import LabelReport, inspect_labels
from surco.adapters.legends import Legend, load_legend
from surco.embedstore import (
    CLASS_COLUMNS,
    Examples,
    LabelError,
    Labels,
    Sentence,
    Store,
    match_labels,
    read_labels,
)

__all__ = ["CheckedLabels", "check_labels", "inspected", "observed"]

_SHOWN = 5
_LARGEST = 256 * 2**20  # what `read_labels` takes


@dataclass(frozen=True, slots=True)
class CheckedLabels:
    """Labels of a file, what was found of them in the store, and what is wrong or may be."""

    labels: Labels
    examples: Examples
    report: LabelReport


def check_labels(
    path: Path,
    labels: Path,
    *,
    class_column: str | None = None,
    season: str | None = None,
    unit: Literal["auto", "cells", "parcels"] = "auto",
    model_id: str | None = None,
    legend: str | None = None,
) -> CheckedLabels:
    """Look a label file over beside a store.

    Features without a class or a geometry are told and left out of the rest; everything else that `read_labels` and
    `match_labels` refuse is refused here too.

    Raises:
        EmbedstoreError: a store, file or season that cannot be used, labels of one class or outside the store's area.
        LegendError: a legend that is not known or no tree.
    """
    tree = load_legend(legend) if legend else None
    store = Store.open(path)
    found, broken = _read_sound(labels, class_column)
    examples = match_labels(store, found, season=season, unit=unit, model_id=model_id)
    report = inspected(found, examples, tree)
    return CheckedLabels(found, examples, replace(report, findings=(*broken, *report.findings)))


def inspected(
    labels: Labels,
    examples: Examples,
    legend: Legend | None = None,
    *,
    blocks: npt.NDArray[np.int64] | None = None,
    **also: Any,
) -> LabelReport:
    """The report of labels that were matched with a table: those left out by the matching are named first.

    `blocks` (N,) is the place of each row, whose labels do not judge each other; None takes each label for its own.
    `also` goes to the judging adapter's `fit`.
    """
    names = feature_names(labels)
    report = inspect_labels(
        examples.X,
        examples.y.tolist(),
        groups=examples.groups if blocks is None else blocks,
        features=names[examples.groups],
        ids=[str(place) for place in examples.ids],
        legend=legend,
        **also,
    )
    return replace(report, findings=(*_left_out(examples), *report.findings))


def observed(examples: Examples) -> Examples:
    """The examples without the places where nothing was observed: their vectors are zeros.

    Raises:
        LabelError: fewer than two classes have a place that was observed.
    """
    seen = examples.X.any(axis=1)
    if seen.all():
        return examples
    kept = np.flatnonzero(seen)
    classes = sorted(set(examples.y[kept].tolist()))
    if len(classes) < 2:
        raise LabelError(
            "labels of at least two classes where something was observed",
            f"{', '.join(classes) or 'none'}; {len(examples.y) - len(kept)} of {len(examples.y)} labelled "
            f"{examples.unit} hold no data",
            "Encode another season, or label places that were seen.",
        )
    ids: list[Any] = [examples.ids[place] for place in kept]
    return replace(examples, X=examples.X[kept], y=examples.y[kept], groups=examples.groups[kept], ids=ids)


def feature_names(labels: Labels) -> npt.NDArray[np.str_]:
    """(N,) what to call each feature: its id, or its number in the file (from 1) where ids repeat."""
    unique = len(set(labels.id)) == len(labels.id)
    return np.array(
        labels.id if unique else [str(number) for number in range(1, len(labels.id) + 1)], np.str_
    )


def _left_out(examples: Examples) -> list[Finding]:
    out = []
    if examples.unmatched:
        which = examples.unmatched
        out.append(
            Finding(
                "outside",
                Sentence(
                    f"{len(which)} labels name no {examples.unit} of the store: {_some(which)}.",
                    "label-outside",
                    count=len(which),
                ),
                which,
            )
        )
    if examples.conflicts:
        first = examples.conflicts[0]
        torn = tuple(dict.fromkeys(feature for one in examples.conflicts for feature in one.features))
        text = Sentence(
            f"{len(examples.conflicts)} {examples.unit} have two classes and were left out, such as {first.id} "
            f"({' and '.join(first.labels)}): labels {_some(torn)}.",
            "label-two",
            count=len(examples.conflicts),
            classes=" / ".join(first.labels),
            some=_some(torn),
        )
        out.append(Finding("contradiction: place", text, torn))
    return out


def _read_sound(path: Path, class_column: str | None) -> tuple[Labels, tuple[Finding, ...]]:
    """The labels of a file; features without class or geometry are left out and told, nothing else is forgiven."""
    try:
        return read_labels(path, class_column), ()
    except LabelError as refusal:
        found = _broken_features(path, class_column)
        if found is None:
            raise
        content, broken = found
        if not content["features"] or not broken:
            raise refusal
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / path.name
        sound.write_text(json.dumps(content), encoding="utf-8")
        labels = replace(read_labels(sound, class_column), path=path)
    which = tuple(broken)
    text = Sentence(
        f"{len(which)} labels have no class or no geometry and were left out: {_some(which)}. Complete them.",
        "label-empty",
        count=len(which),
        some=_some(which),
    )
    return labels, (Finding("empty", text, which),)


def _broken_features(path: Path, class_column: str | None) -> tuple[dict[str, Any], list[str]] | None:
    """The file's content without its broken features, and their ids or numbers; None where it is no such file."""
    try:
        content = json.loads(path.read_bytes()) if path.stat().st_size <= _LARGEST else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    features = content.get("features")
    if not isinstance(features, list) or not all(isinstance(each, dict) for each in features):
        return None
    kept, broken = [], []
    for number, feature in enumerate(features, 1):
        properties = feature.get("properties")
        own = properties.get("id", number) if isinstance(properties, dict) else number
        name = str(feature.get("id", own))
        if _has_class(properties, class_column) and isinstance(feature.get("geometry"), dict):
            kept.append({**feature, "id": name})
        else:
            broken.append(name if name.isprintable() else str(number))
    return {**content, "features": kept}, broken


def _has_class(properties: object, class_column: str | None) -> bool:
    if not isinstance(properties, Mapping):
        return False
    columns = (class_column,) if class_column else CLASS_COLUMNS
    values = [
        value for key, value in properties.items() if str(key) in columns or str(key).lower() in columns
    ]
    return any(
        isinstance(value, int | float) or (isinstance(value, str) and value.strip()) for value in values
    )


def _some(values: tuple[Any, ...]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(str(value) for value in values[:_SHOWN]) + more
