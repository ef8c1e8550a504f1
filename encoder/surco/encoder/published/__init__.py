"""Published encoders by the `Encoder` protocol, and published embedding rasters at the pooling step.

Importing it imports no torch; `models.load_encoder` loads the encoders by name.
"""

from surco.encoder.published.raster_report import RasterReport
from surco.encoder.published.raster_run import pool_rasters
from surco.encoder.published.rasters import RasterError

__all__ = ["RasterError", "RasterReport", "pool_rasters"]
