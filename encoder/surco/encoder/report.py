"""What a run did, kept beside the tables it wrote so that a later run can say it again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import Any, TypedDict

import h3
import numpy as np
import shapely

from surco.embedstore import Season, Store
from surco.embedstore.manifest import Partition
from surco.encoder.grounds import Seen, seen_before
from surco.encoder.merging import count_cells
from surco.encoder.pool import SHARE
from surco.encoder.reading import ReadCounts
from surco.encoder.scenes import Scene
from surco.encoder.staging import TileSums

Bbox = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

__all__ = [
    "EncodeReport",
    "MonthReport",
    "TableFacts",
    "notes_beside",
    "read_report",
    "run_note",
    "with_earlier",
]


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
        holes: names of tiles that could not be done and have no rows.
        reading: over a network, in all its processes but those that died.
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
    holes: tuple[str, ...] = ()
    reading: ReadCounts = field(default_factory=ReadCounts)


def run_note(
    key: str,
    name: str,
    season: Season,
    scenes: Sequence[Scene],
    resolutions: Sequence[int],
    bbox: Bbox,
    count: int,
    load: Callable[[int], TileSums],
    uneroded: int,
    holes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """What is kept of a run with each of its tables, as JSON: key, place, rows, and what the season had.

    Args:
        key: of the run.
        name: of its catalogue.
        season: of the run.
        scenes: of the run.
        resolutions: of its cells.
        bbox: of its area.
        count: of tiles.
        load: number of a tile to its sums.
        uneroded: parcels that were too small to be eroded.
        holes: tiles that could not be done, as JSON; they hold no row of the run.
    """
    pixels = seen = 0
    shares = np.zeros((2, 12))
    parcels = np.empty(0, np.uint64)
    for tile in map(load, range(count)):
        pixels += tile.pixels
        seen += int(tile.cells.pixels.sum()) // SHARE
        shares += (tile.optical, tile.radar)
        parcels = np.union1d(parcels, tile.parcels.key[tile.parcels.pixels > 0])
    shares /= max(pixels, 1)
    months = []
    for (first, last), optical, radar in zip(season.months(), *shares.tolist(), strict=True):
        scenes_had = _count(scenes, first, min(last, season.last_day))
        months.append([first.isoformat(), last.isoformat(), *scenes_had, round(optical, 4), round(radar, 4)])
    cells = count_cells(count, lambda number: load(number).cells, max(resolutions), resolutions)
    return {
        "run": key, "name": name, "bbox": list(bbox), "tiles": count, "pixels": pixels, "pixels_seen": seen,
        "parcels_uneroded": uneroded, "months": months,
        "cells": {str(level): rows for level, rows in cells.items()}, "parcels": len(parcels),
        "holes": [dict(hole) for hole in holes],
    }  # fmt: skip


def notes_beside(meta: Mapping[str, Any], bbox: Bbox, reach: float) -> list[dict[str, Any]]:
    """Notes of a table's earlier runs that a run over `bbox` leaves alone: those farther off than `reach` degrees.

    The note of a run that shares ground with the new one goes: its rows are no longer all its own, so that it must
    be encoded again where it is asked for again.
    """
    west, south, east, north = bbox
    kept = []
    for note in meta.get("runs", []):
        left, bottom, right, top = note["bbox"]
        apart = left > east + reach or right < west - reach or bottom > north + reach or top < south - reach
        if apart:
            kept.append(dict(note))
    return kept


class TableFacts(TypedDict):
    """What a write says of a table as a whole, as arguments of `Transaction.put_cells` and `put_parcels`."""

    meta: dict[str, Any]
    seen_until: date | None


def with_earlier(
    note: dict[str, Any],
    held: Partition | None,
    level: int,
    season: Season,
    ground: shapely.Geometry | None = None,
) -> TableFacts:
    """What becomes of a table's facts: `meta` with this run's note and those of earlier runs beside it, and the day.

    Args:
        note: of the run, with its `bbox`.
        held: the table as it was; None where there was none.
        level: H3 resolution of the cells, or the coarsest for parcels: two cells apart is no common ground.
        season: of the run, with the day until which it saw.
        ground: of the run, in degrees; None takes the note's box.
    """
    before = Seen({}) if held is None else seen_before(held.meta, held.season.last_day, held.bbox)
    seen = before.updated(shapely.box(*note["bbox"]) if ground is None else ground, season.last_day)
    runs = [note] if held is None else [*_beside(note, held, level), note]
    return {"meta": {"runs": runs, "seen_until": seen.to_json()}, "seen_until": seen.until}


def _beside(note: Mapping[str, Any], held: Partition, level: int) -> list[dict[str, Any]]:
    metres = 2.0 * float(h3.average_hexagon_edge_length(level, unit="m"))
    reach = metres / (111_000.0 * max(math.cos(math.radians(note["bbox"][1])), 0.1))
    return notes_beside(held.meta, tuple(note["bbox"]), reach)


def read_report(
    store: Store, key: str, model_id: str, season: Season, resolutions: Sequence[int], parcels: int | None
) -> EncodeReport | None:
    """The report of a run whose rows are all in the store, else None.

    Args:
        store: to look in.
        key: of the run.
        model_id: whose vectors.
        season: of the run.
        resolutions: of its cells.
        parcels: how many were given; None for none.
    """
    held = {
        (table.table, table.resolution): note
        for table in store.tables()
        if (table.model_id, table.season) == (model_id, season.name)
        for note in table.meta.get("runs", [])
        if note["run"] == key
    }
    wanted: list[tuple[str, int | None]] = [("cells", resolution) for resolution in resolutions]
    if parcels is not None:
        wanted.append(("parcels", None))
    if not all(name in held for name in wanted):
        return None
    note = held[wanted[0]]
    rows = note["parcels"] if parcels is not None else None
    cells = {level: note["cells"][str(level)] for level in resolutions}
    return _report(note, cells, rows, (parcels or 0) - (rows or 0))


def _report(
    meta: Mapping[str, Any], cells: Mapping[int, int], parcels: int | None, unseen: int
) -> EncodeReport:
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
        holes=tuple(hole["tile"] for hole in meta.get("holes", [])),
    )


def _count(scenes: Sequence[Scene], first: date, last: date) -> tuple[int, int]:
    """Optical and radar scenes from one day to another."""
    sensors = [s.sensor for s in scenes if first <= s.datetime.astimezone(UTC).date() <= last]
    return sensors.count("sentinel-2"), sensors.count("sentinel-1")
