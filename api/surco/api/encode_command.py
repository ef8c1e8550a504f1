"""The command `surco encode`: of an area, of a region by tiles, or as a plan says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from surco.api.errors import ApiError
from surco.api.options import DEVICE, MODEL, PRECISION, STORE_PATH
from surco.api.planned_runs import HowToRun
from surco.api.progress import console, progress_bar
from surco.api.run_commands import RAY, RETRY_FAILED, WORKERS, finish

if TYPE_CHECKING:
    from surco.api.planning import PlanAsked
    from surco.encoder.plan import RunPlan

__all__ = ["encode"]


@click.command()
@click.option(
    "--stac",
    "catalog",
    help="STAC catalogue: a folder, a catalog.json, the URL of an API, s3://BUCKET/FOLDER, or an archive by name: "
    "earth-search, planetary-computer, cdse (docs/reading.md).",
)
@click.option(
    "--region",
    help="chile, a code such as CL-ML, a name, or a file of polygons: plan it and carry the plan out at once, tile by "
    "tile (docs/runs.md). surco plan says first what it takes.",
)
@click.option("--season", help="Twelve months as START/END (2024-05/2025-04), or 2024-25 from May.")
@click.option("--store", "store_path", required=True, type=STORE_PATH, help="The store; made if new.")
@click.option("--parcels", type=click.Path(path_type=Path), help="Parcels to embed too (GeoJSON).")
@click.option("--res", default="9,11", show_default=True, help="H3 resolutions, comma-separated.")
@click.option(
    "--aoi", help="Area: west,south,east,north in degrees, or a GeoJSON file. All scenes if left out."
)
@MODEL
@click.option(
    "--erode",
    default=0.0,
    show_default=True,
    type=click.FloatRange(min=0.0),
    help="Metres by which parcels are shrunk before pooling.",
)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day of a season still growing, such as 2025-01-31; encode again with a later one (docs/updating.md).",
)
@click.option("--force", is_flag=True, help="Replace vectors of a later day by those as of an earlier one.")
@DEVICE
@PRECISION
@click.option(
    "--keep-composites",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder in which monthly composites stay: the next update reads new months only (docs/updating.md).",
)
@click.option(
    "--keep-gb",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0.01),
    help="Most that the folder may hold; what was not used for longest goes first.",
)
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    help="Carry out a plan of surco plan, or go on with it; it says all but the store (docs/runs.md).",
)
@WORKERS
@RAY
@RETRY_FAILED
@click.pass_context
def encode(
    ctx: click.Context,
    catalog: str | None,
    region: str | None,
    season: str | None,
    store_path: Path,
    parcels: Path | None,
    res: str,
    aoi: str | None,
    model: str,
    erode: float,
    as_of: datetime | None,
    force: bool,
    plan: Path | None,
    workers: int | None,
    ray: str | None,
    retry_failed: bool,
    device: str,
    precision: str | None,
    keep_composites: Path | None,
    keep_gb: float,
) -> None:
    """Encode the scenes of a season into the cells and parcels of a store: of an area, a region, or as a plan says.

    With --plan or --region exits with 3 where tiles could not be done, and with 4 where somebody stopped the run.
    """
    from surco.encoder.kept_months import KeptMonths

    kept = None if keep_composites is None else KeptMonths(keep_composites, int(keep_gb * 1e9))
    how = HowToRun(workers, ray, retry_failed, force, kept)
    if plan is not None:
        _refuse_beside_plan(ctx)
        finish(ctx, plan, store_path, how)
        return
    if catalog is None or season is None:
        raise ApiError("Expected --stac and --season, or --plan; got neither. Name a catalogue and a season.")
    day = None if as_of is None else as_of.date()
    if region is not None:
        from surco.api.planning import PlanAsked

        _refuse_beside_region(ctx)
        asked = PlanAsked(
            region, season, day, stac=(catalog,), parcels=parcels, erode=erode, res=res, model=model
        )
        finish(ctx, _planned(asked), store_path, how)
        return
    if workers or ray or retry_failed:
        raise ApiError(
            "Expected --workers, --ray and --retry-failed with --plan or --region; got neither. Make a plan: surco "
            "plan."
        )
    from surco.api.encoding import EncodeRequest, describe_report, encode_into

    request = EncodeRequest(
        catalog, season, store_path, parcels, res, aoi, model, erode, day, force, device, precision, kept,
    )  # fmt: skip
    with progress_bar("encode") as report:
        done = encode_into(request, progress=report)
    click.echo(describe_report(done, store_path))


def _planned(asked: PlanAsked) -> RunPlan:
    """The plan; what it is about to do is said beside the results."""
    from surco.api.planning import plan_asked
    from surco.encoder.plan.rates import Rates

    with progress_bar("plan") as report:
        made = plan_asked(asked, Rates(), report)
    console().print(f"{len(made.tiles)} tiles, {len(made.scenes):,} scenes", highlight=False)
    return made


def _refuse_beside_region(ctx: click.Context) -> None:
    """An area is another way to say where, and processes choose what encodes."""
    given = _given(ctx, "aoi", "device", "precision")
    if given:
        raise ApiError(
            f"Expected --region without --aoi, --device and --precision; got {', '.join(given)} too. Leave it out, or "
            "encode the area with --aoi in place of --region."
        )


def _refuse_beside_plan(ctx: click.Context) -> None:
    """What a plan says is not said twice."""
    given = _given(
        ctx,
        "catalog",
        "region",
        "season",
        "parcels",
        "res",
        "aoi",
        "model",
        "erode",
        "as_of",
        "device",
        "precision",
    )
    if given:
        raise ApiError(
            f"Expected --plan with --store, --workers, --ray, --retry-failed, --keep-composites or --force; got "
            f"{', '.join(given)} too. "
            "The plan says it: leave it out, or plan again."
        )


def _given(ctx: click.Context, *names: str) -> list[str]:
    """Which of some parameters stand on the command line."""
    return [name for name in names if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
