"""A plan carried out: tiles done wherever an executor does them, then all tables in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import shapely

from surco.embedstore import Store
from surco.encoder.area import project
from surco.encoder.grounds import refuse_older
from surco.encoder.kept_months import KeptMonths
from surco.encoder.models import load_encoder
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.parcels import ParcelError, Parcels, read_parcels
from surco.encoder.plan import LandTile, RunPlan, SceneSource, Source, write_plan
from surco.encoder.protocol import Encoder
from surco.encoder.report import EncodeReport
from surco.encoder.runs.committing import Target, commit
from surco.encoder.runs.errors import RunError
from surco.encoder.runs.folder import DeadLetter, RunFolder, run_folder
from surco.encoder.runs.rounds import Patience, do_all
from surco.encoder.runs.state import Driver, driving
from surco.encoder.runs.work import Executor, MakeEncoder, Recipe, Work

__all__ = ["run_plan"]

Progress = Callable[[int, int, str], None]
_ROUGH_DEGREES = 0.01
"""To which a run's ground is drawn: a country's outline of tiles has thousands of corners."""


def run_plan(
    plan: RunPlan,
    store: Store,
    make_encoder: MakeEncoder | None = None,
    *,
    executor: Executor,
    patience: Patience | None = None,
    retry_failed: bool = False,
    force: bool = False,
    kept: KeptMonths | None = None,
    progress: Progress | None = None,
) -> EncodeReport:
    """Carry out a plan, or go on with it.

    What is done is kept in `<store>/.runs/<key>`, a file a tile; nothing is visible in the store before every tile is
    done or given up. A tile that cannot be read is tried again in later rounds, and then given up: it is named in the
    tables' meta (`holes`), and its file of reasons stays until it is done. Whatever dies, the tables hold the same
    bytes in the end.

    Args:
        plan: what to do.
        store: to write to, with the plan's start month of seasons.
        make_encoder: makes the plan's encoder in each process; None loads it by the plan's name of it.
        executor: does the windows.
        patience: with what cannot be read.
        retry_failed: try again what an earlier run gave up.
        force: write also where the store has this season as of a later day.
        kept: where monthly composites are kept from one run to the next, on each machine; None reads every month.
        progress: called as `progress(done, total, text)`, in tiles.

    Raises:
        PlanError: a plan that says not where observations come from, or was made for another encoder.
        CancelledRunError: somebody stopped the run.
        RunError: another process is at it, or no tile could be done.
        EncoderError: parcels or an encoder that cannot be used.
        EmbedstoreError: a store that cannot be written.
    """
    began = time.monotonic()
    make = make_encoder or partial(load_encoder, plan.model.name)
    # Here the encoder says who it is and what its card is; a GPU is for those who encode.
    here = make_encoder() if make_encoder else load_encoder(plan.model.name, "cpu")
    target, work = _prepare(plan, here, store, kept)
    known = target.report(store)
    if known is not None and not (retry_failed and known.holes):
        return replace(known, seconds=time.monotonic() - began)
    if not force:
        refuse_older(store, target.encoder.model_id, plan.season, target.tables, target.ground)
    folder = run_folder(store, plan.key)
    with driving(folder, str(executor)) as driver:
        _begin(plan, folder, retry_failed)
        resumed = do_all(work, folder, executor, make, driver, patience or Patience(), progress or _silent)
        _write(target, work, folder, driver, store)
    written = target.report(store)
    if written is None:
        raise RuntimeError(f"the tables of run {plan.key} are not in {store.path} after their transaction")
    reading, seconds = driver.state.reading, time.monotonic() - began
    return replace(written, already=False, resumed=resumed, seconds=seconds, reading=reading)


def _prepare(plan: RunPlan, encoder: Encoder, store: Store, kept: KeptMonths | None) -> tuple[Target, Work]:
    plan.check_encoder(encoder)
    plan.source(plan.tiles[0])
    if plan.season.start_month != store.start_month:
        raise RunError(
            f"Expected a plan of seasons that start in month {store.start_month}, as all of {store.path}; "
            f"got {plan.season.start} to {plan.season.end}. Plan again, or write to another store."
        )
    parcels, erode = _parcels(plan), 0.0 if plan.parcels is None else plan.parcels.erode
    ground = _ground(plan)
    target = Target(
        plan.key,
        _sources(plan),
        plan.season,
        plan.resolutions,
        parcels,
        ground,
        plan.scenes,
        _uneroded(parcels, erode, plan.tiles[0].crs, ground),
        encoder,
    )
    recipe = Recipe(plan.season, plan.resolutions[0], parcels, erode)
    return target, Work(recipe, plan.tiles, partial(_source, plan, kept))


def _source(plan: RunPlan, kept: KeptMonths | None, tile: LandTile) -> Source:
    """Where a tile's observations come from, its scenes' months from where they are kept."""
    source = plan.source(tile)
    return replace(source, kept=kept) if isinstance(source, SceneSource) else source


def _parcels(plan: RunPlan) -> Parcels | None:
    if plan.parcels is None:
        return None
    parcels = read_parcels(plan.parcels.path)
    if parcels.digest != plan.parcels.digest:
        raise ParcelError(
            f"Expected the parcels of the plan in {plan.parcels.path}; got another file of that name. "
            "Bring the old one back, or plan again."
        )
    return parcels


def _uneroded(parcels: Parcels | None, erode: float, crs: str, ground: shapely.Geometry) -> int:
    if parcels is None or not erode:
        return 0
    return ParcelIndex(parcels, crs, erode).uneroded(project(ground, "OGC:CRS84", crs))


def _ground(plan: RunPlan) -> shapely.Geometry:
    """The outline of the plan's tiles in degrees, somewhat rough."""
    boxes = shapely.box(*zip(*(tile.bbox for tile in plan.tiles), strict=True))
    return shapely.union_all(boxes).simplify(_ROUGH_DEGREES)


