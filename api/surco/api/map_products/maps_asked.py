"""Which map is meant, opened: its table and its adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from surco.adapters import YieldAdapter, load_adapter, read_card
from surco.adapters.legends import LEGENDS, roll_up
from surco.api.growing import note_beside
from surco.api.legend_levels import adapter_legend, distinct_names
from surco.api.map_products.map_heads import ClassHead, ValueHead
from surco.api.maps import CLASS_TASKS
from surco.api.refusals import InvalidError, UnknownError
from surco.embedstore import Sentence, Store, Table, TableInfo, codes_of

__all__ = ["MapAsked", "OpenMap", "open_map"]


@dataclass(frozen=True, slots=True)
class MapAsked:
    """A map as a request names it.

    Attributes:
        adapter: its name.
        season: its name; "latest" for the latest.
        unit: "cells", "parcels", or "auto" for parcels where the store has them of the adapter's model.
        resolution: H3 resolution of cells; None for the finest.
        level: of the adapter's legend, by which probabilities are summed; None for the adapter's own classes.
        abstain: support, 0..1, below which a place gets no class; None gives each one.
        legend: name of a shipped legend; None for the one that the adapter was fitted with.
    """

    adapter: str
    season: str
    unit: str = "auto"
    resolution: int | None = None
    level: int | None = None
    abstain: float | None = None
    legend: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OpenMap:
    """A map whose table and adapter are there.

    Attributes:
        asked: as it was named.
        info: the table.
        version: the store's.
        head: what the adapter says.
        card: the adapter's.
        credits: licence and credits of the model, where its card has them.
        notes: what is to be known of it.
    """

    asked: MapAsked
    info: TableInfo
    version: int
    head: ClassHead | ValueHead
    card: Mapping[str, Any]
    credits: Mapping[str, Any]
    notes: tuple[Sentence, ...] = ()

    @property
    def unit(self) -> str:
        """What the rows are: "cells" or "parcels"."""
        return self.info.table

    @property
    def name(self) -> str:
        """A name for files: adapter, season, unit and resolution."""
        what = f"cells-r{self.info.resolution}" if self.unit == "cells" else "parcels"
        return f"{self.asked.adapter}-{self.info.season}-{what}"

    def classes(self) -> ClassHead:
        """The head, of a map of classes; raises InvalidError for a map of values."""
        if isinstance(self.head, ClassHead):
            return self.head
        raise InvalidError(
            f"Expected an adapter of classes, got {self.asked.adapter!r}, which tells values in {self.head.unit!r}. "
            f"Ask /maps/{self.asked.adapter}/{self.info.season}/values."
        )

    def values(self) -> ValueHead:
        """The head, of a map of values; raises InvalidError for a map of classes."""
        if isinstance(self.head, ValueHead):
            return self.head
        raise InvalidError(
            f"Expected a yield adapter, got {self.asked.adapter!r}, which tells classes. Ask "
            f"/maps/{self.asked.adapter}/{self.info.season}/areas."
        )

    def provenance(self) -> dict[str, Any]:
        """How the map was made, as plain JSON."""
        facts: dict[str, Any] = {
            "adapter": self.asked.adapter,
            "model": self.info.model_id,
            "season": self.info.season,
            "unit": self.unit,
            "resolution": self.info.resolution,
            "store_version": self.version,
            **self.credits,
        }
        if self.notes:
            facts |= {"notes": [str(note) for note in self.notes], "said": codes_of(self.notes)}
        if isinstance(self.head, ValueHead):
            return facts | {"target_unit": self.head.unit, "coverage": self.head.coverage}
        asked = {"level": self.head.level, "abstain": self.head.abstain}
        return (
            facts | {"classes": list(self.head.classes)} | {k: v for k, v in asked.items() if v is not None}
        )


def open_map(store: Store, asked: MapAsked) -> OpenMap:
    """Find a map's table and load its adapter.

    Raises:
        UnknownError: a unit that is none, or an adapter of another task.
        InvalidError: a level, legend or support that cannot be used with the adapter.
        EmbedstoreError: no such adapter or table.
        AdapterError: a damaged adapter, or one of too few labels to abstain.
    """
    card = read_card(store.adapter_dir(asked.adapter))
    model_id = str(card["model_id"])
    info = store.find(
        _table_of(store, asked.unit, model_id),
        season=None if asked.season == "latest" else asked.season,
        resolution=asked.resolution,
        model_id=model_id,
    )
    head = _class_head(store, asked, card) if card["task"] in CLASS_TASKS else _value_head(store, asked, card)
    note = note_beside(card, asked.adapter, info, store.start_month)
    notes = () if note is None else (note,)
    return OpenMap(asked, info, store.version, head, card, _credits(store, model_id), notes)


def _class_head(store: Store, asked: MapAsked, card: Mapping[str, Any]) -> ClassHead:
    adapter = load_adapter(store.adapter_dir(asked.adapter), task=str(card["task"]))
    own = tuple(str(name) for name in adapter.classes_)
    if asked.abstain is not None:
        if not 0 < asked.abstain < 1:
            raise InvalidError(f"Expected abstain between 0 and 1, got {asked.abstain}. 0.05 is usual.")
        adapter.support(np.zeros((1, adapter.n_features_in_), np.float32))
    if asked.level is None:
        if asked.legend is not None:
            raise InvalidError(
                f"Expected level beside legend={asked.legend!r}, got none. Write level=1, for example."
            )
        return ClassHead(own, adapter, own, abstain=asked.abstain)
    if asked.legend is not None and asked.legend not in LEGENDS:
        raise InvalidError(
            f"Expected legend to be one of {', '.join(LEGENDS)}, got {asked.legend[:60]!r}. Name one."
        )
    if asked.legend is None and not card["training"].get("legend"):
        raise InvalidError(
            f"Expected a legend to sum up by, got none: adapter {asked.adapter!r} was fitted without. Add "
            f"legend={'|'.join(LEGENDS)}, or fit it again with one."
        )
    legend = adapter_legend(store, asked.adapter, asked.legend)
    _, names = roll_up(np.zeros((0, len(own)), np.float32), own, legend, level=asked.level)
    return ClassHead(distinct_names(names), adapter, own, legend, asked.level, asked.abstain)


def _value_head(store: Store, asked: MapAsked, card: Mapping[str, Any]) -> ValueHead:
    if card["task"] != YieldAdapter.task:
        raise UnknownError(
            f"Expected an adapter that maps classes or values, got {asked.adapter!r}, which is for {card['task']}. "
            "GET /maps lists those that there are."
        )
    if (asked.level, asked.abstain, asked.legend) != (None, None, None):
        raise InvalidError(
            f"Expected level, legend and abstain with an adapter of classes only, got {asked.adapter!r}, which tells "
            "values. Leave them out."
        )
    adapter: YieldAdapter = load_adapter(store.adapter_dir(asked.adapter), task=YieldAdapter.task)
    return ValueHead(adapter, adapter.unit, float(adapter.coverage))


def _table_of(store: Store, unit: str, model_id: str) -> Table:
    if unit == "auto":
        held = {info.table for info in store.tables() if info.model_id == model_id}
        return "parcels" if "parcels" in held else "cells"
    if unit not in ("cells", "parcels"):
        raise UnknownError(f"Expected unit 'cells', 'parcels' or 'auto', got {unit[:40]!r}. Use one of them.")
    return "cells" if unit == "cells" else "parcels"


def _credits(store: Store, model_id: str) -> dict[str, Any]:
    card = store.model_card(model_id) if model_id in store.cards() else {}
    return {key: card[key] for key in ("licence", "license", "credits", "sources") if key in card}
