"""The command that classifies pixels: segment."""

from __future__ import annotations

from pathlib import Path

import click

from surco.api.options import AOI, KEEP_PIXELS, PIXEL_MODEL, STORE_PATH
from surco.api.progress import progress_bar

__all__ = ["segment"]


@click.command()
@click.argument("source", metavar="CATALOG|PIXELS.tif")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help=".tif; with --parcels .parquet or .geojson"
)
@click.option(
    "--labels", type=click.Path(path_type=Path), help="GeoJSON of points or polygons with a class column."
)
@click.option("--class-column", help="Column of the class; found by its usual names if left out.")
@click.option("--adapter", help="Adapter of --store to draw; with --labels the name to keep the new one by.")
@click.option("--store", type=STORE_PATH, help="Store that holds --adapter.")
@click.option(
    "--parcels", type=click.Path(path_type=Path), help="Parcels to classify by their pixels' votes."
)
@click.option(
    "--context", type=click.FloatRange(min=0.0), help="How much pixels take from neighbours; 0 for nothing."
)
@click.option(
    "--fields",
    type=click.Choice(["network", "gradient"]),
    help="Find fields, as `surco boundaries --method` does, and let the pixels of each vote.",
)
@click.option(
    "--season",
    help="Twelve months as START/END (2024-05/2025-04), or 2024-25 from May; rasters of ours say it themselves.",
)
@PIXEL_MODEL
@AOI
@KEEP_PIXELS
def segment(
    source: str,
    out: Path,
    labels: Path | None,
    class_column: str | None,
    adapter: str | None,
    store: Path | None,
    parcels: Path | None,
    context: float | None,
    fields: str | None,
    season: str | None,
    model: str,
    aoi: str | None,
    keep_pixels: Path | None,
) -> None:
    """Classify every pixel of an area from labels or by an adapter, or parcels by their pixels.

    The source is a STAC catalogue (folder, catalog.json, address) or a GeoTIFF of pixel vectors.
    """
    from surco.api.pixel_areas import PixelRequest
    from surco.api.segmenting import SegmentRequest, describe_segments
    from surco.api.segmenting import segment as run

    pixels = PixelRequest(source, season, model, aoi, keep_pixels)
    request = SegmentRequest(pixels, out, adapter, store, labels, class_column, parcels, context, fields)
    with progress_bar("segment") as report:
        done = run(request, progress=report)
    click.echo(describe_segments(done))
