"""Commands that ask a server instead of a store on this machine: `surco at URL`, its questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surco.api.printing import print_table
from surco.api.progress import console, plain
from surco.api.refusals import InvalidError
from surco.api.result_files import checked_target, write_result

if TYPE_CHECKING:
    import pyarrow as pa

    from surco.api.client.client import Client

__all__ = ["BBOX", "SEASON", "at", "numbers", "show_json"]

OUT = click.option(
    "--out", type=click.Path(path_type=Path), help="A file instead of the terminal: .csv, .json, .parquet"
)
BBOX = click.option("--bbox", help="west,south,east,north in degrees")
FILTER = click.option("--filter", "filter_", help="CQL2 over the table's columns")
TABLE = click.option(
    "--table", type=click.Choice(["cells", "parcels"]), help="cells where the store has them"
)
SEASON = click.option("--season", help="The latest if left out.")


@click.group()
@click.argument("url")
@click.pass_context
def at(context: click.Context, url: str) -> None:
    """Ask a Surco server at URL; an API key comes from SURCO_API_KEY."""
    from surco.api.client.client import Client

    context.obj = context.with_resource(Client(url))


@at.command("sql")
@click.argument("query")
@OUT
@click.pass_obj
def sql(client: Client, /, query: str, out: Path | None) -> None:
    """Answer one SELECT."""
    _show(client.sql(query), out)


@at.command("search")
@click.option("--like", "like", multiple=True, help="An id, or longitude,latitude; may be repeated.")
@click.option("--unlike", "unlike", multiple=True, help="What they are not to be like; may be repeated.")
@click.option("-k", "--count", "k", default=10, show_default=True)
@FILTER
@BBOX
@click.option("--comuna", help="Code or name.")
@click.option("--region", help="Code or name.")
@TABLE
@SEASON
@OUT
@click.pass_obj
def search(
    client: Client,
    /,
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    filter_: str | None,
    out: Path | None,
    **asked: Any,
) -> None:
    """Find the places most like examples."""
    asked["bbox"] = numbers(asked["bbox"], 4, "west,south,east,north")
    found = client.search(_examples(like), unlike=_examples(unlike), filter=filter_, **asked)
    _show(found, out)


@at.command("embeddings")
@click.option("--point", "points", multiple=True, help="longitude,latitude; may be repeated.")
@click.option("--id", "ids", multiple=True, help="A cell in hexadecimal or a parcel's id; may be repeated.")
@BBOX
@click.option("--comuna", help="Code or name.")
@click.option("--region", help="Code or name.")
@FILTER
@click.option("--vectors", type=click.Choice(["int8", "float", "none"]), default="int8", show_default=True)
@TABLE
@SEASON
@OUT
@click.pass_obj
def embeddings(
    client: Client,
    /,
    points: tuple[str, ...],
    ids: tuple[str, ...],
    filter_: str | None,
    out: Path | None,
    **asked: Any,
) -> None:
    """Vectors of points, ids or an area."""
    asked["bbox"] = numbers(asked["bbox"], 4, "west,south,east,north")
    where = [numbers(point, 2, "longitude,latitude") or [] for point in points]
    _show(client.embeddings(points=where or None, ids=ids or None, filter=filter_, **asked), out)


@at.command("items")
@click.argument("collection")
@BBOX
@FILTER
@SEASON
@click.option("--most", type=click.IntRange(1), default=1_000, show_default=True, help="Features to stop at.")
@OUT
@click.pass_obj
def items(
    client: Client,
    /,
    collection: str,
    bbox: str | None,
    filter_: str | None,
    season: str | None,
    most: int,
    out: Path | None,
) -> None:
    """Features of a collection: cells, parcels, comunas, or map-NAME of an adapter."""
    box = numbers(bbox, 4, "west,south,east,north")
    _show(client.items(collection, bbox=box, filter=filter_, season=season, most=most), out)


@at.command("quality")
@click.pass_obj
def quality(client: Client) -> None:
    """What was observed: coverage, seams, drift, missing months, holes."""
    show_json(client.quality())


def _show(table: pa.Table, out: Path | None) -> None:
    if out is None:
        print_table(table, "table")
        return
    write_result(table, out, checked_target(out, None))
    console().print(f"{table.num_rows:,} rows -> {plain(str(out))}", highlight=False)


def show_json(answer: object) -> None:
    """Print an answer as JSON."""
    click.echo(json.dumps(answer, ensure_ascii=False, indent=1))


def _examples(given: tuple[str, ...]) -> list[str | dict[str, Any]]:
    """Longitude,latitude as a place; anything else is an id."""
    return [{"place": numbers(each, 2, "longitude,latitude")} if "," in each else each for each in given]


def numbers(text: str | None, count: int, form: str) -> list[float] | None:
    """Numbers with commas between them; None where nothing was given.

    Raises:
        InvalidError: not as many, or no numbers.
    """
    if text is None:
        return None
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != count:
        raise InvalidError(f"Expected {form}, got {text!r}. Write numbers with commas between them.")
    return found
