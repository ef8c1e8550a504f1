"""What pixels take from their neighbours: log-probabilities spread over an area, but not across edges of its vectors.

A Gaussian field: f minimises |f - l|² + s Σ w_ij |f_i - f_j|² over the eight neighbours of each pixel, where l are the
log-probabilities of pixels alone and w_ij = exp(-|v_i - v_j|² / (2 h e)), e the usual step between neighbours in the
area. The mean of log-probabilities is what a parcel's majority is made of too: within even edges a field votes as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.boundaries.pixel_vectors import PixelVectors
from surco.adapters.errors import SettingsError

__all__ = ["Context", "edge_scale", "smoothed"]

Floats = npt.NDArray[np.float32]
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Rows down and columns right to half of the neighbours; the other half have these pixels as theirs."""


@dataclass(frozen=True, slots=True)
class Context:
    """How much pixels take from their neighbours.

    Attributes:
        strength: s above; 0 takes nothing.
        sharpness: h above; larger reaches over stronger edges.
        rounds: of Jacobi's iteration, each of which reaches a pixel farther: no pixel counts that lies beyond.

    Raises:
        SettingsError: a strength below 0, a sharpness that is not positive, rounds below 0.
    """

    strength: float = 1.0
    sharpness: float = 0.3
    rounds: int = 10

    def __post_init__(self) -> None:
        if not (
            0 <= self.strength < np.inf
            and 0 < self.sharpness < np.inf
            and self.rounds >= 0
            and self.rounds == int(self.rounds)
        ):
            raise SettingsError(
                "expected context of 0 or more, a positive sharpness and whole rounds of 0 or more; got "
                f"{self.strength}, {self.sharpness}, {self.rounds}: leave them out, or set context=0 for none"
            )

    @property
    def reach(self) -> int:
        """Pixels away from which something can count: the overlap that windows of an area need."""
        return int(self.rounds) if self.strength else 0


def edge_scale(area: PixelVectors) -> float:
    """The usual step between neighbours, e above: the median of |v_i - v_j|² of pixels side by side.

    1 where no two are seen.
    """
    pairs = (((slice(None), slice(1, None)), (slice(None), slice(-1))), ((slice(1, None),), (slice(-1),)))
    steps = [
        ((area.vectors[one] - area.vectors[other]) ** 2).sum(axis=2)[area.valid[one] & area.valid[other]]
        for one, other in pairs
    ]
    both = np.concatenate(steps)
    return max(float(np.median(both)), 1e-9) if len(both) else 1.0


def smoothed(log_probabilities: Floats, area: PixelVectors, context: Context, scale: float) -> Floats:
    """Log-probabilities (H, W, K) after their neighbours were heard, not normalised.

    Args:
        log_probabilities: (H, W, K), finite; of pixels not seen whatever they are, nobody hears them.
        area: the vectors of the same pixels.
        context: how much is taken.
        scale: e above, of `edge_scale`; one for all windows of an area.
    """
    weights = [_weights(area, step, context.sharpness * scale) for step in _NEIGHBOURS]
    heard = 1 + context.strength * _gathered(weights, np.ones((*area.shape, 1), np.float32))
    field = log_probabilities
    for _ in range(int(context.rounds) if context.strength else 0):
        field = (log_probabilities + np.float32(context.strength) * _gathered(weights, field)) / heard
    return field


def _weights(area: PixelVectors, step: tuple[int, int], scale: float) -> Floats:
    """The w of each pixel with its neighbour; those across a corner count by their distance."""
    here, there = _overlap(step)
    difference = ((area.vectors[here] - area.vectors[there]) ** 2).sum(axis=2)
    near = np.exp(-difference / np.float32(2 * scale)) / np.float32(np.hypot(*step))
    weight: Floats = np.where(area.valid[here] & area.valid[there], near, 0).astype(np.float32)
    return weight


def _gathered(weights: list[Floats], values: Floats) -> Floats:
    """Σ_j w_ij values_j over the neighbours of each pixel, (H, W, K)."""
    total = np.zeros_like(values)
    for step, weight in zip(_NEIGHBOURS, weights, strict=True):
        here, there = _overlap(step)
        total[here] += weight[..., None] * values[there]
        total[there] += weight[..., None] * values[here]
    return total


def _overlap(step: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have a neighbour at a step, and those neighbours."""
    down, right = step
    left_here, left_there = max(0, -right), max(0, right)
    here = (slice(0, -down or None), slice(left_here, -left_there or None))
    return here, (slice(down, None), slice(left_there, -left_here or None))
