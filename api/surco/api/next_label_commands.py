"""The command that says where to go next: next-label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.options import SEASON, STORE, UNIT
from surco.api.progress import progress_bar

if TYPE_CHECKING:
    from surco.api.fitting import Unit

__all__ = ["next_label"]


@click.command("next-label")
@STORE
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .geojson to write.")
@click.option(
    "--labels",
    multiple=True,
    type=click.Path(path_type=Path),
    help="GeoJSON of labels so far, filled-in outputs of this command among them; may be given several times. "
    "None begins a campaign.",
)
@click.option("--adapter", help="Adapter of the store to go by; one is fitted on the labels if left out.")
@click.option("--count", default=10, show_default=True, help="How many places, 1 to 100.")
@click.option("--class-column", help="Column of the class; found by its usual names if left out.")
@click.option("--model", help="Model id of the vectors, where the store holds several models.")
@click.option("--aoi", help="Area: west,south,east,north in degrees, or a GeoJSON file. All if left out.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of all draws.")
@SEASON
@UNIT
def next_label(
    store: Path,
    out: Path,
    labels: tuple[Path, ...],
    adapter: str | None,
    count: int,
    class_column: str | None,
    model: str | None,
    aoi: str | None,
    seed: int,
    season: str | None,
    unit: Unit,
) -> None:
    """Choose the places whose labels would help most, a fifth of them by chance."""
    from surco.api.next_label import NextLabelRequest, next_places

    request = NextLabelRequest(
        store, out, labels, adapter, count, season, unit, model, aoi, class_column, seed
    )
    with progress_bar("next label") as report:
        done = next_places(request, progress=report)
    click.echo(done.text())
