"""Presto's encoder, after Tseng et al. 2023, "Lightweight, Pre-trained Transformers for Remote Sensing Timeseries".

Written from the paper and the shapes of the published tensors; their names are kept so that the published weights load
strictly. A token is one group of channels at one month; terrain and place have one token each.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from surco.encoder.published.transformer import Block, FusedAttention, kept_mean, pack

__all__ = ["GROUPS", "MONTHS", "PrestoNetwork"]

GROUPS = {
    "S1": 2, "S2_RGB": 3, "S2_Red_Edge": 3, "S2_NIR_10m": 1, "S2_NIR_20m": 1, "S2_SWIR": 2, "ERA5": 2,
    "SRTM": 2, "NDVI": 1,
}  # fmt: skip
"""Groups in the order of Presto's seventeen channels, and how many channels each has."""

MONTHS = 24
"""Longest series the position table holds."""

_WIDTH, _DEPTH, _HEADS, _MLP_RATIO = 128, 2, 8, 4
_QUARTER = _WIDTH // 4
_DYNAMIC_WORLD_CLASSES = 9


class PrestoNetwork(nn.Module):
    """The encoder half. Dynamic World, Presto's one categorical input, counts as missing: its tokens are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.eo_patch_embed = nn.ModuleDict({name: nn.Linear(size, _WIDTH) for name, size in GROUPS.items()})
        self.dw_embed = nn.Embedding(_DYNAMIC_WORLD_CLASSES + 1, _WIDTH)
        self.latlon_embed = nn.Linear(3, _WIDTH)
        self.blocks = nn.ModuleList(
            Block(FusedAttention(_WIDTH, _HEADS), _WIDTH, _MLP_RATIO) for _ in range(_DEPTH)
        )
        self.norm = nn.LayerNorm(_WIDTH)
        self.pos_embed = nn.Parameter(torch.zeros(1, MONTHS, 2 * _QUARTER), requires_grad=False)
        self.month_embed = nn.Embedding(12, _QUARTER)
        self.channel_embed = nn.Embedding(len(GROUPS) + 1, _QUARTER)

    def forward(self, groups: Mapping[str, tuple[Tensor, Tensor]], month: Tensor) -> Tensor:
        """Encode B series of T months.

        Args:
            groups: by name of `GROUPS` the normalised values (B, T, c) and which of them are kept (B, T); of `SRTM`
                (B, 2) and (B,); of `location` the unit-sphere position (B, 3) and (B,). A group that is not there is
                kept nowhere. Each series keeps at least one token.
            month: (B, T) calendar months, 0 to 11.

        Returns:
            (B, 128): the norm of the mean of the kept tokens.
        """
        tokens, keeps = zip(*(self._tokens(name, *groups[name], month) for name in groups), strict=True)
        x, keep = pack(torch.cat(tokens, dim=1), torch.cat(keeps, dim=1))  # (B, L, 128), (B, L)
        for block in self.blocks:
            x = block(x, keep)
        out: Tensor = self.norm(kept_mean(x, keep))
        return out

    def _tokens(self, name: str, values: Tensor, keep: Tensor, month: Tensor) -> tuple[Tensor, Tensor]:
        if name == "location":
            return self.latlon_embed(values)[:, None], keep[:, None]
        tokens = self.eo_patch_embed[name](values)
        channel = self.channel_embed.weight[list(GROUPS).index(name)]  # (32,)
        if name == "SRTM":
            zeros = torch.zeros_like(channel)
            encoding = torch.cat([zeros, channel, zeros, zeros])
            return (tokens + encoding)[:, None], keep[:, None]
        position = self.pos_embed[:, : month.shape[1]].expand(len(month), -1, -1)  # (B, T, 64)
        encoding = torch.cat([self.month_embed(month), channel.expand(*month.shape, -1), position], dim=-1)
        return tokens + encoding, keep
