"""Commands that make vectors: encode, embed, pretrain, simulate."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from surco.api.options import STORE_PATH
from surco.api.progress import noting, progress_bar
from surco.encoder import SamplesWarning

__all__ = ["embed", "encode", "pretrain", "simulate"]

MODEL = click.option(
    "--model",
    default="surco-nano",
    show_default=True,
    help="Encoder: surco-nano, presto, galileo-nano, rslearn:NAME, band-mean, or a .safetensors file.",
)


@click.command()
@click.option(
    "--stac", "catalog", required=True, help="STAC catalogue: a folder, a catalog.json, or the URL of an API."
)
@click.option(
    "--season", required=True, help="Twelve months as START/END (2024-05/2025-04), or 2024-25 from May."
)
@click.option(
    "--store", "store_path", required=True, type=STORE_PATH, help="The store; made if new."
)
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
def encode(
    catalog: str,
    season: str,
    store_path: Path,
    parcels: Path | None,
    res: str,
    aoi: str | None,
    model: str,
    erode: float,
    as_of: datetime | None,
    force: bool,
) -> None:
    """Encode the scenes of a season into the cells and parcels of a store."""
    from surco.api.encoding import EncodeRequest, describe_report, encode_into

    day = None if as_of is None else as_of.date()
    request = EncodeRequest(catalog, season, store_path, parcels, res, aoi, model, erode, day, force)
    with progress_bar("encode") as report:
        done = encode_into(request, progress=report)
    click.echo(describe_report(done, store_path))


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
def embed(samples: Path, out: Path, model: str, reflectance_scale: float) -> None:
    """Embed a table of labelled series (docs/samples.md)."""
    from surco.encoder import embed_samples, load_encoder

    with noting(SamplesWarning), progress_bar("embed") as report:
        encoder = load_encoder(model)
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
