"""The whole way from a catalogue to a store's tables, a tile at a time, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import shapely

from surco.embedstore import Season, Store
from surco.encoder.area import project, read_area
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import Composite, compose
from surco.encoder.encode_tile import encode_gathered, gather, sum_pixels
from surco.encoder.errors import CatalogError, EncoderError
from surco.encoder.grid import Grid, Window, make_grid
from surco.encoder.grounds import refuse_older
from surco.encoder.merging import merged_cells
from surco.encoder.parcels import ParcelError, ParcelIndex, Parcels, read_parcels
from surco.encoder.pool import Sums, merge
from surco.encoder.protocol import Encoder
from surco.encoder.rasters import raster_settings
from surco.encoder.report import EncodeReport, read_report, run_note, with_earlier
from surco.encoder.runkey import run_key
from surco.encoder.scenes import Scene
from surco.encoder.staging import Staging, TileSums, to_payload, window_name
from surco.encoder.tables import cell_batches, parcel_batches

__all__ = ["Progress", "encode_store"]

Progress = Callable[[int, int, str], None]
"""Told how many of how many tiles are done, and what comes now."""

_COARSEST, _FINEST = 5, 12
"""Resolutions whose cells hold at most what the sums can (`pool.UNIT`), and at least one pixel of 10 m."""


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Everything a run is made from; `key` tells two runs apart that would not give the same tables."""

    catalog: str
    scenes: Sequence[Scene]
    season: Season
    encoder: Encoder
    grid: Grid
    windows: Sequence[Window]
    resolutions: tuple[int, ...]
    parcels: Parcels | None
    index: ParcelIndex | None
    key: str


