"""The report of a table's quality: computed once for each version of it, and kept beside it where that took long."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from surco.api.kept import Kept
from surco.api.quality.coverage import By, coverage_rows, missing_months
from surco.api.quality.drift import measured_drift
from surco.api.quality.holes import found_holes
from surco.api.quality.seams import measured_seams
from surco.api.quality.tallies import tally_of
from surco.api.search.asked_tables import asked_source
from surco.embedstore import Season, Store, Table
from surco.embedstore.sidecar import drop_older, open_sidecar, publish_sidecar
from surco.embedstore.vector_sources import Source, source_of

__all__ = ["Reports", "quality_report"]

_LONG_S = 1.0
_KEPT_VERSIONS = 2
_FORMAT = 2
_FILE = "report.json"
_MOST_SEASONS = 6
_KINDS: tuple[By, ...] = ("region", "comuna")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The table meant, its earlier seasons, the latest first, and the first month of a season."""

    source: Source
    earlier: tuple[Source, ...]
    start_month: int

    @property
    def folder(self) -> Path:
        """Where the report is kept; other files of any of the tables give another."""
        digests = [_FORMAT, self.source.digest, *(source.digest for source in self.earlier)]
        whole = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
        return self.source.folder(f"quality-{whole[:16]}")


class Reports:
    """Reports of the tables that were asked for last.

    Args:
        long_s: what took longer than this is kept beside the table, for other processes and times.
    """

    def __init__(self, long_s: float = _LONG_S) -> None:
        self._kept: Kept[Json] = Kept(8)
        self._asked: Kept[_Asked] = Kept(32)
        self._long_s = long_s

    def of(
        self,
        store: Store,
        *,
        table: Table | None = None,
        season: str | None = None,
        resolution: int | None = None,
        model_id: str | None = None,
    ) -> Json:
        """As `quality_report`, computed once for each version of a table."""
        named = (table, season, resolution, model_id)
        meant = (str(store.path), store.version, *named)
        asked = self._asked.get(meant, lambda: _asked(store, *named))
        report = self._kept.get(asked, lambda: _stored_or_measured(asked, self._long_s))
        return {"version": store.version, **report}


def quality_report(
    store: Store,
    *,
    table: Table | None = None,
    season: str | None = None,
    resolution: int | None = None,
    model_id: str | None = None,
) -> Json:
    """How good a table is.

    Args:
        store: what holds it.
        table: None is cells, or parcels in a store without cells.
        season: None is the latest.
        resolution: of cells; None is the finest.
        model_id: needed where the store holds several models.

    Returns:
        The table meant, `coverage` and `months` by "region" and by "comuna" (all rows are counted), `seams` and `holes`
        (None of parcels), `failed_tiles` (tiles that the table's runs could not do: `tile`, `bbox`, `kind`, `reason`,
        `attempts`), and `drift` from each earlier season to the next, the latest first.

    Raises:
        StoreError: no such table, or a damaged file.
        ModelMismatchError: several models, and none is named.
    """
    return Reports().of(store, table=table, season=season, resolution=resolution, model_id=model_id)


def _asked(
    store: Store, table: Table | None, season: str | None, resolution: int | None, model_id: str | None
) -> _Asked:
    source = asked_source(store, table, season, resolution, model_id)
    info = source.info
    names = {
        other.season
        for other in store.tables()
        if (other.table, other.model_id, other.resolution) == (info.table, info.model_id, info.resolution)
    }
    before = [name for name in reversed(store.seasons()) if name in names and name < info.season]
    earlier = (
        source_of(store, source.table, season=name, resolution=info.resolution, model_id=info.model_id)
        for name in before[: _MOST_SEASONS - 1]
    )
    return _Asked(source, tuple(earlier), store.start_month)


def _stored_or_measured(asked: _Asked, long_s: float) -> Json:
    known = _stored(asked.folder)
    if known is not None:
        return known
    began = time.perf_counter()
    report = _measured(asked)
    report["seconds"] = round(time.perf_counter() - began, 2)
    if report["seconds"] > long_s:
        _keep(asked, report)
    return report


def _measured(asked: _Asked) -> Json:
    info = asked.source.info
    tally = tally_of(asked.source)
    season = Season(int(info.season[:4]), asked.start_month, info.as_of)
    cells = info.table == "cells"
    chain = (asked.source, *asked.earlier)
    return {
        "table": info.table,
        "season": info.season,
        "as_of": info.as_of.isoformat() if info.as_of else None,
        "res": info.resolution,
        "model": info.model_id,
        "rows": info.rows,
        "coverage": {by: coverage_rows(tally, by, info.resolution) for by in _KINDS},
        "months": {by: missing_months(tally, by, season) for by in _KINDS},
        "seams": measured_seams(asked.source) if cells else None,
        "holes": found_holes(asked.source) if cells else None,
        "failed_tiles": [hole for note in info.meta.get("runs", []) for hole in note.get("holes", [])],
        "drift": [measured_drift(old, new) for new, old in pairwise(chain)],
    }


def _stored(folder: Path) -> Json | None:
    if open_sidecar(folder) is None:
        return None
    report: Json = json.loads((folder / _FILE).read_bytes())
    return report


def _keep(asked: _Asked, report: Mapping[str, Any]) -> None:
    def write(draft: Path) -> Mapping[str, Any]:
        (draft / _FILE).write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
        return {"table": f"quality of {asked.source.name}"}

    try:
        publish_sidecar(asked.folder, write)
        drop_older(asked.folder, f"quality of {asked.source.name}", _KEPT_VERSIONS)
    except OSError as error:
        # A store that cannot be written is measured again by each process.
        logging.getLogger("surco.api").info("the report of %s is not kept: %s", asked.source.name, error)
