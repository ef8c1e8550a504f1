"""What a person may say about a file of parcels that the file does not say itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

__all__ = ["ParcelRequest"]


@dataclass(frozen=True, slots=True)
class ParcelRequest:
    """What to import, where to, and what the columns mean.

    Attributes:
        path: GeoPackage, shapefile, GeoJSON, GeoParquet or GML, or a zip of one of them.
        out: the Parquet file to write; the account goes beside it.
        layer: of a GeoPackage or GML, or the name of one of several files in a zip; the only one if None.
        crs: as pyproj takes it, instead of what the file says.
        id_column, crop_column, crop_code_column, date_column: names in the file.
        date: of all parcels, when they were last known to be so.
        collection: Vecorel's name of the data set; the name of `out` if None.
        encoding: of a shapefile's text, such as "CP1252"; what its .cpg says if None.
    """

    path: Path
    out: Path
    layer: str | None = None
    crs: str | None = None
    id_column: str | None = None
    crop_column: str | None = None
    crop_code_column: str | None = None
    date_column: str | None = None
    date: date | None = None
    collection: str | None = None
    encoding: str | None = None
