"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surco.embedstore.following import brought
from surco.embedstore.working_copy import is_address

__all__ = [
    "AOI",
    "DEVICE",
    "KEEP_PIXELS",
    "LEGEND",
    "MODEL",
    "PIXEL_MODEL",
    "PORT",
    "PRECISION",
    "SEASON",
    "STORE",
    "STORE_PATH",
    "UNIT",
    "StorePath",
]


class StorePath(click.Path):
    """A store's folder, or its address: then its working copy, brought to the latest version there."""

    def __init__(self, exists: bool = False) -> None:
        super().__init__(exists=exists, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The folder; raises EmbedstoreError for an address that cannot be used."""
        return brought(value) if is_address(value) else super().convert(value, param, ctx)


STORE_PATH = StorePath()
STORE = click.argument("store", type=STORE_PATH)
LEGEND = click.option(
    "--legend", help="Classes as a tree: hcat, ine, worldcereal, or a CSV file with code, name, parent."
)
PORT = click.option("--port", default=8765, show_default=True, type=click.IntRange(1, 65535))
SEASON = click.option("--season", help="A season of the store, such as 2024-25. The latest if left out.")
UNIT = click.option(
    "--unit",
    type=click.Choice(["auto", "cells", "parcels"]),
    default="auto",
    show_default=True,
    help="Rows to use: H3 cells, parcels, or parcels where they fit.",
)
PIXEL_MODEL = click.option(
    "--model",
    default="surco-nano",
    show_default=True,
    help="Encoder of the scenes, as of `surco encode`; of a raster that does not say it, its vectors' model.",
)
MODEL = click.option(
    "--model",
    default="surco-nano",
    show_default=True,
    help="Encoder: surco-nano, presto, galileo-nano, rslearn:NAME, band-mean, or a .safetensors file.",
)
DEVICE = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto (a GPU where there is one), cpu or cuda (docs/gpu.md).",
)
PRECISION = click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Of our own encoders; float32 on a CPU and bfloat16 on a GPU if left out.",
)
AOI = click.option("--aoi", help="Area: west,south,east,north in degrees, or a GeoJSON file.")
KEEP_PIXELS = click.option(
    "--keep-pixels", type=click.Path(path_type=Path), help="GeoTIFF to keep the scenes' vectors in."
)
