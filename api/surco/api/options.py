"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["SEASON", "STORE", "UNIT"]

STORE = click.argument("store", type=click.Path(path_type=Path))
SEASON = click.option("--season", help="A season of the store, such as 2024-25. The latest if left out.")
UNIT = click.option(
    "--unit",
    type=click.Choice(["auto", "cells", "parcels"]),
    default="auto",
    show_default=True,
    help="Rows to use: H3 cells, parcels, or parcels where they fit.",
)
