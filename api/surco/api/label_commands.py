"""The command of labels: labels check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.options import LEGEND, SEASON, STORE, UNIT

if TYPE_CHECKING:
    from surco.api.fitting import Unit

__all__ = ["labels"]


@click.group()
def labels() -> None:
    """Look label files over."""


@labels.command("check")
@STORE
@click.option(
    "--labels",
    "file",
    required=True,
    type=click.Path(path_type=Path),
    help="GeoJSON of points or polygons with a class column.",
)
@click.option("--class-column", help="Column of the class; found by its usual names if left out.")
@click.option("--model", help="Model id of the vectors, where the store holds several models.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="All suspects in order: .geojson, .csv or .html."
)
@click.option(
    "--most", default=20, show_default=True, type=click.IntRange(0), help="How many suspects to print."
)
@LEGEND
@SEASON
@UNIT
def check(
    store: Path,
    file: Path,
    class_column: str | None,
    model: str | None,
    out: Path | None,
    most: int,
    legend: str | None,
    season: str | None,
    unit: Unit,
) -> None:
    """Say what is wrong with a label file, and which labels are probably wrong; nothing is changed."""
    from surco.api.label_checking import check_labels
    from surco.api.label_files import write_suspects

    checked = check_labels(
        store, file, class_column=class_column, season=season, unit=unit, model_id=model, legend=legend
    )
    counts = ", ".join(f"{name} {count}" for name, count in checked.report.counts.items())
    click.echo(
        f"{len(checked.labels)} labels, {len(checked.examples.y)} {checked.examples.unit} of the store: {counts}"
    )
    click.echo(checked.report.text(most) or "Nothing looks wrong.")
    if out is not None:
        click.echo(f"{write_suspects(checked, out)} written.")
