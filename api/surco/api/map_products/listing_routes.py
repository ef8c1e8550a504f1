"""`/maps`: which maps there are, and where to go on from each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from surco.adapters import YieldAdapter, read_card
from surco.api.growing import note_beside
from surco.api.map_products.answers_kept import etag_of, unchanged
from surco.api.maps import CLASS_TASKS
from surco.api.refusals import UnknownError
from surco.api.web.callers import needs
from surco.api.web.server import Server
from surco.embedstore import Store, TableInfo, codes_of

__all__ = ["MapEntry", "MapLink", "MapList", "listing_routes", "maps_of"]


class MapLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where to go on."""

    rel: str
    href: str
    templated: bool = False


class MapEntry(msgspec.Struct, frozen=True):
    """One map: an adapter upon a table of its model.

    `classes` are those of an adapter of classes, `target_unit` that of a yield adapter's values; the other is None.
    `notes` are what a reader should know of the map before it is used, `said` their codes and values for translation.
    """

    adapter: str
    task: str
    season: str
    unit: str
    resolution: int | None
    model: str
    rows: int
    bbox: tuple[float, float, float, float]
    classes: list[str] | None
    target_unit: str | None
    notes: list[str]
    said: dict[str, dict[str, Any]]
    links: list[MapLink]


class MapList(msgspec.Struct, frozen=True):
    """All maps of a store's version."""

    store_version: int
    maps: list[MapEntry]


def listing_routes(server: Server) -> list[Any]:
    """The routes that list maps."""

    @get(
        "/maps",
        operation_id="listMaps",
        summary="Which maps there are",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
    )
    def maps(request: Request[Any, Any, Any]) -> Response[Any]:
        """Every adapter upon every table of its model: season, unit and resolution, with links to all its products."""
        store = server.store()
        etag = etag_of(store.version, "maps", str(request.base_url))
        return unchanged(request, etag) or _answer(
            MapList(store.version, [*maps_of(store, _root(request))]), etag
        )

    @get(
        "/maps/{adapter:str}/{season:str}",
        operation_id="describeMap",
        summary="The maps of an adapter in a season",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
    )
    def one(request: Request[Any, Any, Any], adapter: FromPath[str], season: FromPath[str]) -> Response[Any]:
        """The same of one adapter and season, one entry a unit and resolution."""
        store = server.store()
        store.adapter_dir(adapter)
        etag = etag_of(store.version, "map", adapter, season, str(request.base_url))
        found = [m for m in maps_of(store, _root(request), adapter) if m.season == season]
        if not found:
            seasons = ", ".join(dict.fromkeys(m.season for m in maps_of(store, "", adapter))) or "(none)"
            raise UnknownError(
                f"Expected a season that adapter {adapter!r} can map, one of {seasons}; got {season[:60]!r}. Name one."
            )
        return unchanged(request, etag) or _answer(MapList(store.version, found), etag)

    return [maps, one]


def maps_of(store: Store, root: str, only: str | None = None) -> Iterator[MapEntry]:
    """The maps of a store.

    Args:
        store: at the version meant.
        root: address of the server, without a slash at its end.
        only: name of an adapter; None for all.

    Raises:
        AdapterError: a damaged card.
    """
    tables = store.tables()
    for adapter in store.adapters() if only is None else [only]:
        card = read_card(store.adapter_dir(adapter))
        if card["task"] in (*CLASS_TASKS, YieldAdapter.task):
            for info in tables:
                if info.model_id == card["model_id"]:
                    yield _entry(adapter, card, info, store.start_month, root)


def _entry(adapter: str, card: dict[str, Any], info: TableInfo, start_month: int, root: str) -> MapEntry:
    values = card["task"] == YieldAdapter.task
    given = f"?unit={info.table}" + ("" if info.resolution is None else f"&res={info.resolution}")
    here = f"{root}/maps/{adapter}/{info.season}"
    links = [
        MapLink("export", f"{here}/export{given}"),
        MapLink("tiles", f"{here}/tiles/{{z}}/{{x}}/{{y}}{given}", True),
    ]
    links += (
        [MapLink("values", f"{here}/values{given}")]
        if values
        else [
            MapLink("areas", f"{here}/areas{given}"),
            MapLink("areas-plan", f"{here}/areas/plan{given}"),
        ]
    )
    classes = None if values else [str(name) for name in card.get("classes", [])]
    unit = str(card.get("unit", card.get("parameters", {}).get("unit", ""))) if values else None
    note = note_beside(card, adapter, info, start_month)
    notes = [] if note is None else [note]
    return MapEntry(
        adapter, str(card["task"]), info.season, info.table, info.resolution, info.model_id, info.rows,
        info.bbox, classes, unit, [str(each) for each in notes], codes_of(notes), links,
    )  # fmt: skip


def _root(request: Request[Any, Any, Any]) -> str:
    return str(request.base_url).rstrip("/")


def _answer(listed: MapList, etag: str) -> Response[Any]:
    return Response(listed, headers={"etag": etag, "cache-control": "no-cache"})
