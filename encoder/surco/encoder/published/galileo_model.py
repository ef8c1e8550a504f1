"""Galileo's encoder for single pixels, after Tseng et al. 2025, "Galileo: Learning Global & Local Features".

Written from the paper and the shapes of the published tensors; their names are kept so that the published weights load
strictly. A pixel is an image of 1 x 1 with patches of 1 x 1: the patch projections, stored for 8 x 8, are resized as
FlexiViT does (Beyer et al. 2023), by the pseudo-inverse of bicubic resizing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surco.encoder.published.transformer import Block, SplitAttention, kept_mean, pack

__all__ = ["GalileoConfig", "GalileoNetwork"]

_SPACE_TIME = {
    "S1": 2, "S2_RGB": 3, "S2_Red_Edge": 3, "S2_NIR_10m": 1, "S2_NIR_20m": 1, "S2_SWIR": 2, "NDVI": 1,
}  # fmt: skip
_SPACE = {"SRTM": 2, "DW": 9, "WC": 5}
_TIME = {"ERA5": 2, "TC": 3, "VIIRS": 1}
_STATIC = {"LS": 1, "location": 3, "DW_static": 9, "WC_static": 5}


@dataclass(frozen=True, slots=True)
class GalileoConfig:
    """Sizes, named as in the published `config.json` under `model.encoder`."""

    embedding_size: int
    depth: int
    num_heads: int
    mlp_ratio: int
    max_sequence_length: int
    max_patch_size: int


class PatchProjection(nn.Module):
    """A patch projection of one group, applied to single pixels."""

    shrink: Tensor

    def __init__(self, channels: int, config: GalileoConfig) -> None:
        super().__init__()
        size = config.max_patch_size
        self.proj = nn.Conv2d(channels, config.embedding_size, size)
        basis = torch.eye(size * size).reshape(-1, 1, size, size)
        resize = F.interpolate(basis, (1, 1), mode="bicubic", antialias=True).reshape(-1, 1)
        self.register_buffer("shrink", torch.linalg.pinv(resize)[0], persistent=False)  # (size * size,)

    def forward(self, x: Tensor) -> Tensor:
        """(..., c) to (..., D)."""
        return F.linear(x, self.proj.weight.flatten(2) @ self.shrink, self.proj.bias)


class GalileoNetwork(nn.Module):
    """The encoder. Inputs that no series of ours has (Dynamic World, WorldCereal, ...) count as missing."""

    origin: Tensor

    def __init__(self, config: GalileoConfig) -> None:
        super().__init__()
        width, quarter = config.embedding_size, config.embedding_size // 4
        self.quarter, self.months = quarter, config.max_sequence_length
        self.space_time_embed = nn.ModuleDict({n: PatchProjection(c, config) for n, c in _SPACE_TIME.items()})
        self.space_embed = nn.ModuleDict({n: PatchProjection(c, config) for n, c in _SPACE.items()})
        self.time_embed = nn.ModuleDict({n: nn.Linear(c, width) for n, c in _TIME.items()})
        self.static_embed = nn.ModuleDict({n: nn.Linear(c, width) for n, c in _STATIC.items()})
        self.s_t_channel_embed = nn.Parameter(torch.zeros(len(_SPACE_TIME), quarter))
        self.sp_channel_embed = nn.Parameter(torch.zeros(len(_SPACE), quarter))
        self.t_channel_embed = nn.Parameter(torch.zeros(len(_TIME), quarter))
        self.st_channel_embed = nn.Parameter(torch.zeros(len(_STATIC), quarter))
        self.pos_embed = nn.Parameter(torch.zeros(self.months, quarter), requires_grad=False)
        self.month_embed = nn.Embedding(12, quarter)
        self.blocks = nn.ModuleList(
            Block(SplitAttention(width, config.num_heads), width, config.mlp_ratio)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width)
        # the sine-cosine encoding of row 0 and column 0, where a single pixel lies
        origin = torch.tensor([0.0, 1.0]).repeat_interleave(quarter // 4).repeat(2)
        self.register_buffer("origin", origin, persistent=False)

    def forward(self, groups: Mapping[str, tuple[Tensor, Tensor]], month: Tensor) -> Tensor:
        """Encode B series of T months.

        Args:
            groups: by name the normalised values and which are kept: (B, T, c) and (B, T) for `S1`, `S2_RGB`,
                `S2_Red_Edge`, `S2_NIR_10m`, `S2_NIR_20m`, `S2_SWIR`, `NDVI` and `ERA5`, (B, c) and (B,) for `SRTM`
                and `location`. A group that is not there is kept nowhere. Each series keeps at least one token.
            month: (B, T) calendar months, 0 to 11.

        Returns:
            (B, D): the mean of the normed kept tokens.
        """
        tokens, keeps = zip(*(self._tokens(name, *groups[name], month) for name in groups), strict=True)
        x, keep = pack(torch.cat(tokens, dim=1), torch.cat(keeps, dim=1))  # (B, L, D), (B, L)
        for block in self.blocks:
            x = block(x, keep)
        return kept_mean(self.norm(x), keep)

    def _tokens(self, name: str, values: Tensor, keep: Tensor, month: Tensor) -> tuple[Tensor, Tensor]:
        """Projection plus encoding; an encoding is channel, position in time, month, position in space."""
        zeros = values.new_zeros(self.quarter)
        if name in _SPACE:
            channel = self.sp_channel_embed[list(_SPACE).index(name)]
            encoding = torch.cat([channel, zeros, zeros, self.origin])
            return (self.space_embed[name](values) + encoding)[:, None], keep[:, None]
        if name in _STATIC:
            channel = self.st_channel_embed[list(_STATIC).index(name)]
            encoding = torch.cat([channel, zeros, zeros, zeros])
            return (self.static_embed[name](values) + encoding)[:, None], keep[:, None]
        if name in _TIME:
            channel, place = self.t_channel_embed[list(_TIME).index(name)], zeros
            tokens = self.time_embed[name](values)
        else:
            channel, place = self.s_t_channel_embed[list(_SPACE_TIME).index(name)], self.origin
            tokens = self.space_time_embed[name](values)
        shape = (*month.shape, self.quarter)
        position = self.pos_embed[: month.shape[1]].expand(shape)
        encoding = torch.cat(
            [channel.expand(shape), position, self.month_embed(month), place.expand(shape)], dim=-1
        )
        return tokens + encoding, keep  # (B, T, D), (B, T)
