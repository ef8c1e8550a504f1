"""The commands of adapters: fit, list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.options import SEASON, STORE, UNIT

if TYPE_CHECKING:
    from surco.api.fitting import Unit

__all__ = ["adapters"]


@click.group()
def adapters() -> None:
    """Fit and list adapters."""


@adapters.command("fit")
@STORE
@click.option(
    "--labels",
    required=True,
    type=click.Path(path_type=Path),
    help="GeoJSON of points or polygons with a class column.",
)
@click.option(
    "--task", type=click.Choice(["crop-type"]), default="crop-type", show_default=True, expose_value=False
)
@click.option("--name", required=True, help="Name of the adapter in the store.")
@click.option("--class-column", help="Column of the class; found by its usual names if left out.")
@click.option("--model", help="Model id of the vectors, where the store holds several models.")
@SEASON
@UNIT
def adapters_fit(
    store: Path,
    labels: Path,
    name: str,
    class_column: str | None,
    model: str | None,
    season: str | None,
    unit: Unit,
) -> None:
    """Fit an adapter on labels and keep it in the store."""
    from surco.api.fitting import fit_adapter

    report = fit_adapter(
        store, labels, name=name, class_column=class_column, season=season, unit=unit, model_id=model
    )
    click.echo(report.text())


@adapters.command("list")
@STORE
def adapters_list(store: Path) -> None:
    """List the adapters of a store."""
    from surco.api.fitting import list_adapters

    found = list_adapters(store)
    for adapter in found:
        click.echo(
            f"{adapter['name']}  {adapter['task']}  {adapter['model_id']}  {', '.join(adapter['classes'])}"
        )
    if not found:
        click.echo(f"{store} holds no adapter yet: surco adapters fit {store} --labels FILE --name NAME")