def _within(plan: RunPlan) -> dict[str, object]:
    """What of the tiles' ground counts: whole comunas, or land here and there, of which nobody can tell what lacks."""
    ground = plan.ground
    if ground.cropland is not None or ground.polygon is not None:
        return {"partly": True}
    return {} if ground.comunas is None else {"comunas": list(ground.comunas)}


def _sources(plan: RunPlan) -> tuple[str, ...]:
    if plan.simulated is not None:
        return (plan.region, "simulated")
    collections = {scene.collection for scene in plan.scenes}
    return (plan.region, *plan.catalogues, *sorted(collections))


def _begin(plan: RunPlan, folder: RunFolder, retry_failed: bool) -> None:
    folder.uncancel()
    if not (folder.path / "plan.json").exists():
        write_plan(plan, folder.path / "plan.json")
    if retry_failed:
        for letter in folder.dead_letters():
            folder.revive(letter.tile)


def _write(target: Target, work: Work, folder: RunFolder, driver: Driver, store: Store) -> None:
    """Write the tables; what tiles left behind stays while a tile may still be done, whose edges others share."""
    letters = folder.dead_letters()
    dead = {letter.tile for letter in letters}
    names = [tile.name for tile in work.tiles if tile.name not in dead]
    if not names:
        raise RunError(
            f"Expected at least one tile that can be done; got {len(letters)} that cannot, the first because: "
            f"{letters[0].reason} See surco run status, and try again with --retry-failed."
        )
    driver.tell(phase="writing")
    commit(target, folder.tiles, names, [_hole(letter) for letter in letters], store)
    if not letters:
        folder.clear_tiles()
    driver.tell(phase="finished")


def _hole(letter: DeadLetter) -> dict[str, object]:
    return {
        "tile": letter.tile,
        "bbox": [round(side, 5) for side in LandTile.named(letter.tile).bbox],
        "kind": letter.kind,
        "reason": letter.reason,
        "attempts": letter.attempts,
    }


def _silent(done: int, total: int, text: str) -> None:
    """Nobody asked."""
