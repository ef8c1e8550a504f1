"""Commands that teach a server: its label sets, its adapters, their maps and areas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surco.api.client_commands import BBOX, SEASON, at, numbers, show_json
from surco.api.errors import ApiError
from surco.api.progress import console, plain
from surco.api.refusals import InvalidError

if TYPE_CHECKING:
    from surco.api.client.client import Client

__all__ = ["at"]

WITHIN = click.option(
    "--within", type=click.Path(path_type=Path), help="GeoJSON file of polygons: only there."
)


@at.command("labels")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--name", help="Of a new set for the file.")
@click.option("--set", "set_id", help="Id of the set to add to, or to write with --out.")
@click.option("--value", is_flag=True, help="The labels are measured values, not classes.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a set: .geojson, .csv, .gpkg, .parquet")
@click.pass_obj
def labels(
    client: Client, /, file: Path | None, name: str | None, set_id: str | None, value: bool, out: Path | None
) -> None:
    """List label sets; add the labels of FILE to a new or a given set; or write a set to a file."""
    if file is not None:
        if (name is None) == (set_id is None):
            raise InvalidError(
                "Expected --name for a new set or --set for one that is there, got neither or both."
            )
        wanted = set_id or str(client.create_label_set(str(name), kind="value" if value else "class")["id"])
        show_json({"set": wanted, **client.upload_labels(wanted, file)})
    elif out is not None and set_id is not None:
        console().print(f"{set_id} -> {plain(str(client.export_labels(set_id, out)))}", highlight=False)
    elif out is not None or name is not None:
        raise InvalidError("Expected --set with --out, or a file with --name, got one without the other.")
    else:
        show_json(client.label_sets())


@at.command("fit")
@click.argument("name")
@click.option("--labels", "label_set", required=True, help="Id of a label set, or a GeoJSON file.")
@click.option("--task", type=click.Choice(["crop-type", "yield"]), default="crop-type", show_default=True)
@click.option("--column", help="Property of a file that holds the class or the value.")
@click.option("--full", is_flag=True, help="All baselines, also those that take longer.")
@SEASON
@click.pass_obj
def fit(
    client: Client,
    /,
    name: str,
    label_set: str,
    task: str,
    column: str | None,
    full: bool,
    season: str | None,
) -> None:
    """Fit an adapter and print what it is worth."""
    file = Path(label_set)
    given = _geojson(file) if file.suffix in (".geojson", ".json") else label_set
    wishes = {"task": task, "column": column, "season": season}
    show_json(client.fit(name, given, scores="full" if full else "quick", **wishes))


@at.command("next-label")
@click.argument("adapter")
@click.option("-k", "--count", default=10, show_default=True, type=click.IntRange(1, 100))
@BBOX
@click.option("--out", required=True, type=click.Path(path_type=Path), help="GeoJSON file")
@click.pass_obj
def next_label(client: Client, /, adapter: str, count: int, bbox: str | None, out: Path) -> None:
    """The places whose labels would help an adapter most."""
    from surco.api.whole_file import write_json

    box = numbers(bbox, 4, "west,south,east,north")
    found = client.next_labels(adapter, count=count, bbox=box)
    write_json(out, found)
    console().print(f"{len(found['features'])} places -> {plain(str(out))}", highlight=False)


@at.command("adapters")
@click.option("--delete", "doomed", help="Name of one to take out.")
@click.pass_obj
def adapters(client: Client, /, doomed: str | None) -> None:
    """List adapters with their cards, or take one out."""
    if doomed is not None:
        client.delete_adapter(doomed)
    show_json(client.adapters())


@at.command("map")
@click.argument("adapter")
@click.option("--season", required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help=".parquet, .geojson, .fgb, .tif")
@BBOX
@click.option("--comuna", help="Code or name.")
@click.option("--region", help="Code or name.")
@click.pass_obj
def map_(client: Client, /, adapter: str, season: str, out: Path, **within: Any) -> None:
    """Write an adapter's map, of the country or of an area."""
    console().print(f"{adapter} {season} -> {plain(str(client.export_map(adapter, season, out, **within)))}")


@at.command("areas")
@click.argument("adapter")
@click.option("--season", required=True)
@click.option(
    "--by", type=click.Choice(["none", "comuna", "province", "region"]), default="none", show_default=True
)
@click.option("--sample", help="Id of a label set that is a filled-in probability sample.")
@WITHIN
@click.pass_obj
def areas(
    client: Client, /, adapter: str, season: str, by: str, sample: str | None, within: Path | None
) -> None:
    """Hectares by class; with a sample, estimated with intervals."""
    show_json(client.areas(adapter, season, within=_polygon(within), by=by, sample=sample))


@at.command("values")
@click.argument("adapter")
@click.option("--season", required=True)
@click.option(
    "--by", type=click.Choice(["none", "comuna", "province", "region"]), default="none", show_default=True
)
@click.option("--crop", help="adapter:class, such as crops:wheat: only places mapped as that crop.")
@WITHIN
@click.pass_obj
def values(
    client: Client, /, adapter: str, season: str, by: str, crop: str | None, within: Path | None
) -> None:
    """Mean and total of a yield adapter's values."""
    show_json(client.values(adapter, season, within=_polygon(within), by=by, crop=crop))


def _polygon(file: Path | None) -> dict[str, Any] | None:
    """The polygons of a GeoJSON file as one geometry."""
    if file is None:
        return None
    import shapely

    from surco.encoder.area import read_area

    found: dict[str, Any] = json.loads(shapely.to_geojson(read_area(file)))
    return found


def _geojson(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ApiError(
            f"Expected a GeoJSON file of labels, got {file}: {error}. Correct its name."
        ) from error
    return found
