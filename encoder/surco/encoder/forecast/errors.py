"""What the forecast refuses."""

from __future__ import annotations

from surco.encoder.errors import EncoderError

__all__ = ["ForecastError"]


class ForecastError(EncoderError):
    """A forecast that cannot be made: no NDVI by that day, a day outside the series, vectors of another model."""
