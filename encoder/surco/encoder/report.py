"""What a run did, kept beside the tables it wrote so that a later run can say it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

import numpy as np

from surco.embedstore import Season, Store, TableInfo
from surco.encoder.pool import SHARE
from surco.encoder.scenes import Scene
from surco.encoder.staging import TileSums

__all__ = ["EncodeReport", "MonthReport", "read_report", "run_meta"]


@dataclass(frozen=True, slots=True)
class MonthReport:
    """What one month had: scenes of each kind, and the share (0..1) of the area's pixels that each saw."""

    first: date
    last: date
    optical_scenes: int
    radar_scenes: int
    optical_share: float
    radar_share: float


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """What `encode_store` did.

    Attributes:
        key: of the run; the same inputs give the same.
        tiles, pixels: of the area; `pixels_seen` of them got a vector.
        resumed: tiles taken over from a run that was stopped.
        cells: rows written by H3 resolution.
        parcels: rows written; None where no parcels were given. `parcels_unseen` had no pixel with a vector;
            `parcels_uneroded` were too narrow to be eroded and kept their whole shape.
        months: twelve.
        seconds: this run took.
        already: True where the store had everything and nothing was encoded.
    """

    key: str
    tiles: int
    pixels: int
    pixels_seen: int
    resumed: int
    cells: Mapping[int, int]
    parcels: int | None
    parcels_unseen: int
    parcels_uneroded: int
    months: tuple[MonthReport, ...]
    seconds: float
    already: bool


def run_meta(
    key: str, season: Season, scenes: Sequence[Scene], tiles: Iterable[TileSums], uneroded: int
) -> dict[str, Any]:
    """What is kept with each table of a run, as JSON: its key, what the season had, parcels that were not eroded."""
    pixels = seen = number = 0
    shares = np.zeros((2, 12))
    for tile in tiles:
        number += 1
        pixels += tile.pixels
        seen += int(tile.cells.pixels.sum()) // SHARE
        shares += (tile.optical, tile.radar)
    shares /= max(pixels, 1)
    months = []
    for (first, last), optical, radar in zip(season.months(), *shares.tolist(), strict=True):
        count = _count(scenes, first, min(last, season.last_day))
        months.append([first.isoformat(), last.isoformat(), *count, round(optical, 4), round(radar, 4)])
    return {
        "run": key,
        "tiles": number,
        "pixels": pixels,
        "pixels_seen": seen,
        "parcels_uneroded": uneroded,
        "months": months,
    }


def read_report(
    store: Store, key: str, model_id: str, season: Season, resolutions: Sequence[int], parcels: int | None
) -> EncodeReport | None:
    """The report of a run whose tables are all in the store, else None.

    Args:
        store: to look in.
        key: of the run.
        model_id: whose vectors.
        season: of the run.
        resolutions: of its cells.
        parcels: how many were given; None for none.
    """
    held = {
        (table.table, table.resolution): table
        for table in store.tables()
        if (table.model_id, table.season) == (model_id, season.name) and table.meta.get("run") == key
    }
    wanted: list[tuple[str, int | None]] = [("cells", resolution) for resolution in resolutions]
    if parcels is not None:
        wanted.append(("parcels", None))
    if not all(name in held for name in wanted):
        return None
    rows = held["parcels", None].rows if parcels is not None else None
    cells = {resolution: held["cells", resolution].rows for resolution in resolutions}
    return _report(held["cells", resolutions[0]], cells, rows, (parcels or 0) - (rows or 0))


def _report(table: TableInfo, cells: Mapping[int, int], parcels: int | None, unseen: int) -> EncodeReport:
    meta = table.meta
    months = tuple(
        MonthReport(date.fromisoformat(first), date.fromisoformat(last), *rest)
        for first, last, *rest in meta["months"]
    )
    return EncodeReport(
        key=meta["run"],
        tiles=meta["tiles"],
        pixels=meta["pixels"],
        pixels_seen=meta["pixels_seen"],
        resumed=0,
        cells=cells,
        parcels=parcels,
        parcels_unseen=unseen,
        parcels_uneroded=meta["parcels_uneroded"],
        months=months,
        seconds=0.0,
        already=True,
    )


def _count(scenes: Sequence[Scene], first: date, last: date) -> tuple[int, int]:
    """Optical and radar scenes from one day to another."""
    sensors = [s.sensor for s in scenes if first <= s.datetime.astimezone(UTC).date() <= last]
    return sensors.count("sentinel-2"), sensors.count("sentinel-1")
