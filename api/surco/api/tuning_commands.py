"""The command that tunes an encoder on one labelled task: fine-tune."""

from __future__ import annotations

from pathlib import Path

import click

from surco.api.progress import noting, progress_bar
from surco.encoder import SamplesWarning

__all__ = ["fine_tune_"]


@click.command("fine-tune")
@click.argument("samples", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Weights to write (.safetensors)."
)
@click.option(
    "--model", default="surco-nano", show_default=True, help="surco-nano, or a .safetensors file of ours."
)
@click.option(
    "--update",
    default="all",
    show_default=True,
    type=click.Choice(["last", "head", "all"]),
    help="What moves: the last layer, the heads before it too, or everything.",
)
@click.option("--steps", default=12, show_default=True, type=click.IntRange(1), help="At most so many steps.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--reflectance-scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.0, min_open=True),
    help="What reflectances are multiplied by to lie between 0 and 1: 0.0001 for ten-thousandths.",
)
def fine_tune_(
    samples: Path, out: Path, model: str, update: str, steps: int, seed: int, reflectance_scale: float
) -> None:
    """Tune the encoder on a table of labelled series, as far as labels held out say that it helps."""
    from surco.api.tuning import tune_into

    with noting(SamplesWarning), progress_bar("fine-tune") as report:
        done = tune_into(
            samples,
            out,
            model=model,
            update=update,
            steps=steps,
            seed=seed,
            reflectance_scale=reflectance_scale,
            progress=report,
        )
    click.echo(done)
