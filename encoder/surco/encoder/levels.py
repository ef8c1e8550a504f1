"""Which H3 resolutions the tables of cells may have."""

from __future__ import annotations

from collections.abc import Sequence

from surco.encoder.errors import EncoderError

__all__ = ["COARSEST", "FINEST", "require_levels"]

COARSEST = 5
"""Its cells hold at most what the sums can (`pool.UNIT`).

Parcels reach no farther from their run's ground than two such cells.
"""
FINEST = 12
"""Its cells hold at least one pixel of 10 m."""


def require_levels(resolutions: Sequence[int], kind: type[EncoderError] = EncoderError) -> None:
    """Raise an error of the kind given where there are none, or one that is coarser or finer than tables can have."""
    if not resolutions or not all(COARSEST <= level <= FINEST for level in resolutions):
        raise kind(
            f"Expected H3 resolutions from {COARSEST} to {FINEST}; got {list(resolutions)}. "
            "Use 9 and 11, about 300 m and 50 m across."
        )
