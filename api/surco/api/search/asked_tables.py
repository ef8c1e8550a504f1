"""Which table a question means, found once for each version: looking at all files of a country takes 40 ms."""

from __future__ import annotations

from surco.api.kept import Kept
from surco.embedstore import Store, Table
from surco.embedstore.selection import unit_table
from surco.embedstore.vector_sources import Source, source_of

__all__ = ["asked_source"]

_DEFAULTS: Kept[Table] = Kept(8)


def asked_source(
    store: Store, table: Table | None, season: str | None, resolution: int | None, model_id: str | None
) -> Source:
    """The table that a question names; None is cells where the store has them, latest season, finest, only model.

    Raises:
        StoreError: no such table, season or resolution.
        ModelMismatchError: no such model, or several and none is named.
    """
    version = (str(store.path), store.version)
    meant = table or _DEFAULTS.get(version, lambda: unit_table(store, None))
    return source_of(store, meant, season=season, resolution=resolution, model_id=model_id)
