"""What fine-tuning refuses."""

from __future__ import annotations

from surco.encoder.errors import EncoderError

__all__ = ["FineTuneError"]


class FineTuneError(EncoderError):
    """Labels that an encoder cannot be tuned on, or a setting outside its range."""
