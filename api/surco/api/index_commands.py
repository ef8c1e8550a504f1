"""The command that makes an index for similarity search."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import click

from surco.api.options import STORE_PATH
from surco.api.progress import progress_bar
from surco.embedstore import Store, build_index
from surco.embedstore.shards import LARGEST

__all__ = ["index"]


@click.command()
@click.argument("path", metavar="STORE", type=STORE_PATH)
@click.option("--table", type=click.Choice(["cells", "parcels"]), default="cells", show_default=True)
@click.option("--season", help="The latest if left out.")
@click.option("--res", type=int, help="H3 resolution of cells; the finest if left out.")
@click.option("--model", help="Needed where the store has several.")
@click.option(
    "--recall",
    type=float,
    default=0.99,
    show_default=True,
    help="Share of true neighbours to find at least.",
)
@click.option(
    "--shard-rows",
    type=click.IntRange(1_000),
    default=LARGEST,
    show_default=True,
    help="Rows above which a table is divided by region.",
)
@click.option("--processes", type=click.IntRange(1, 64), default=1, help="Shards made at a time.")
def index(
    path: Path,
    table: Literal["cells", "parcels"],
    season: str | None,
    res: int | None,
    model: str | None,
    recall: float,
    shard_rows: int,
    processes: int,
) -> None:
    """Make an index of a table's present version, so that the most similar of millions are found in milliseconds."""
    began = time.monotonic()
    with progress_bar("index") as report:
        made = build_index(
            Store.open(path),
            table=table,
            season=season,
            resolution=res,
            model_id=model,
            recall=recall,
            largest=shard_rows,
            processes=processes,
            progress=report,
        )
    shards = "" if made.shards == 1 else f" of {made.shards} shards"
    click.echo(
        f"{made.rows:,} rows in {made.lists:,} lists{shards}; a search looks at {made.probes} of them and finds "
        f"{made.recall:.1%} of the true neighbours; {time.monotonic() - began:.1f} s"
    )
