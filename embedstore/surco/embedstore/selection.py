"""Which table a function of SQL means, and how its rows are named in a query."""

from __future__ import annotations

from typing import get_args

from surco.embedstore.errors import SearchError
from surco.embedstore.likeness import Likeness
from surco.embedstore.schema import Table
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo

__all__ = ["literal", "rows_of", "searched_table", "unit_table"]


def searched_table(
    store: Store,
    likeness: Likeness,
    unit: str | None,
    season: str | None,
    resolution: int | None,
    model: str | None,
) -> TableInfo:
    """The table meant: parcels for parcels, else cells, of the resolution of the cells that it shall be like."""
    tables = {item.table for item in likeness.like}
    table = unit_table(store, "parcels" if unit is None and tables == {"parcels"} else unit)
    if table == "cells" and resolution is None:
        resolution = next((item.resolution for item in likeness.like if item.resolution is not None), None)
    return store.find(table, season=season, resolution=resolution, model_id=model)


def unit_table(store: Store, unit: str | None) -> Table:
    """The table of that name; None is cells, or parcels in a store without cells."""
    for table in get_args(Table):
        if table == unit:
            return table  # type: ignore[no-any-return]
    if unit is not None:
        raise SearchError("unit 'cells' or 'parcels'", repr(unit), "Name one of the two.")
    held = {info.table for info in store.tables()}
    return "parcels" if held == {"parcels"} else "cells"


def rows_of(info: TableInfo) -> str:
    """The condition that the rows of one table of the view fulfil."""
    level = "" if info.resolution is None else f" AND res = {info.resolution}"
    return f"model = {literal(info.model_id)} AND season = {literal(info.season)}{level}"


def literal(value: int | str) -> str:
    """A number or text as SQL writes it."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
