"""What one address draws: a map, two maps compared, or a table as it is; opened once for each content of the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from surco.api.map_products.map_heads import ClassHead
from surco.api.map_products.maps_asked import MapAsked, OpenMap, open_map
from surco.api.maps import adapter_model
from surco.api.refusals import InvalidError, UnknownError
from surco.api.tiles.addresses import TileAddress
from surco.api.tiles.class_maps import ClassMap
from surco.api.tiles.columns import Column
from surco.api.tiles.comparing_maps import CompareMap
from surco.api.tiles.ground import GROUND_STYLES, Ground, ground_of
from surco.api.tiles.png import palette_png
from surco.api.tiles.styles import Colours
from surco.api.tiles.tile_tables import Outlined, Pictured
from surco.api.tiles.value_maps import ValueMap
from surco.api.tiles.vector_tile import layer, mended, snapped
from surco.embedstore import Store, Table
from surco.embedstore.vector_sources import source_of

__all__ = ["BareMap", "TileLayer", "compare_layer", "map_layer", "table_layer"]

_FORMAT = 1
"""Raised where the same question gets another answer from the same store."""

_TEXT, _NUMBER, _COUNT, _TRUTH = "String", "Number", "Number", "Boolean"
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "class": {
        "class": _TEXT,
        "probability": _NUMBER,
        "uncertainty": _NUMBER,
        "fraction": _NUMBER,
        "drawn": _COUNT,
    },
    "value": {"value": _NUMBER, "low": _NUMBER, "high": _NUMBER, "drawn": _COUNT},
    "compare": {"a": _TEXT, "b": _TEXT, "changed": _TRUTH, "fraction_changed": _NUMBER},
    "bare": {"valid_fraction": _NUMBER, "ndvi_mean": _NUMBER, "colour": _TEXT, "comuna": _COUNT},
}


class _Content(Protocol):
    @property
    def styles(self) -> tuple[str, ...]: ...
    @property
    def ground(self) -> Ground: ...
    def colours(self, style: str) -> Colours: ...
    def picture(self, style: str, shown: Pictured) -> bytes: ...
    def columns(self, outlined: Outlined) -> list[Column]: ...


@dataclass(frozen=True, slots=True, eq=False)
class BareMap:
    """A table without an adapter: its vectors as colours, and what was seen."""

    ground: Ground

    styles: tuple[str, ...] = ()

    def colours(self, style: str) -> Colours:
        """As the table's."""
        return self.ground.colours(style)

    def picture(self, style: str, shown: Pictured) -> bytes:
        """As the table's."""
        return self.ground.picture(style, shown)

    def columns(self, outlined: Outlined) -> list[Column]:
        """As the table's."""
        return self.ground.columns(outlined)


@dataclass(frozen=True, slots=True, eq=False)
class TileLayer:
    """One address's tiles.

    Attributes:
        digest: another one for any other content, in hex.
        content: what is said of the table's rows.
        fields: types of the properties of vector tiles, by name.
        title: for people.
        facts: how it was made, as plain values.
    """

    digest: str
    content: _Content
    fields: Mapping[str, str]
    title: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> Table:
        """Of the layer in vector tiles: "cells" or "parcels"."""
        return self.content.ground.source.table

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        return self.content.ground.source.info.bbox

    @property
    def styles(self) -> tuple[str, ...]:
        """Styles of pictures, the default first."""
        return (*self.content.styles, *GROUND_STYLES)

    def style_of(self, style: str | None) -> str:
        """A style that there is, the default for None.

        Raises:
            UnknownError: no such style.
        """
        chosen = self.styles[0] if style is None else style
        if not self._of_content(chosen) and not self.content.ground.has(chosen):
            raise UnknownError(
                f"Expected style to be one of {', '.join(self.styles)}, got {chosen[:60]!r}. Name one of them."
            )
        return chosen

    def colours(self, style: str) -> Colours:
        """The colours of a style that there is; of values they take a prediction of many rows."""
        drawing = self.content if self._of_content(style) else self.content.ground
        return drawing.colours(style)

    def _of_content(self, style: str) -> bool:
        if style in self.content.styles:
            return True
        return isinstance(self.content, ClassMap) and self.content.singles_out(style)

    def vector(self, tile: TileAddress) -> bytes:
        """A vector tile; nothing where no feature is in it."""
        outlined = self.content.ground.table.outlined(tile)
        shapes = snapped(outlined.shapes, tile.size)
        if self.name == "parcels":
            shapes = mended(shapes)
        if not len(shapes.owner):
            return b""
        return layer(self.name, shapes, [*outlined.columns, *self.content.columns(outlined)], outlined.ids)

    def picture(self, tile: TileAddress, style: str | None, pixels: int) -> bytes:
        """A picture; transparent where nothing is in it."""
        chosen = self.style_of(style)
        shown = self.content.ground.table.pictured(tile, pixels)
        if not len(shown.rows):
            return palette_png(np.zeros((pixels, pixels), np.uint8), np.zeros((1, 4), np.uint8))
        drawing = self.content if self._of_content(chosen) else self.content.ground
        return drawing.picture(chosen, shown)


