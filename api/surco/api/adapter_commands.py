"""The commands of adapters: fit, list, show, compare, delete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.adapter_cards import card_lines, plain_text
from surco.api.options import LEGEND, SEASON, STORE, UNIT
from surco.api.refusals import SettingsError
from surco.embedstore import Store
from surco.embedstore.working_copy import shown

if TYPE_CHECKING:
    from surco.api.fitting import Unit

__all__ = ["adapters"]


@click.group()
def adapters() -> None:
    """Fit, look at, compare and delete adapters."""


@adapters.command("fit")
@STORE
@click.option(
    "--labels",
    required=True,
    type=click.Path(path_type=Path),
    help="GeoJSON of points or polygons with a class column, or one of measured values.",
)
@click.option("--task", type=click.Choice(["crop-type", "yield"]), default="crop-type", show_default=True)
@click.option("--target-column", help="Column of the measured value, for --task yield.")
@click.option("--target-unit", default="t/ha", show_default=True, help="Its unit.")
@click.option("--name", required=True, help="Name of the adapter in the store.")
@click.option("--class-column", help="Column of the class; found by its usual names if left out.")
@click.option("--model", help="Model id of the vectors, where the store holds several models.")
@LEGEND
@SEASON
@UNIT
def adapters_fit(
    store: Path,
    labels: Path,
    task: str,
    target_column: str | None,
    target_unit: str,
    name: str,
    class_column: str | None,
    model: str | None,
    legend: str | None,
    season: str | None,
    unit: Unit,
) -> None:
    """Fit an adapter on labels and keep it in the store."""
    if task == "yield":
        from surco.api.yield_fitting import fit_yield_adapter

        column = _target_column(target_column, class_column, legend)
        fitted = fit_yield_adapter(
            store,
            labels,
            name=name,
            target_column=column,
            target_unit=target_unit,
            season=season,
            unit=unit,
            model_id=model,
        )
        click.echo(fitted.text())
        return
    if target_column is not None:
        raise SettingsError(
            f"Expected --task yield beside --target-column {target_column}, got --task {task}. Name the task."
        )
    from surco.api.fitting import fit_adapter

    report = fit_adapter(
        store,
        labels,
        name=name,
        class_column=class_column,
        season=season,
        unit=unit,
        model_id=model,
        legend=legend,
    )
    click.echo(report.text())


def _target_column(target: str | None, class_column: str | None, legend: str | None) -> str:
    """The column of measured values; refuse what only classes have."""
    if target is None:
        raise SettingsError(
            "Expected --target-column beside --task yield, got none. Name the column that holds the value."
        )
    if class_column is not None or legend is not None:
        raise SettingsError(
            "Expected --task yield without --class-column and --legend, got one of them. Leave them out: a yield has "
            "no classes."
        )
    return target


@adapters.command("list")
@STORE
def adapters_list(store: Path) -> None:
    """List the adapters of a store."""
    from surco.api.fitting import list_adapters

    found = list_adapters(store)
    for adapter in found:
        classes = ", ".join(plain_text(name) for name in adapter["classes"])
        click.echo(f"{adapter['name']}  {adapter['task']}  {adapter['model_id']}  {classes}".rstrip())
    if not found:
        click.echo(
            f"{shown(store)} holds no adapter yet: surco adapters fit {shown(store)} --labels FILE --name NAME"
        )


@adapters.command("show")
@STORE
@click.argument("name")
def adapters_show(store: Path, name: str) -> None:
    """Say what an adapter tells apart, from how many labels, and how well."""
    for line in card_lines(Store.open(store), name):
        click.echo(line)


@adapters.command("compare")
@STORE
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--labels", type=click.Path(path_type=Path), help="New labels; where the maps differ if left out."
)
@click.option("--class-column", help="Column of the class; found by its usual names if left out.")
@SEASON
@UNIT
def adapters_compare(
    store: Path,
    names: tuple[str, ...],
    labels: Path | None,
    class_column: str | None,
    season: str | None,
    unit: Unit,
) -> None:
    """Compare adapters on labels that none has learned from, or say where two maps differ."""
    from surco.api.comparing import agreement, agreement_lines, comparison_lines
    from surco.api.evaluating import StoreQuestion, evaluate_adapters

    if len(set(names)) < 2 or (labels is None and len(names) > 2):
        raise SettingsError(
            f"Expected two different adapters{'' if labels is None else ' or more'}, got {' '.join(names)}. "
            "Name them as `surco adapters list` shows them; more than two need --labels."
        )
    if labels is None:
        lines = agreement_lines(agreement(Store.open(store), names[0], names[1], season, unit))
    else:
        question = StoreQuestion(store, labels, class_column=class_column, season=season, unit=unit)
        lines = comparison_lines(evaluate_adapters(question, names).found, names)
    for line in lines:
        click.echo(line)


@adapters.command("delete")
@STORE
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def adapters_delete(store: Path, name: str, yes: bool) -> None:
    """Leave an adapter out of a new version of the store; earlier versions keep it."""
    opened = Store.open(store)
    opened.adapter_dir(name)
    if not yes:
        click.confirm(
            f"Delete adapter {name} of {shown(store)}? Version {opened.version} keeps it.", abort=True
        )
    with opened.transaction() as transaction:
        transaction.remove_adapter(name)
    click.echo(
        f"Adapter {name} is not in version {opened.version}. To have it back: surco store rollback {shown(store)} "
        f"{opened.version - 1}"
    )
