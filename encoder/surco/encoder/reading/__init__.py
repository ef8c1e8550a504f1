"""Bytes of rasters elsewhere: ranges, kept pages, patience with servers, counts (docs/reading.md)."""

from surco.encoder.reading.ahead import read_ahead
from surco.encoder.reading.counts import ReadCounts
from surco.encoder.reading.failures import ReadFailure
from surco.encoder.reading.transport import Patience

__all__ = ["Patience", "ReadCounts", "ReadFailure", "read_ahead"]