def encode_store(
    catalog: str | Path,
    season: Season,
    store: Store,
    encoder: Encoder,
    *,
    parcels: str | Path | None = None,
    erode: float = 0.0,
    resolutions: Sequence[int] = (9, 11),
    aoi: str | Path | Sequence[float] | shapely.Geometry | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> EncodeReport:
    """Turn a season of scenes into a store's cells and parcels.

    A store that has the season of another area keeps it: cells, and parcels by id, replace their like, all others stay.
    Where an area is encoded again from other scenes, what these do not see stays as it was too.

    Nothing is visible in the store before everything is done, in one transaction. A run that was stopped, whatever
    stopped it, goes on behind its last finished tile when it is started again; one that is already in the store
    does nothing.

    Args:
        catalog: a static STAC catalogue (folder, file, address) or the address of a STAC API.
        season: of the store's start month.
        store: to write to.
        encoder: turns series into vectors; a mapping in its attribute `card`, if any, goes into the store.
        parcels: GeoJSON or GeoParquet of polygons to pool besides the cells; a pixel at an edge counts with the share
            of its area inside.
        erode: metres by which parcels are shrunk before, see `parcels.ParcelIndex`; 10 is good for crops.
        resolutions: of the H3 cells, 5 to 12.
        aoi: area in degrees, see `area.read_area`; None takes what the scenes cover.
        force: write also where the store has this season as of a later day than `season` has.
        progress: called as `progress(done, total, text)`, in tiles.

    Raises:
        EncoderError: a catalogue, scene, area, parcel file or encoder that cannot be used.
        OlderSeasonError: the store has the area as of a later day, and no `force`.
        EmbedstoreError: a store that cannot be written.
    """
    began = time.monotonic()
    tell = progress or _silent
    plan = _plan(str(catalog), season, store, encoder, parcels, erode, resolutions, aoi)
    known = _known(plan, store)
    if known is not None:
        tell(known.tiles, known.tiles, "already in the store")
        return replace(known, seconds=time.monotonic() - began)
    if not force:
        refuse_older(store, encoder.model_id, season, _tables(plan), _ground(plan))
    staging = Staging(store.staging(plan.key))
    resumed = _encode_tiles(plan, staging, tell)
    tell(len(plan.windows), len(plan.windows), "writing tables")
    _commit(plan, staging, store)
    store.clear_staging(plan.key)
    written = _known(plan, store)
    if written is None:
        raise RuntimeError(f"the tables of run {plan.key} are not in {store.path} after their transaction")
    return replace(written, already=False, resumed=resumed, seconds=time.monotonic() - began)


def _plan(
    catalog: str,
    season: Season,
    store: Store,
    encoder: Encoder,
    parcels: str | Path | None,
    erode: float,
    resolutions: Sequence[int],
    aoi: str | Path | Sequence[float] | shapely.Geometry | None,
) -> _Plan:
    levels = _check(season, store, resolutions)
    area = None if aoi is None else read_area(aoi)
    outlines = None if parcels is None else read_parcels(parcels)
    scenes = read_scenes(catalog, season.start, season.last_day, area)
    grid = make_grid(scenes, area)
    index = None if outlines is None else ParcelIndex(outlines, grid.crs, erode)
    if index is not None and not index.touches(grid.area):
        raise ParcelError(
            f"Expected parcels within the area to encode; got none of those in {parcels} there. "
            "Check the parcels' CRS and the area."
        )
    digest = outlines.digest if outlines is not None else ""
    key = run_key(scenes, season, encoder, grid, levels, digest, erode)
    return _Plan(catalog, scenes, season, encoder, grid, list(grid.windows()), levels, outlines, index, key)


def _known(plan: _Plan, store: Store) -> EncodeReport | None:
    count = None if plan.parcels is None else len(plan.parcels.id)
    return read_report(store, plan.key, plan.encoder.model_id, plan.season, plan.resolutions, count)


def _check(season: Season, store: Store, resolutions: Sequence[int]) -> tuple[int, ...]:
    """The resolutions, finest first; refuses now what the store would refuse after hours of work."""
    levels = tuple(sorted(set(resolutions), reverse=True))
    if not levels or levels[0] > _FINEST or levels[-1] < _COARSEST:
        raise EncoderError(
            f"Expected H3 resolutions from {_COARSEST} to {_FINEST}; got {list(resolutions)}. "
            "Use 9 and 11, about 300 m and 50 m across."
        )
    if season.start_month != store.start_month:
        raise EncoderError(
            f"Expected a season that starts in month {store.start_month}, as all of the store {store.path}; "
            f"got {season.start} to {season.end}. Change the season's dates, or write to another store."
        )
    return levels


def _encode_tiles(plan: _Plan, staging: Staging, tell: Progress) -> int:
    """Encode every tile that is not staged yet; return how many already were."""
    resumed = 0
    with raster_settings():
        for number, window in enumerate(plan.windows):
            if staging.has(window_name(window)):
                resumed += 1
                continue
            name = f"tile {number + 1} of {len(plan.windows)}"
            tell(number, len(plan.windows), f"{name}: composites")
            composite = compose(plan.scenes, window, plan.season)
            tell(number, len(plan.windows), f"{name}: vectors")
            staging.save(window_name(window), to_payload(_encode_window(plan, window, composite)))
    return resumed


def _encode_window(plan: _Plan, window: Window, composite: Composite) -> TileSums:
    gathered = gather(composite, window.lonlat(), window.inside(plan.grid.area).ravel())
    (vectors,) = encode_gathered(plan.encoder, [gathered])
    return sum_pixels(window, gathered, vectors, resolution=plan.resolutions[0], parcels=plan.index)


def _commit(plan: _Plan, staging: Staging, store: Store) -> None:
    """Merge the tiles and write all tables in one transaction."""
    uneroded = 0 if plan.index is None else plan.index.uneroded(plan.grid.area)
    tiles = (staging.load(window_name(window)) for window in plan.windows)
    ground = _ground(plan)
    note = run_note(
        plan.key,
        _sources(plan)[0],
        plan.season,
        plan.scenes,
        plan.resolutions,
        ground.bounds,
        tiles,
        uneroded,
    )
    if not note["pixels_seen"]:
        raise CatalogError(
            f"Expected at least one clear observation in {plan.season}; got {len(plan.scenes)} scenes without "
            "a usable pixel in the area. Choose another season or area."
        )
    model_id, season, sources = plan.encoder.model_id, plan.season, _sources(plan)
    card = getattr(plan.encoder, "card", None)
    with store.transaction() as transaction:
        if isinstance(card, Mapping):
            transaction.put_model(model_id, card)
        for level in plan.resolutions:
            batches = _cell_rows(plan, staging, level)
            held = transaction.held("cells", model_id, season, level)
            transaction.put_cells(
                batches,
                model_id=model_id,
                season=season,
                resolution=level,
                sources=sources,
                merge=True,
                **with_earlier(note, held, level, season, ground),
            )
        if plan.parcels is not None:
            batches = parcel_batches(_parcel_sums(plan, staging), plan.parcels)
            held = transaction.held("parcels", model_id, season)
            transaction.put_parcels(
                batches,
                model_id=model_id,
                season=season,
                sources=sources,
                merge=True,
                **with_earlier(note, held, _COARSEST, season, ground),
            )


def _ground(plan: _Plan) -> shapely.Geometry:
    return project(plan.grid.area, plan.grid.crs, "OGC:CRS84")


def _tables(plan: _Plan) -> list[tuple[str, int | None]]:
    cells: list[tuple[str, int | None]] = [("cells", level) for level in plan.resolutions]
    return cells if plan.parcels is None else [*cells, ("parcels", None)]


def _cell_rows(plan: _Plan, staging: Staging, level: int) -> Iterator[pa.RecordBatch]:
    def load(number: int) -> Sums:
        return staging.load(window_name(plan.windows[number])).cells

    for sums in merged_cells(len(plan.windows), load, plan.resolutions[0], level):
        yield from cell_batches(sums)


def _parcel_sums(plan: _Plan, staging: Staging) -> Sums:
    sums = merge([staging.load(window_name(window)).parcels for window in plan.windows])
    if not sums.pixels.any():
        raise ParcelError(
            "Expected a parcel with at least one pixel that was seen; got none. "
            "Check the parcels' CRS, or choose another season."
        )
    return sums


def _sources(plan: _Plan) -> list[str]:
    """Collections, and the catalogue's address; of a local one only the name, not where it lies."""
    place = plan.catalog if "://" in plan.catalog else Path(plan.catalog).resolve().name
    return [place, *sorted({scene.collection for scene in plan.scenes})]


def _silent(done: int, total: int, text: str) -> None:
    """Nobody asked."""
