"""The command that takes published embeddings in: import-embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.options import STORE_PATH
from surco.api.progress import progress_bar

if TYPE_CHECKING:
    from surco.api.importing import Format

__all__ = ["import_embeddings"]


@click.command("import-embeddings")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--store", "store_path", required=True, type=STORE_PATH, help="The store; made if new.")
@click.option(
    "--season",
    required=True,
    help="What the vectors are of: a calendar year (2024), a season (2024-25), or START/END in months.",
)
@click.option("--model-id", required=True, help="Name of the model in the store, such as alphaearth-1.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["geotiff", "tessera", "parquet"]),
    help="Of the files; found from their names if left out.",
)
@click.option("--resolutions", help="H3 resolutions, comma-separated: 9,11, or a table's own, if left out.")
@click.option(
    "--parcels", type=click.Path(path_type=Path), help="Parcels to pool in too (GeoJSON or GeoParquet)."
)
@click.option("--aoi", help="Area: west,south,east,north in degrees, or a GeoJSON file. All if left out.")
@click.option(
    "--erode",
    default=0.0,
    show_default=True,
    type=click.FloatRange(min=0.0),
    help="Metres by which parcels are shrunk before pooling rasters.",
)
@click.option("--vector-column", help="Column of a table's vectors; found if left out.")
@click.option("--scale-column", help="Column of the scales of int8 vectors; found if left out.")
@click.option("--licence", help="Licence of the vectors, for the model card and the tables.")
@click.option("--source", help="Where the vectors come from and whom to credit, for the model card.")
def import_embeddings(
    paths: tuple[Path, ...],
    store_path: Path,
    season: str,
    model_id: str,
    kind: Format | None,
    resolutions: str | None,
    parcels: Path | None,
    aoi: str | None,
    erode: float,
    vector_column: str | None,
    scale_column: str | None,
    licence: str | None,
    source: str | None,
) -> None:
    """Take published embeddings in as one more model of a store.

    PATHS are AlphaEarth's GeoTIFFs, TESSERA's .npy files, or Parquet tables with a column of vectors; or folders.
    """
    from surco.api.importing import ImportRequest, describe_import, import_into

    request = ImportRequest(
        paths,
        store_path,
        season,
        model_id,
        kind,
        resolutions,
        parcels,
        aoi,
        erode,
        vector_column,
        scale_column,
        licence,
        source,
    )
    with progress_bar("import") as report:
        done = import_into(request, progress=report)
    click.echo(describe_import(done, request))
