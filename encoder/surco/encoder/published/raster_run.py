"""Published embedding rasters to a store's cells and parcels, by the same pooling and tables as our own vectors."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from surco.embedstore import Season, Store
from surco.encoder.area import project, read_area
from surco.encoder.errors import EncoderError
from surco.encoder.levels import COARSEST, require_levels
from surco.encoder.merging import merged_cells
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.parcels import ParcelError, Parcels, read_parcels
from surco.encoder.pool import SHARE, Sums, merge
from surco.encoder.published.geotiff import RasterError
from surco.encoder.published.landing import check_request, count_by_level, note_of, write_arguments
from surco.encoder.published.raster_report import RasterReport, raster_report
from surco.encoder.published.raster_windows import RasterWindow, plan_windows, pool_window
from surco.encoder.published.rasters import VectorRaster, open_raster
from surco.encoder.report import with_earlier
from surco.encoder.staging import to_payload, window_name
from surco.encoder.tables import cell_batches, parcel_batches

__all__ = ["pool_rasters"]


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    season: Season
    model_id: str
    levels: tuple[int, ...]
    parcels: Parcels | None
    area: shapely.Geometry | None
    erode: float
    card: Mapping[str, object]


def pool_rasters(
    paths: Sequence[str | Path],
    season: Season,
    store: Store,
    *,
    model_id: str,
    parcels: str | Path | None = None,
    resolutions: Sequence[int] = (9, 11),
    aoi: str | Path | Sequence[float] | shapely.Geometry | None = None,
    erode: float = 0.0,
    card: Mapping[str, object] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> RasterReport:
    """Pool published embeddings into a store, as one more model of it.

    Rasters of another area join what the store has of the model and season: cells, and parcels by id, replace their
    like, all others stay. Nothing is visible before everything is done, in one transaction; a run that was stopped goes
    on behind its last finished window. Pixels of rasters that overlap count once for each. Such products are made of
    calendar years: a store whose seasons start in January names them rightly. What a raster does not say stays empty:
    `ndvi` is null, `n_optical` and `n_radar` are 0.

    Args:
        paths: AlphaEarth's GeoTIFFs, or TESSERA's `.npy` with scales and land mask, see `rasters`; one model's.
        season: of the store's start month.
        store: to write to.
        model_id: for example `alphaearth-1.1` or `tessera-1.0`; never one name for two models.
        parcels: GeoJSON or GeoParquet of polygons to pool besides the cells.
        resolutions: of the H3 cells, 5 to 12.
        aoi: area in degrees, see `area.read_area`; None takes all of the rasters.
        erode: metres by which parcels are shrunk before pooling, see `parcels.ParcelIndex`.
        card: JSON values for the model card: the licence and the credit that it asks for belong there.
        progress: called as `progress(done, total, text)`, in windows.

    Raises:
        EncoderError: a raster, area, parcel file or resolution that cannot be used.
        EmbedstoreError: a store that cannot be written.
    """
    began = time.monotonic()
    _check(paths, resolutions)
    check_request(season, store, model_id)
    request = _Request(
        season,
        model_id,
        tuple(sorted(set(resolutions), reverse=True)),
        None if parcels is None else read_parcels(parcels),
        None if aoi is None else read_area(aoi),
        erode,
        {"kind": "published raster", **(card or {}), "model_id": model_id},
    )
    with ExitStack() as opened:
        rasters = [opened.enter_context(open_raster(Path(path))) for path in paths]
        _check_alike(rasters)
        key = _key(rasters, request)
        found = _written(store, key, request)
        if found is not None:
            return raster_report(found, request.levels, 0, time.monotonic() - began, already=True)
        try:
            parts = _plan(rasters, request, store.staging(key))
            resumed = _pool_parts(parts, request, progress)
            note = _note(key, rasters, request, parts)
            _commit(parts, request, store, note, sorted({Path(path).name for path in paths}))
        except EncoderError:
            # Other inputs are another run: nobody would come back for the windows of this one.
            store.clear_staging(key)
            raise
    store.clear_staging(key)
    return raster_report(note, request.levels, resumed, time.monotonic() - began, already=False)


def _check(paths: Sequence[str | Path], resolutions: Sequence[int]) -> None:
    if not paths or isinstance(paths, str):
        raise RasterError(f"Expected a list of rasters, got {paths!r}. Name at least one file.")
    require_levels(resolutions)


def _check_alike(rasters: Sequence[VectorRaster]) -> None:
    sizes = sorted({raster.dimension for raster in rasters})
    if len(sizes) > 1:
        names = [str(next(r.files[0] for r in rasters if r.dimension == size)) for size in sizes]
        raise RasterError(
            f"Expected vectors of one length, got {sizes} in {names}. Pool the rasters of one model at a time."
        )


def _key(rasters: Sequence[VectorRaster], request: _Request) -> str:
    """SHA-256 over everything that shapes the tables, 32 hexadecimal digits."""
    files = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for r in rasters for f in r.files]
    season = [request.season.start.isoformat(), request.season.last_day.isoformat()]
    area = None if request.area is None else request.area.wkb_hex
    digest = None if request.parcels is None else request.parcels.digest
    parts = ["rasters-2", sorted(files), season, request.levels, digest, request.erode, area, request.card]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _pool_parts(
    parts: Sequence[RasterWindow], request: _Request, progress: Callable[[int, int, str], None] | None
) -> int:
    """Pool every window that is not staged yet; return how many already were."""
    resumed = 0
    for number, part in enumerate(parts):
        if progress:
            progress(number, len(parts), f"pooling {part.raster.files[0].name}")
        if part.staging.has(window_name(part.window)):
            resumed += 1
        else:
            part.staging.save(window_name(part.window), to_payload(pool_window(part, request.levels[0])))
    if progress:
        progress(len(parts), len(parts), "writing tables")
    return resumed


def _plan(rasters: Sequence[VectorRaster], request: _Request, folder: Path) -> list[RasterWindow]:
    crs = {raster.crs for raster in rasters}
    outlines = request.parcels
    indices = {} if outlines is None else {c: ParcelIndex(outlines, c, request.erode) for c in crs}
    return plan_windows(rasters, indices, request.area, folder)


def _note(
    key: str, rasters: Sequence[VectorRaster], request: _Request, parts: Sequence[RasterWindow]
) -> dict[str, Any]:
    """What is kept of a run with each of its tables, as JSON: key, place, rows and pixels."""
    pixels, seen = 0, 0
    cells, parcels = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for part in parts:
        sums = part.sums()
        pixels += sums.pixels
        seen += int(sums.cells.pixels.sum()) // SHARE
        cells.append(sums.cells.key[sums.cells.pixels > 0])
        parcels.append(sums.parcels.key[sums.parcels.pixels > 0])
    if not seen:
        raise RasterError(
            f"Expected at least one pixel with a vector in the area, got none in {pixels} pixels of {len(rasters)} "
            "rasters. Choose another area or other rasters."
        )
    outlines = [project(part.area, part.raster.crs, "OGC:CRS84") for part in parts]
    return {
        "run": key, "name": rasters[0].files[0].stem, "bbox": list(shapely.total_bounds(outlines)),
        "rasters": len(rasters), "pixels": pixels, "pixels_seen": seen, "dimension": rasters[0].dimension,
        "cells": count_by_level(np.concatenate(cells), request.levels),
        "parcels": None if request.parcels is None else len(np.unique(np.concatenate(parcels))),
    }  # fmt: skip


def _commit(
    parts: Sequence[RasterWindow],
    request: _Request,
    store: Store,
    note: dict[str, Any],
    sources: list[str],
) -> None:
    """Merge the windows and write all tables in one transaction."""
    model_id, season = request.model_id, request.season
    shared = write_arguments(model_id, season, sources, request.card)
    with store.transaction() as transaction:
        transaction.put_model(model_id, request.card)
        for level in request.levels:
            rows = _cell_rows(parts, request.levels[0], level)
            facts = with_earlier(note, transaction.held("cells", model_id, season, level), level, season)
            transaction.put_cells(rows, resolution=level, **facts, **shared)
        if request.parcels is not None:
            sums = merge([part.sums().parcels for part in parts])
            if not sums.pixels.any():
                raise ParcelError(
                    "Expected a parcel with at least one pixel that has a vector, got none. Check the parcels' CRS."
                )
            facts = with_earlier(note, transaction.held("parcels", model_id, season), COARSEST, season)
            transaction.put_parcels(parcel_batches(sums, request.parcels), **facts, **shared)


def _cell_rows(parts: Sequence[RasterWindow], finest: int, level: int) -> Iterator[pa.RecordBatch]:
    def load(number: int) -> Sums:
        return parts[number].sums().cells

    for sums in merged_cells(len(parts), load, finest, level):
        yield from cell_batches(sums)


def _written(store: Store, key: str, request: _Request) -> Mapping[str, Any] | None:
    with_parcels = request.parcels is not None
    return note_of(store, key, request.model_id, request.season, request.levels, parcels=with_parcels)
