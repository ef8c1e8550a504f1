"""The command that finds fields: boundaries."""

from __future__ import annotations

from pathlib import Path

import click

from surco.api.options import AOI, KEEP_PIXELS, PIXEL_MODEL, STORE_PATH
from surco.api.progress import progress_bar

__all__ = ["boundaries"]


@click.command()
@click.argument("source", metavar="CATALOG|PIXELS.tif")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The .parquet of parcels to write."
)
@click.option(
    "--season",
    help="Twelve months as START/END (2024-05/2025-04), or 2024-25 from May; rasters of ours say it themselves.",
)
@click.option(
    "--method",
    type=click.Choice(["network", "gradient"]),
    default="network",
    show_default=True,
    help="A trained network, or the vectors' own edges.",
)
@click.option("--adapter", help="Boundary adapter of --store; the one that is shipped if left out.")
@click.option("--store", type=STORE_PATH, help="Store that holds --adapter.")
@click.option(
    "--previous", type=click.Path(path_type=Path), help="Parcels of an earlier season, whose ids are kept."
)
@click.option(
    "--min-area",
    default=500.0,
    show_default=True,
    type=click.FloatRange(min=0.0),
    help="m² of the smallest field.",
)
@PIXEL_MODEL
@AOI
@KEEP_PIXELS
def boundaries(
    source: str,
    out: Path,
    season: str | None,
    method: str,
    adapter: str | None,
    store: Path | None,
    previous: Path | None,
    min_area: float,
    model: str,
    aoi: str | None,
    keep_pixels: Path | None,
) -> None:
    """Find the fields of an area and write them as parcels for `surco encode --parcels`.

    The source is a STAC catalogue (folder, catalog.json, address) or a GeoTIFF of pixel vectors.
    """
    from surco.api.boundaries import BoundaryRequest, describe_boundaries, find_parcels
    from surco.api.pixel_areas import PixelRequest

    pixels = PixelRequest(source, season, model, aoi, keep_pixels)
    request = BoundaryRequest(pixels, out, method, adapter, store, previous, min_area)
    with progress_bar("boundaries") as report:
        done = find_parcels(request, progress=report)
    click.echo(describe_boundaries(done))
