"""The whole way from a catalogue to a store's tables, a tile at a time, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import shapely

from surco.embedstore import Season, Store
from surco.encoder.area import project, read_area
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import Composite
from surco.encoder.errors import EncoderError
from surco.encoder.grid import Window, make_grid
from surco.encoder.grounds import refuse_older
from surco.encoder.kept_months import KeptMonths, compose_kept
from surco.encoder.levels import require_levels
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.parcels import ParcelError, read_parcels
from surco.encoder.protocol import Bools, Encoder
from surco.encoder.reading import ReadCounts
from surco.encoder.reading.addresses import bare
from surco.encoder.report import EncodeReport
from surco.encoder.runkey import run_key
from surco.encoder.runs.committing import Target, commit
from surco.encoder.runs.folder import RunFolder
from surco.encoder.runs.local import InProcess
from surco.encoder.runs.rounds import Patience, do_all
from surco.encoder.runs.state import driving
from surco.encoder.runs.work import Recipe, Task, Work
from surco.encoder.scenes import Scene
from surco.encoder.staging import window_name

__all__ = ["Progress", "encode_store"]

Progress = Callable[[int, int, str], None]
"""Told how many of how many tiles are done, and what comes now."""

_AT_ONCE = Patience(attempts=1, give_up=False)
"""Of an area that somebody waits for, what cannot be read is said at once."""


@dataclass(frozen=True, slots=True)
class _GridTile:
    """One window of a grid over an area, as a tile of a run."""

    window: Window
    area: shapely.Geometry

    @property
    def name(self) -> str:
        """Row and column: `tile-00012-00003`."""
        return window_name(self.window)

    def windows(self) -> tuple[Window, ...]:
        """The one window."""
        return (self.window,)

    def inside(self, window: Window) -> Bools:
        """Which pixels of the window lie in the area, (H, W)."""
        return window.inside(self.area)


@dataclass(frozen=True, slots=True)
class _Scenes:
    """All scenes of a catalogue, for any window."""

    scenes: Sequence[Scene]
    kept: KeptMonths | None = None

    def composite(self, tile: _GridTile, window: Window, season: Season) -> Composite:
        """See `work.Observer`."""
        return compose_kept(self.scenes, window, season, self.kept)


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
    kept: KeptMonths | None = None,
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
        kept: where monthly composites are kept from one run to the next; None reads every month.
        progress: called as `progress(done, total, text)`, in tiles.

    Raises:
        EncoderError: a catalogue, scene, area, parcel file or encoder that cannot be used.
        OlderSeasonError: the store has the area as of a later day, and no `force`.
        EmbedstoreError: a store that cannot be written.
    """
    began = time.monotonic()
    tell = progress or _silent
    target, work = _plan(str(catalog), season, store, encoder, parcels, erode, resolutions, aoi, kept)
    known = target.report(store)
    if known is not None:
        tell(known.tiles, known.tiles, "already in the store")
        return replace(known, seconds=time.monotonic() - began)
    if not force:
        refuse_older(store, encoder.model_id, season, target.tables, target.ground)
    resumed, reading = _perform(target, work, store, tell)
    store.clear_staging(target.key)
    written = target.report(store)
    if written is None:
        raise RuntimeError(f"the tables of run {target.key} are not in {store.path} after their transaction")
    return replace(written, already=False, resumed=resumed, seconds=time.monotonic() - began, reading=reading)


def _plan(
    catalog: str,
    season: Season,
    store: Store,
    encoder: Encoder,
    parcels: str | Path | None,
    erode: float,
    resolutions: Sequence[int],
    aoi: str | Path | Sequence[float] | shapely.Geometry | None,
    kept: KeptMonths | None,
) -> tuple[Target, Work]:
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
    target = Target(
        run_key(scenes, season, encoder, grid, levels, digest, erode),
        _sources(catalog, scenes),
        season,
        levels,
        outlines,
        project(grid.area, grid.crs, "OGC:CRS84"),
        scenes,
        0 if index is None else index.uneroded(grid.area),
        encoder,
    )
    tiles = [_GridTile(window, grid.area) for window in grid.windows()]
    recipe = Recipe(season, levels[0], outlines, erode)
    return target, Work(recipe, tiles, lambda _: _Scenes(scenes, kept))


def _check(season: Season, store: Store, resolutions: Sequence[int]) -> tuple[int, ...]:
    """The resolutions, finest first; refuses now what the store would refuse after hours of work."""
    levels = tuple(sorted(set(resolutions), reverse=True))
    require_levels(resolutions)
    if season.start_month != store.start_month:
        raise EncoderError(
            f"Expected a season that starts in month {store.start_month}, as all of the store {store.path}; "
            f"got {season.start} to {season.end}. Change the season's dates, or write to another store."
        )
    return levels


def _perform(target: Target, work: Work, store: Store, tell: Progress) -> tuple[int, ReadCounts]:
    """Encode every tile that is not staged yet, and write the tables; how many already were, and what was read."""
    tiles = work.tiles

    def stage(task: Task, text: str) -> None:
        tell(task.tile, len(tiles), f"tile {task.tile + 1} of {len(tiles)}: {text}")

    folder = RunFolder(store.staging(target.key))
    with driving(folder, "this process") as driver:
        encoder = target.encoder
        resumed = do_all(work, folder, InProcess(stage), lambda: encoder, driver, _AT_ONCE, _silent)
        tell(len(tiles), len(tiles), "writing tables")
        commit(target, folder.tiles, [tile.name for tile in tiles], (), store)
    return resumed, driver.state.reading


def _sources(catalog: str, scenes: Sequence[Scene]) -> tuple[str, ...]:
    """The catalogue's address, of a local one only the name, not where it lies; then collections."""
    place = bare(catalog) if "://" in catalog else Path(catalog).resolve().name
    return (place, *sorted({scene.collection for scene in scenes}))


def _silent(done: int, total: int, text: str) -> None:
    """Nobody asked."""
