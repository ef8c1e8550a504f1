"""Search files that `nearest` maps, made by the server: a caged worker cannot write them."""

from __future__ import annotations

import logging
import threading

from surco.embedstore import EmbedstoreError, Store
from surco.embedstore.vector_sources import source_of
from surco.embedstore.vectors import table_vectors

__all__ = ["SearchFiles"]

_LARGE = 100_000


class SearchFiles:
    """Sees to it that the large tables of the latest seasons have theirs, once a version."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = -1

    def see_to(self, store: Store) -> None:
        """Make what is missing: seconds for millions of rows the first time, else nothing."""
        with self._lock:
            if store.version == self._version:
                return
            latest = {
                (i.table, i.model_id, i.resolution): i for i in sorted(store.tables(), key=lambda i: i.season)
            }
            for info in latest.values():
                if info.rows >= _LARGE:
                    self._make(store, info.table, info.season, info.resolution, info.model_id)
            self._version = store.version

    def _make(self, store: Store, table: str, season: str, resolution: int | None, model_id: str) -> None:
        try:
            table_vectors(
                source_of(
                    store,
                    "cells" if table == "cells" else "parcels",
                    season=season,
                    resolution=resolution,
                    model_id=model_id,
                )
            )
        except (EmbedstoreError, OSError) as error:
            # The query meets the same fault, and tells it.
            logging.getLogger("surco.api").warning(
                "search files of %s %s cannot be made: %s", table, season, error
            )
