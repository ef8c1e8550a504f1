"""Which collections a store has, and which table each of them means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from surco.adapters import read_card
from surco.api.kept import Kept
from surco.api.ogc.predictors import mapped_adapters
from surco.api.refusals import UnknownError
from surco.embedstore import Season, Store, TableInfo

__all__ = ["Chosen", "Collection", "Kind", "collection_of", "collections_of"]

Kind = Literal["cells", "parcels", "comunas", "map"]

_KNOWN: Kept[Mapping[str, Collection]] = Kept(4)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a request leaves to choose from: None is the latest season, parcels before cells, the finest resolution."""

    season: str | None = None
    res: int | None = None
    model: str | None = None
    unit: str | None = None
    days: tuple[date | None, date | None] | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection of features.

    Attributes:
        id: as in the address.
        kind: what its rows are.
        title: for people.
        description: for people.
        tables: it may mean each of them, the one that it means by itself first; none of comunas.
        start_month: first month of the store's seasons.
        adapter: of a map.
    """

    id: str
    kind: Kind
    title: str
    description: str
    tables: tuple[TableInfo, ...]
    start_month: int
    adapter: str | None = None

    @property
    def seasons(self) -> list[Season]:
        """Seasons of its tables, in order of time."""
        names = {info.season for info in self.tables}
        return sorted(Season.parse(name, self.start_month) for name in names)

    @property
    def bbox(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north of all its tables; None of comunas, whose outlines say it."""
        if not self.tables:
            return None
        wests, souths, easts, norths = zip(*(info.bbox for info in self.tables), strict=True)
        return min(wests), min(souths), max(easts), max(norths)

    def chosen(self, wanted: Chosen) -> TableInfo | None:
        """The table meant; None where no season of it has any of the days.

        Raises:
            UnknownError: no table of that season, resolution, model or unit.
        """
        fitting = [info for info in self.tables if _fits(info, wanted)]
        if not fitting:
            raise UnknownError(
                f"Expected a table of {self.id} ({', '.join(map(_described, self.tables)) or 'none'}), got "
                f"{_asked(wanted)}. Name values that are there, or leave them out."
            )
        if wanted.days is None:
            return fitting[0]
        first, last = wanted.days
        seen = [
            info
            for info in fitting
            if _before(first, Season.parse(info.season, self.start_month).end)
            and _before(Season.parse(info.season, self.start_month).start, last)
        ]
        return seen[0] if seen else None


def collections_of(store: Store) -> Mapping[str, Collection]:
    """The collections of a store at its version, by id."""
    return _KNOWN.get((store.path, store.version), lambda: {each.id: each for each in _made(store)})


def collection_of(store: Store, name: str) -> Collection:
    """One collection.

    Raises:
        UnknownError: there is none of that name.
    """
    known = collections_of(store)
    if name not in known:
        raise UnknownError(
            f"Expected one of the collections {', '.join(known)}, got {name[:200]!r}. /collections lists them."
        )
    return known[name]


def _made(store: Store) -> Iterator[Collection]:
    for kind in ("cells", "parcels"):
        yield from _of_table(store, kind)
    for adapter in mapped_adapters(store):
        yield from _map(store, adapter)
    yield Collection(
        "comunas",
        "comunas",
        "Comunas of Chile",
        "Outlines dissolved from H3 cells of 0.7 km² and smoothed: within a kilometre of the official limits.",
        (),
        store.start_month,
    )


def _of_table(store: Store, kind: Literal["cells", "parcels"]) -> Iterator[Collection]:
    """The collection that follows the latest season, and one for each table where there are several."""
    tables = _ordered([info for info in store.tables() if info.table == kind])
    if not tables:
        return
    what = "H3 cells" if kind == "cells" else "Field parcels"
    about = (
        "Unless `season`, `res`, `model` or `datetime` say otherwise, those of the latest season, the finest "
        "resolution and the first model."
    )
    yield Collection(
        kind,
        kind,
        f"{what}, latest season",
        f"{what} with what was seen of each. {about}",
        tables,
        store.start_month,
    )
    if len(tables) > 1:
        for info in tables:
            level = f"-r{info.resolution}" if info.resolution is not None else ""
            name = f"{kind}-{info.model_id}-{info.season}{level}"
            title = f"{what}, {_described(info)}"
            yield Collection(name, kind, title, f"{title}, and no others.", (info,), store.start_month)


def _map(store: Store, adapter: str) -> Iterator[Collection]:
    card = read_card(store.adapter_dir(adapter))
    tables = _ordered([info for info in store.tables() if info.model_id == card["model_id"]])
    if not tables:
        return
    about = (
        "Computed when asked. Unless `season`, `unit`, `res` or `datetime` say otherwise, of the parcels (or the "
        "finest cells) of the latest season."
    )
    yield Collection(
        f"map-{adapter}", "map", f"Map of {adapter}", f"What adapter {adapter} says of each place. {about}",
        tables, store.start_month, adapter,
    )  # fmt: skip


def _ordered(tables: list[TableInfo]) -> tuple[TableInfo, ...]:
    """The latest season first, then models by name, parcels before cells, and fine before coarse."""
    by_rest = sorted(tables, key=lambda t: (t.model_id, t.table != "parcels", -(t.resolution or 0)))
    return tuple(sorted(by_rest, key=lambda t: t.season, reverse=True))


def _fits(info: TableInfo, wanted: Chosen) -> bool:
    return (
        wanted.season in (None, info.season)
        and wanted.res in (None, info.resolution)
        and wanted.model in (None, info.model_id)
        and wanted.unit in (None, info.table)
    )


def _before(one: date | None, other: date | None) -> bool:
    return one is None or other is None or one <= other


def _described(info: TableInfo) -> str:
    level = "" if info.resolution is None else f" r{info.resolution}"
    return f"{info.table} {info.season}{level} of {info.model_id}"


def _asked(wanted: Chosen) -> str:
    given = {"season": wanted.season, "res": wanted.res, "model": wanted.model, "unit": wanted.unit}
    return ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