def map_layer(store: Store, asked: MapAsked) -> TileLayer:
    """The map of an adapter; raises as `open_map`."""
    opened = _opened(store, asked)
    content = _content(store, opened)
    kind = "class" if isinstance(content, ClassMap) else "value"
    title = f"{asked.adapter}, {opened.info.season}"
    digest = _digest(store, [_named(store, opened)], content.ground)
    return TileLayer(digest, content, _fields(kind, content), title, opened.provenance())


def compare_layer(store: Store, one: MapAsked, other: MapAsked) -> TileLayer:
    """Two maps of classes, upon the places of the first; raises as `open_map`, InvalidError for a map of values."""
    maps = [_opened(store, one), _opened(store, other)]
    a, b = (ClassMap(_ground(store, each), each.classes()) for each in maps)
    if (
        a.ground.source.table != b.ground.source.table
        or a.ground.source.info.resolution != b.ground.source.info.resolution
    ):
        raise InvalidError(
            f"Expected two maps of the same unit and resolution, got {maps[0].name} and {maps[1].name}. "
            "Name unit and res that both have."
        )
    content = CompareMap(a, b)
    digest = _digest(store, [_named(store, each) for each in maps], a.ground, b.ground)
    title = " and ".join(f"{each.asked.adapter}, {each.info.season}" for each in maps)
    facts = {"a": maps[0].provenance(), "b": maps[1].provenance()}
    return TileLayer(digest, content, _fields("compare", content), title, facts)


def table_layer(
    store: Store, table: Table, *, season: str | None, resolution: int | None, model_id: str | None
) -> TileLayer:
    """A table as it is; raises as `Store.find`."""
    source = source_of(store, table, season=season, resolution=resolution, model_id=model_id)
    content = BareMap(ground_of(source, store.start_month))
    info = source.info
    level = "" if info.resolution is None else f" r{info.resolution}"
    facts = {"model": info.model_id, "season": info.season, "unit": table, "resolution": info.resolution}
    title = f"{table}{level}, {info.season}, {info.model_id}"
    return TileLayer(_digest(store, [], content.ground), content, _fields("bare", content), title, facts)


def _opened(store: Store, asked: MapAsked) -> OpenMap:
    """The map; of a unit that is left open it is cells, which show at every zoom, where the model has any."""
    if asked.unit != "auto":
        return open_map(store, asked)
    model_id = adapter_model(store, asked.adapter)
    held = {info.season for info in store.tables() if (info.table, info.model_id) == ("cells", model_id)}
    there = asked.season in held or (asked.season == "latest" and held)
    return open_map(store, replace(asked, unit="cells") if there else asked)


def _ground(store: Store, opened: OpenMap) -> Ground:
    info = opened.info
    table: Table = "cells" if info.table == "cells" else "parcels"
    source = source_of(store, table, season=info.season, resolution=info.resolution, model_id=info.model_id)
    return ground_of(source, store.start_month)


def _content(store: Store, opened: OpenMap) -> ClassMap | ValueMap:
    ground = _ground(store, opened)
    if isinstance(opened.head, ClassHead):
        return ClassMap(ground, opened.head)
    return ValueMap(ground, opened.head)


def _named(store: Store, opened: OpenMap) -> list[Any]:
    """What tells one map from another: the question, and the adapter's folder, whose name is never used twice."""
    return [list(astuple(opened.asked)), store.adapter_dir(opened.asked.adapter).name]


def _digest(store: Store, named: Sequence[Any], *grounds: Ground) -> str:
    told = [_FORMAT, store.start_month, named, [ground.source.digest for ground in grounds]]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _fields(kind: str, content: _Content) -> dict[str, str]:
    cells = content.ground.source.table == "cells"
    own = dict(_FIELDS[kind])
    if not cells:
        for name in ("fraction", "drawn", "fraction_changed"):
            own.pop(name, None)
    return {"h3": _TEXT, **own, "n": _COUNT} if cells else {"id": _TEXT, **own}
