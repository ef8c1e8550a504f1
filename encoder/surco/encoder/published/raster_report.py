"""What pooling published rasters did, from what the tables keep of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from surco.embedstore import Season, Store, TableInfo

__all__ = ["RasterReport", "raster_report", "tables_of"]


@dataclass(frozen=True, slots=True)
class RasterReport:
    """What `pool_rasters` did.

    Attributes:
        key: of the run; the same inputs give the same.
        rasters, pixels: read; `pixels_seen` of them have a vector.
        resumed: windows taken over from a run that was stopped.
        cells: rows by H3 resolution.
        parcels: rows; None where no parcels were given.
        seconds: this run took.
        already: True where the store had everything and nothing was pooled.
    """

    key: str
    rasters: int
    pixels: int
    pixels_seen: int
    resumed: int
    cells: Mapping[int, int]
    parcels: int | None
    seconds: float
    already: bool


def tables_of(
    store: Store, key: str, model_id: str, season: Season, resolutions: Sequence[int], *, parcels: bool
) -> dict[int | None, TableInfo] | None:
    """The tables of a run by resolution, None for parcels; None where not all of them are in the store."""
    held = {
        table.resolution: table
        for table in store.tables()
        if (table.model_id, table.season) == (model_id, season.name) and table.meta.get("run") == key
    }
    wanted = {*resolutions, *([None] if parcels else [])}
    return held if wanted <= set(held) else None


def raster_report(
    key: str, tables: Mapping[int | None, TableInfo], resumed: int, began: float, *, already: bool
) -> RasterReport:
    """The report of a run that began at `began` of the monotonic clock, from its tables."""
    meta = next(iter(tables.values())).meta
    return RasterReport(
        key=key,
        rasters=meta["rasters"],
        pixels=meta["pixels"],
        pixels_seen=meta["pixels_seen"],
        resumed=resumed,
        cells={level: table.rows for level, table in tables.items() if level is not None},
        parcels=tables[None].rows if None in tables else None,
        seconds=time.monotonic() - began,
        already=already,
    )
