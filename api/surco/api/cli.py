"""The `surco` command. Each command is a thin door: it reads arguments, calls a room, prints what came back.

Errors that a user can cause are printed as one sentence and end with exit code 2; anything else is a bug and shows
its traceback.
"""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surco.adapters import AdapterError
from surco.api.errors import ApiError
from surco.api.progress import console, progress_bar
from surco.api.serving import serve_store
from surco.api.settings import Settings
from surco.embedstore import EmbedstoreError, Store, run_sql
from surco.encoder import EncoderError, SamplesWarning
from surco.viewer import ViewerError

if TYPE_CHECKING:
    from surco.api.fitting import Unit

__all__ = ["main"]

ROOM_ERRORS = (AdapterError, ApiError, EmbedstoreError, EncoderError, ViewerError)

STORE = click.argument("store", type=click.Path(path_type=Path))
SEASON = click.option("--season", help="A season of the store, such as 2024-25. The latest if left out.")
MODEL = click.option(
    "--model",
    default="surco-nano",
    show_default=True,
    help="Encoder: surco-nano, presto, galileo-nano, rslearn:NAME, band-mean, or a .safetensors file.",
)
PORT = click.option("--port", default=8765, show_default=True, type=click.IntRange(1, 65535))
UNIT = click.option(
    "--unit",
    type=click.Choice(["auto", "cells", "parcels"]),
    default="auto",
    show_default=True,
    help="Rows to use: H3 cells, parcels, or parcels where they fit.",
)


class _Root(click.Group):
    """Turns the rooms' errors into a sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ROOM_ERRORS as error:
            console().print(f"[bold red]Error:[/] {_plain(str(error))}", highlight=False)
            ctx.exit(2)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("surco"), prog_name="surco")
def main() -> None:
    """Surco: embeddings of the land as a database."""


@main.command()
@click.option(
    "--stac", "catalog", required=True, help="STAC catalogue: a folder, a catalog.json, or the URL of an API."
)
@click.option(
    "--season", required=True, help="Twelve months as START/END (2024-05/2025-04), or 2024-25 from May."
)
@click.option(
    "--store", "store_path", required=True, type=click.Path(path_type=Path), help="The store; made if new."
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
def encode(
    catalog: str,
    season: str,
    store_path: Path,
    parcels: Path | None,
    res: str,
    aoi: str | None,
    model: str,
    erode: float,
) -> None:
    """Encode the scenes of a season into the cells and parcels of a store."""
    from surco.api.encoding import EncodeRequest, describe_report, encode_into

    request = EncodeRequest(catalog, season, store_path, parcels, res, aoi, model, erode)
    with progress_bar("encode") as report:
        done = encode_into(request, progress=report)
    click.echo(describe_report(done, store_path))


@main.command()
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

    with warnings.catch_warnings(record=True) as notes, progress_bar("embed") as report:
        warnings.simplefilter("always", SamplesWarning)
        encoder = load_encoder(model)
        done = embed_samples(samples, out, encoder, reflectance_scale=reflectance_scale, progress=report)
    for text in dict.fromkeys(str(note.message) for note in notes):
        console().print(f"[yellow]Note:[/] {_plain(text)}", highlight=False)
    note = f", {done.without_value} without any valid value (null)" if done.without_value else ""
    click.echo(f"{done.rows} rows{note} from {', '.join(done.channels)} -> {out}")


@main.command()
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
def pretrain(
    samples: Path,
    out: Path,
    name: str,
    without: tuple[str, ...],
    simulated: int,
    steps: int | None,
    seed: int,
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
            progress=report,
        )
    click.echo(done)


@main.group()
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


@main.command("map")
@STORE
@click.option("--adapter", required=True, help="Adapter to draw.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help=".parquet, .geojson or .tif")
@SEASON
@click.option("--unit", type=click.Choice(["cells", "parcels"]), default="cells", show_default=True)
@click.option("--res", type=int, help="H3 resolution of the cells; the finest if left out.")
def map_(store: Path, adapter: str, out: Path, season: str | None, unit: str, res: int | None) -> None:
    """Write the map of an adapter: classes and probabilities of every cell or parcel."""
    from surco.api.maps import predict_table, write_map

    predicted = predict_table(Store.open(store), adapter, season, unit, res)
    write_map(predicted, out)
    places = predicted.places
    click.echo(f"{len(places.id):,} {unit} of season {places.season} -> {out}")
    for name, hectares in sorted(
        zip(predicted.classes, predicted.hectares(), strict=True), key=lambda row: -row[1]
    ):
        click.echo(f"  {name:32} {hectares:12,.1f} ha")
    click.echo("Hectares are counted from the map: biased where it errs, and no survey estimate.")


@main.command()
@STORE
@click.argument("query")
@click.option(
    "--format", "kind", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
def sql(store: Path, query: str, kind: str) -> None:
    """Ask a store in SQL: views cells, parcels, seasons, models, adapters."""
    from surco.api.printing import print_table

    print_table(run_sql(Store.open(store), query), kind)


@main.command()
@STORE
@click.option("--host", default="127.0.0.1", show_default=True)
@PORT
@click.option("--adapter", help="Adapter to show first.")
@SEASON
@click.option("--area", help="Name of the place, for the page's title.")
@click.option("--basemap", help="URL template of raster tiles, if you want one: {z}/{x}/{y}.")
def serve(
    store: Path,
    host: str,
    port: int,
    adapter: str | None,
    season: str | None,
    area: str | None,
    basemap: str | None,
) -> None:
    """Serve the viewer and its data."""
    serve_store(Settings(store, adapter, season, area, host, port, basemap))


@main.command()
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


@main.command()
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
        serve_store(Settings(result.store, "crops", area="Synthetic valleys", port=port))


if __name__ == "__main__":
    sys.exit(main())
