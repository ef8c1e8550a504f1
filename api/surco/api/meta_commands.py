"""The command that learns how to learn: meta-train."""

from __future__ import annotations

from pathlib import Path

import click

from surco.api.progress import noting, progress_bar
from surco.encoder import SamplesWarning

__all__ = ["meta_train_"]


@click.command("meta-train")
@click.argument("samples", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make for the prior.")
@click.option(
    "--model", default="surco-nano", show_default=True, help="Encoder whose vectors the prior is for."
)
@click.option("--without", multiple=True, help="A table to leave out, by name; may be repeated.")
@click.option(
    "--simulated",
    default=3000,
    show_default=True,
    type=click.IntRange(0),
    help="Synthetic series of each of three climates; 0 for none.",
)
@click.option(
    "--pseudo/--no-pseudo",
    default=True,
    show_default=True,
    help="Take clusters of the tables as classes too.",
)
@click.option(
    "--tasks",
    default=12,
    show_default=True,
    type=click.IntRange(1),
    help="Tasks of a table for each number of labels.",
)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--left-out",
    type=click.Path(path_type=Path),
    help="Folder of models trained without some of the tables; tasks come from what each has not seen.",
)
def meta_train_(
    samples: Path,
    out: Path,
    model: str,
    without: tuple[str, ...],
    simulated: int,
    pseudo: bool,
    tasks: int,
    seed: int,
    left_out: Path | None,
) -> None:
    """Learn from the tasks of many sample tables what the next fit starts from: SAMPLES is their folder."""
    from surco.api.meta_training import train_prior

    with noting(SamplesWarning), progress_bar("Meta-training") as report:
        done = train_prior(
            samples,
            out,
            model=model,
            without=without,
            simulated=simulated,
            pseudo=pseudo,
            tasks=tasks,
            seed=seed,
            left_out=left_out,
            progress=report,
        )
    click.echo(done)
