"""Published encoders by the `Encoder` protocol, published rasters of vectors pooled, published tables of vectors.

Importing it imports no torch; `models.load_encoder` loads the encoders by name.
"""

from surco.encoder.published.geotiff import RasterError
from surco.encoder.published.raster_report import RasterReport
from surco.encoder.published.raster_run import pool_rasters
from surco.encoder.published.table_report import TableReport
from surco.encoder.published.table_run import import_tables
from surco.encoder.published.vector_columns import TableError

__all__ = ["RasterError", "RasterReport", "TableError", "TableReport", "import_tables", "pool_rasters"]
