"""The encoder's layers: trunks around the circle of the season, and what stands on them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Branch", "SeasonDecoder", "Trunk"]


class Block(nn.Module):
    """One residual block of a convolution around the circle of the season."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.mix = nn.Conv1d(width, width, 3, padding=1, padding_mode="circular")
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, W, K) -> (N, W, K)."""
        out: Tensor = x + self.down(self.dropout(F.gelu(self.mix(self.norm(x)))))
        return out


class Trunk(nn.Module):
    """Convolutions around the season's grid, its validity and the terrain, then one layer over all bins.

    Shapes: N series, K bins, `tracks` values and flags a bin, `place` numbers of the terrain, `hidden` numbers out.
    """

    def __init__(
        self, tracks: int, place: int, bins: int, depth: int, width: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.enter = nn.Conv1d(tracks + place, width, 3, padding=1, padding_mode="circular")
        self.phase = nn.Parameter(0.02 * torch.randn(width, bins))
        self.blocks = nn.Sequential(*(Block(width, dropout) for _ in range(depth)))
        self.gather = nn.Sequential(
            nn.LayerNorm(width * bins), nn.Linear(width * bins, hidden), nn.GELU(), nn.Dropout(dropout)
        )

    def forward(self, tracks: Tensor, place: Tensor) -> Tensor:
        """(N, K, tracks), (N, place) -> (N, hidden)."""
        spread = place[:, None].expand(-1, tracks.shape[1], -1)
        x = self.enter(torch.cat([tracks, spread], dim=2).transpose(1, 2)) + self.phase
        out: Tensor = self.gather(self.blocks(x).flatten(1))
        return out


class Branch(nn.Module):
    """A trunk of its own and what it says, of unit length."""

    def __init__(self, trunk: Trunk, numbers: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.hidden, numbers)

    def forward(self, tracks: Tensor, place: Tensor) -> Tensor:
        """(N, K, tracks), (N, place) -> (N, numbers)."""
        return F.normalize(self.head(self.trunk(tracks, place)), dim=-1)


class SeasonDecoder(nn.Module):
    """What a head says -> the season's grid of all channels seen, scaled as the encoder sees them.

    Linear on purpose: what it can reconstruct lies there as plainly as in principal components.
    """

    def __init__(self, numbers: int, bins: int, channels: int) -> None:
        super().__init__()
        self.shape = bins, channels
        self.net = nn.Linear(numbers, bins * channels)

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, numbers) of unit length -> (N, bins, channels)."""
        out: Tensor = self.net(vectors * math.sqrt(vectors.shape[1]))
        return out.view(len(vectors), *self.shape)
