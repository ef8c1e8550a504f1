"""Callers, databases and labels for tests of label sets; not a fixture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import shapely
from postgres_server import empty_database

from surco.api.label_sets.contents import checked_properties
from surco.api.label_sets.item_rows import NewLabel
from surco.api.label_sets.shapes import placed
from surco.api.state.database import Database
from surco.api.state.keys import add_key
from surco.api.web.callers import Caller

LON, LAT = -71.5, -35.4


@contextmanager
def opened(folder: Path, server: str | None = None) -> Iterator[Database]:
    """An empty database: SQLite in a folder, or on the PostgreSQL server of a URL."""
    with ExitStack() as stack:
        url = None if server is None else stack.enter_context(empty_database(server))
        database = Database.open(folder, url)
        stack.callback(database.close)
        yield database


def caller(database: Database, name: str, *scopes: str) -> Caller:
    """The caller of a new key."""
    with database.writing() as connection:
        info, _ = add_key(connection, name, scopes or ("label",))
    return Caller.of(info.id, info.name, frozenset(info.scopes), "127.0.0.1")


def nobody(*scopes: str) -> Caller:
    """A caller without a key."""
    return Caller.of(None, "anonymous", frozenset(scopes), "127.0.0.1")


def settings_of_set(**more: Any) -> dict[str, Any]:
    """Columns of a private set of classes."""
    plain = {
        "name": "valle",
        "description": "",
        "kind": "class",
        "unit": None,
        "season": None,
        "public": False,
    }
    return plain | {"contributions": "named"} | more


def said(
    word: str | float, lon: float = LON, lat: float = LAT, *, id: str | None = None, **more: Any
) -> NewLabel:
    """A checked label of a point: a class, or a value where it is a number."""
    field = "class" if isinstance(word, str) else "value"
    return NewLabel(id, placed(shapely.Point(lon, lat)), checked_properties({field: word} | more))


def drawn(word: str, west: float = LON, south: float = LAT, side: float = 0.002, **more: Any) -> NewLabel:
    """A checked label of a square."""
    shape = placed(shapely.box(west, south, west + side, south + side))
    return NewLabel(more.pop("id", None), shape, checked_properties({"class": word} | more))
