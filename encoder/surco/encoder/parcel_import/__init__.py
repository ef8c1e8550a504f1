"""Parcels as agencies have them, made into fiboa GeoParquet that `surco encode --parcels` takes, with an account."""

from surco.encoder.parcel_import.request import ParcelRequest
from surco.encoder.parcel_import.run import import_parcels
from surco.encoder.parcel_import.tally import ImportReport

__all__ = ["ImportReport", "ParcelRequest", "import_parcels"]
