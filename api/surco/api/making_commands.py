"""Commands that make vectors: encode, embed, pretrain, simulate."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from click.core import ParameterSource

from surco.api.errors import ApiError
from surco.api.options import STORE_PATH
from surco.api.planned_runs import HowToRun
from surco.api.progress import noting, progress_bar
from surco.api.run_commands import RAY, RETRY_FAILED, WORKERS, finish
from surco.encoder import SamplesWarning

__all__ = ["embed", "encode", "pretrain", "simulate"]

MODEL = click.option(
    "--model",
    default="surco-nano",
    show_default=True,
    help="Encoder: surco-nano, presto, galileo-nano, rslearn:NAME, band-mean, or a .safetensors file.",
)

DEVICE = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto (a GPU where there is one), cpu or cuda (docs/gpu.md).",
)
PRECISION = click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Of our own encoders; float32 on a CPU and bfloat16 on a GPU if left out.",
)


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


@click.command()
@click.argument("samples", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
@MODEL
@click.option(
    "--reflectance-scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.0, min_open=True),
    help="What reflectances are multiplied by to lie between 0 and 1: 0.0001 for ten-thousandths.",
)
@DEVICE
@PRECISION
def embed(
    samples: Path, out: Path, model: str, reflectance_scale: float, device: str, precision: str | None
) -> None:
    """Embed a table of labelled series (docs/samples.md)."""
    from surco.encoder import embed_samples, load_encoder

    with noting(SamplesWarning), progress_bar("embed") as report:
        encoder = load_encoder(model, device, precision)
        done = embed_samples(samples, out, encoder, reflectance_scale=reflectance_scale, progress=report)
    note = f", {done.without_value} without any valid value (null)" if done.without_value else ""
    click.echo(f"{done.rows} rows{note} from {', '.join(done.channels)} -> {out}")


@click.command()
@click.option("--samples", required=True, type=click.Path(path_type=Path), help="Folder of sample tables.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Weights to write (.safetensors)."
)
@click.option("--name", required=True, help="Model id for the card, such as mine-1.")
@click.option("--without", multiple=True, help="Table to leave out (name without ending); may be repeated.")
@click.option(
    "--simulated",
    default=30_000,
    show_default=True,
    help="Series of each of four synthetic sets; 0 for none.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps; those of the shipped encoder if left out.")
@click.option("--seed", default=0, show_default=True)
@click.option("--teacher", help="Published encoder to learn from: presto or galileo-nano (SURCO_WEIGHTS).")
def pretrain(
    samples: Path,
    out: Path,
    name: str,
    without: tuple[str, ...],
    simulated: int,
    steps: int | None,
    seed: int,
    teacher: str | None,
) -> None:
    """Train an encoder on labelled series; stopped, the same command goes on."""
    from surco.api.pretraining import pretrain

    with progress_bar("pretrain") as report:
        done = pretrain(
            samples,
            out,
            name=name,
            without=without,
            simulated=simulated,
            steps=steps,
            seed=seed,
            teacher=teacher,
            progress=report,
        )
    click.echo(done)


@click.command()
@click.option(
    "--aoi", required=True, help="Place in Chile: west,south,east,north in degrees, or a GeoJSON file."
)
@click.option(
    "--season", required=True, help="Twelve months as START/END (2024-05/2025-04), or 2024-25 from May."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; made if new.")
@click.option(
    "--climate",
    type=click.Choice(["north", "central", "south"]),
    help="Macro-zone; that of the place if left out.",
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Of every random draw.")
def simulate(aoi: str, season: str, out: Path, climate: str | None, seed: int) -> None:
    """Draw a synthetic place: STAC catalogue, true parcels and yields."""
    from surco.api.simulating import SimulateRequest, describe_area, simulate_into

    with progress_bar("scenes") as report:
        place, area = simulate_into(SimulateRequest(aoi, season, out, climate, seed), progress=report)
    click.echo(describe_area(place, area))
