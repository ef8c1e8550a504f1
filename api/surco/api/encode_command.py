"""The command `surco encode`: of an area, or as a plan says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from click.core import ParameterSource

from surco.api.errors import ApiError
from surco.api.options import DEVICE, MODEL, PRECISION, STORE_PATH
from surco.api.planned_runs import HowToRun
from surco.api.progress import progress_bar
from surco.api.run_commands import RAY, RETRY_FAILED, WORKERS, finish

__all__ = ["encode"]


@click.command()
@click.option(
    "--stac",
    "catalog",
    help="STAC catalogue: a folder, a catalog.json, the URL of an API, s3://BUCKET/FOLDER, or an archive by name: "
    "earth-search, planetary-computer, cdse (docs/reading.md).",
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
    """Encode the scenes of a season into the cells and parcels of a store: of an area, or as a plan says.

    With --plan exits with 3 where tiles could not be done, and with 4 where somebody stopped the run.
    """
    from surco.encoder.kept_months import KeptMonths

    kept = None if keep_composites is None else KeptMonths(keep_composites, int(keep_gb * 1e9))
    if plan is not None:
        _refuse_beside_plan(ctx)
        finish(ctx, plan, store_path, HowToRun(workers, ray, retry_failed, force, kept))
        return
    if catalog is None or season is None:
        raise ApiError("Expected --stac and --season, or --plan; got neither. Name a catalogue and a season.")
    if workers or ray or retry_failed:
        raise ApiError(
            "Expected --workers, --ray and --retry-failed with --plan; got no plan. Make one: surco plan."
        )
    from surco.api.encoding import EncodeRequest, describe_report, encode_into

    day = None if as_of is None else as_of.date()
    request = EncodeRequest(
        catalog, season, store_path, parcels, res, aoi, model, erode, day, force, device, precision, kept,
    )  # fmt: skip
    with progress_bar("encode") as report:
        done = encode_into(request, progress=report)
    click.echo(describe_report(done, store_path))


def _refuse_beside_plan(ctx: click.Context) -> None:
    """What a plan says is not said twice."""
    given = [
        name
        for name in (
            "catalog",
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
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise ApiError(
            f"Expected --plan with --store, --workers, --ray, --retry-failed, --keep-composites or --force; got "
            f"{', '.join(given)} too. "
            "The plan says it: leave it out, or plan again."
        )
