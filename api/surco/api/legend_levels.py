"""Legends and adapters: what a card keeps of a legend, and maps summed up to a level of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from surco.adapters import read_card
from surco.adapters.errors import CardError
from surco.adapters.legends import Legend, load_legend, plain_name, roll_up
from surco.api.maps import Predicted
from surco.api.refusals import SettingsError
from surco.embedstore import Store

__all__ = ["adapter_legend", "distinct_names", "legend_record", "summed_up"]

_RELATIONS = ("same", "part")


def legend_record(legend: Legend, classes: Sequence[str]) -> dict[str, Any]:
    """The part of a legend that classes need, as plain JSON for an adapter's card."""
    own = {name: legend.find(name) for name in classes}
    kinds = {name: legend.above(name) for name in classes}
    places = {name: [place.code, "same"] for name, place in own.items() if place}
    places |= {name: [place.code, "part"] for name, place in kinds.items() if place}
    return {"name": legend.name, "rows": legend.rows_for(classes), "places": places}


def adapter_legend(store: Store, adapter: str, legend: str | None) -> Legend:
    """The legend that is named, or the one that the adapter was fitted with.

    Raises:
        SettingsError: the adapter was fitted without one, and none is named.
        LegendError, CardError: no such legend, no tree, or a damaged card.
    """
    if legend:
        return load_legend(legend)
    record = read_card(store.adapter_dir(adapter))["training"].get("legend")
    if record is None:
        raise SettingsError(
            f"Expected a legend to sum up by, got none: adapter {adapter!r} was fitted without. Pass --legend, or "
            "fit it again with --legend."
        )
    return _restored(record)


def summed_up(predicted: Predicted, legend: Legend, level: int) -> Predicted:
    """A map whose classes are those of a level of a legend, probabilities summed.

    Raises:
        LegendError: a level below 1.
    """
    sums, names = roll_up(predicted.probabilities, predicted.classes, legend, level=level)
    best = np.where(np.isnan(sums[:, 0]), -1, sums.argmax(axis=1))
    return replace(
        predicted, classes=distinct_names(names), probabilities=sums, class_index=best.astype(np.int64)
    )


def distinct_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names that are each there once: a user's legend may call two classes alike."""
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(out)


def _restored(record: object) -> Legend:
    fields: dict[str, Any] = dict(record) if isinstance(record, Mapping) else {}
    name, rows, places = fields.get("name"), fields.get("rows"), fields.get("places")
    if not (
        isinstance(name, str)
        and isinstance(rows, list)
        and all(_is_row(row) for row in rows)
        and isinstance(places, Mapping)
        and all(_is_place(place, {row["code"] for row in rows}) for place in places.values())
    ):
        raise CardError(
            "expected the legend of card.json as rows of text and places of its classes; got others: copy the adapter "
            "again, or pass --legend"
        )
    aliases = {plain_name(label): (code, relation) for label, (code, relation) in places.items()}
    return Legend.from_rows(name, rows, aliases)


def _is_row(row: object) -> bool:
    return (
        isinstance(row, Mapping)
        and isinstance(row.get("code"), str)
        and all(isinstance(v, str) for v in row.values())
    )


def _is_place(place: object, codes: set[str]) -> bool:
    return (
        isinstance(place, list)
        and len(place) == 2
        and all(isinstance(part, str) for part in place)
        and place[0] in codes
        and place[1] in _RELATIONS
    )
