"""Commands that ask a store: map; and the demo, which does all of it."""

from __future__ import annotations

from pathlib import Path

import click

from surco.api.growing import season_note
from surco.api.maps import adapter_task
from surco.api.options import LEGEND, PORT, SEASON, STORE
from surco.api.progress import console, plain
from surco.api.refusals import SettingsError
from surco.api.serving import serve_store
from surco.api.settings import LOOPBACK, Settings
from surco.embedstore import Store

__all__ = ["demo", "map_"]


@click.command("map")
@STORE
@click.option("--adapter", required=True, help="Adapter to draw.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help=".parquet, .geojson or .tif")
@SEASON
@click.option("--unit", type=click.Choice(["cells", "parcels"]), default="cells", show_default=True)
@click.option("--res", type=int, help="H3 resolution of the cells; the finest if left out.")
@click.option(
    "--level", type=click.IntRange(1), help="Level of the legend to sum classes up to; 1 are its roots."
)
@LEGEND
@click.option(
    "--abstain", type=float, help="Give no class where a place's support is below this: 0.05 is usual."
)
def map_(
    store: Path,
    adapter: str,
    out: Path,
    season: str | None,
    unit: str,
    res: int | None,
    level: int | None,
    legend: str | None,
    abstain: float | None,
) -> None:
    """Write the map of an adapter: classes and probabilities of every cell or parcel, or values with intervals."""
    if adapter_task(Store.open(store), adapter) == "yield":
        if abstain is not None:
            raise SettingsError(
                "Expected no --abstain for a yield adapter. Leave it out: its intervals say how sure it is."
            )
        _map_values(store, adapter, out, season, unit, res, level)
        return
    from surco.api.legend_levels import adapter_legend, summed_up
    from surco.api.maps import predict_table, write_map

    opened = Store.open(store)
    if legend is not None and level is None:
        raise SettingsError(
            f"Expected --level beside --legend {legend}, got none. Name the level to sum up to."
        )
    tree = None if level is None else adapter_legend(opened, adapter, legend)
    predicted = predict_table(opened, adapter, season, unit, res)
    if tree is not None and level is not None:
        predicted = summed_up(predicted, tree, level)
    strange = 0
    if abstain is not None:
        from surco.api.abstaining import abstained

        predicted, strange = abstained(opened, predicted, abstain)
    write_map(predicted, out)
    places = predicted.places
    click.echo(f"{len(places.id):,} {unit} of season {places.season} -> {out}")
    if abstain is not None:
        click.echo(f"  {strange:,} of them are unlike every labelled class and have none.")
    for name, hectares in sorted(
        zip(predicted.classes, predicted.hectares(), strict=True), key=lambda row: -row[1]
    ):
        click.echo(f"  {name:32} {hectares:12,.1f} ha")
    click.echo("Hectares are counted from the map: biased where it errs, and no survey estimate.")
    _note_season(opened, adapter, places.season, unit)


def _note_season(store: Store, adapter: str, season: str, unit: str) -> None:
    """Say where the adapter learned from another part of the year than it was asked about."""
    note = season_note(store, adapter, season, unit)
    if note is not None:
        console().print(f"[yellow]Note:[/] {plain(note)}", highlight=False)


def _map_values(
    store: Path, adapter: str, out: Path, season: str | None, unit: str, res: int | None, level: int | None
) -> None:
    """Write the map of a yield adapter, and say what it holds."""
    from surco.api.yield_maps import predict_values, value_lines, write_values

    if level is not None:
        raise SettingsError(
            f"Expected no --level for the yield adapter {adapter}, got {level}. Leave it out: a yield has no classes."
        )
    opened = Store.open(store)
    predicted = predict_values(opened, adapter, season, unit, res)
    write_values(predicted, out)
    for line in value_lines(predicted, out):
        click.echo(line)
    _note_season(opened, adapter, predicted.places.season, unit)


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where to.",
)
@click.option("--serve/--no-serve", default=True, show_default=True, help="Open the viewer at the end.")
@PORT
def demo(folder: Path, serve: bool, port: int) -> None:
    """Synthetic valleys of three climates of Chile, from scenes to one crop map, without network."""
    from surco.api.demo import run_demo

    result = run_demo(folder)
    if serve:
        serve_store(
            Settings(
                result.store,
                "crops",
                area="Synthetic valleys",
                port=port,
                # Who tries it on his own machine may teach it, too.
                anonymous=("read", "label", "train"),
                allowed_hosts=LOOPBACK,
            )
        )
