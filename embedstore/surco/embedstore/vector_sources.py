"""Which table vectors are searched in, found once for each content of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from surco.embedstore.schema import Table
from surco.embedstore.season import Season
from surco.embedstore.sidecar import sidecar_folder
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo

__all__ = ["Source", "source_of"]

_FINDING = threading.Lock()
_SOURCES: OrderedDict[tuple[Path, str], Source] = OrderedDict()
_MOST_SOURCES = 64


@dataclass(frozen=True, slots=True)
class Source:
    """A table at one version: two are equal where their files are, whose names are never used twice."""

    digest: str
    root: Path = field(compare=False)
    info: TableInfo = field(compare=False)

    @property
    def table(self) -> Table:
        """Which of the two."""
        return cast(Table, self.info.table)

    @property
    def name(self) -> str:
        """The table without its version, as sidecars note it."""
        info = self.info
        return f"{info.table}/{info.model_id}/{info.season}/{info.resolution}"

    def folder(self, what: str) -> Path:
        """Where a sidecar of this version lies."""
        return sidecar_folder(self.root, f"{self.digest[:32]}-{what}")


def source_of(
    store: Store,
    table: Table,
    *,
    season: str | Season | None = None,
    resolution: int | None = None,
    model_id: str | None = None,
) -> Source:
    """The one table meant, as `Store.find` finds it; its files are looked for once, however many versions have it.

    Raises:
        StoreError: no such table, season or resolution, or a missing file.
        ModelMismatchError: the model is not there, or several are and none is named.
    """
    asked: Any = {"season": season, "resolution": resolution, "model_id": model_id}
    key = (store.path, store.digest(table, **asked))
    with _FINDING:
        if key in _SOURCES:
            _SOURCES.move_to_end(key)
            return _SOURCES[key]
    found = Source(key[1], store.path, store.find(table, **asked))
    with _FINDING:
        _SOURCES[key] = found
        while len(_SOURCES) > _MOST_SOURCES:
            _SOURCES.popitem(last=False)
    return found
