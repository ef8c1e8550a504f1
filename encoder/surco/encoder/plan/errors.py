"""What a plan can refuse."""

from __future__ import annotations

from surco.encoder.errors import EncoderError

__all__ = ["PlanError"]


class PlanError(EncoderError):
    """A region, mask, rate or plan document that no run can be made from."""
