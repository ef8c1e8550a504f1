"""What a run can refuse."""

from __future__ import annotations

from surco.encoder.errors import EncoderError

__all__ = ["CancelledRunError", "RunError"]


class RunError(EncoderError):
    """A run that is not there, is at work already, or cannot go on."""


class CancelledRunError(RunError):
    """A run that somebody stopped; what is done is kept."""
