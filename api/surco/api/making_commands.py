"""Commands around the encoder: embed a table of series, pretrain weights, simulate a place."""

from __future__ import annotations

from pathlib import Path

import click

from surco.api.options import DEVICE, MODEL, PRECISION
from surco.api.progress import noting, progress_bar
from surco.encoder import SamplesWarning

__all__ = ["embed", "pretrain", "simulate"]


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
