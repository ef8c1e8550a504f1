"""The network: a series of composites in, one unit vector out. Imports torch and nothing of ours.

Shapes: N series, T dates, C channels, G groups, W width, D dimension. `valid` is True where usable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ModelConfig", "SeriesDecoder", "SeriesEncoder"]

YEAR_DAYS = 365.2425
MOMENTS = ("mean", "sin1", "cos1", "sin2", "cos2")


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the tensors' shapes and the scaling of inputs.

    `groups` lists, for each token group, positions on the channel axis after the indices were appended
    (`channels` raw ones, then NDVI, NDMI and VH - VV). `centre` and `scale` bring a raw channel to unit size.
    """

    channels: int = 14
    groups: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3), (4, 5, 6, 7, 8, 9), (10, 11, 16), (12, 13), (14, 15))
    centre: tuple[float, ...] = (
        *(0.06, 0.09, 0.10, 0.27),
        *(0.13, 0.22, 0.26, 0.28, 0.22, 0.14),
        *(-11.0, -18.0, 287.0, 60.0),
    )
    scale: tuple[float, ...] = (
        *(0.06, 0.06, 0.08, 0.13),
        *(0.07, 0.09, 0.11, 0.12, 0.11, 0.09),
        *(3.5, 4.0, 9.0, 60.0),
    )
    nir: int = 3
    red: int = 2
    swir: int = 8
    vv: int = 10
    vh: int = 11
    harmonics: int = 3
    width: int = 128
    depth: int = 3
    heads: int = 4
    mlp: int = 2
    dimension: int = 64
    dropout: float = 0.0


def add_indices(values: Tensor, valid: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Scale the channels and append NDVI, NDMI and VH - VV (N, T, C) -> (N, T, C + 3), with their validity."""
    raw = torch.where(valid, values, torch.zeros_like(values))
    centre = values.new_tensor(config.centre)
    scale = values.new_tensor(config.scale)
    scaled = torch.where(valid, (raw - centre) / scale, torch.zeros_like(raw)).clamp(-6.0, 6.0)
    pairs = ((config.nir, config.red), (config.nir, config.swir))
    index, index_valid = [], []
    for a, b in pairs:
        total = raw[..., a] + raw[..., b]
        ok = valid[..., a] & valid[..., b] & (total > 1e-3)
        ratio = (raw[..., a] - raw[..., b]) / total.clamp_min(1e-3)
        index.append(torch.where(ok, (ratio.clamp(-1.0, 1.0) - 0.3) * 3.0, torch.zeros_like(ratio)))
        index_valid.append(ok)
    ok = valid[..., config.vv] & valid[..., config.vh]
    cross = (raw[..., config.vh] - raw[..., config.vv] + 7.0) / 3.0
    index.append(torch.where(ok, cross.clamp(-6.0, 6.0), torch.zeros_like(cross)))
    index_valid.append(ok)
    return torch.cat([scaled, torch.stack(index, -1)], -1), torch.cat(
        [valid, torch.stack(index_valid, -1)], -1
    )


def time_features(days: Tensor, lonlat: Tensor, harmonics: int) -> Tensor:
    """Season of the year and place in the series (N, T) days since 1970 -> (N, T, 2 * harmonics + 2).

    The day of the year is shifted by half a year in the south, so that spring is spring; where the latitude is
    not known it stays as it is. Beside it stands the time since the series began, in years.
    """
    south = torch.nan_to_num(lonlat[:, 1:2]) < 0.0
    angle = 2.0 * math.pi * (days + south * (YEAR_DAYS / 2.0)) / YEAR_DAYS
    waves = [f(k * angle) for k in range(1, harmonics + 1) for f in (torch.sin, torch.cos)]
    since = (days - days.min(dim=1, keepdim=True).values) / YEAR_DAYS
    return torch.stack([*waves, since, since * since], dim=-1)


def seasonal_moments(x: Tensor, seen: Tensor, when: Tensor) -> Tensor:
    """Mean and first two annual harmonics of each channel over its valid dates, and the share of dates it was seen.

    A classical description of phenology that attention would have to learn: (N, T, C), (N, T, C), (N, T, F) ->
    (N, C * (len(MOMENTS) + 1)).
    """
    weight = seen.to(x.dtype)
    count = weight.sum(1).clamp_min(1.0)  # (N, C)
    basis = torch.cat([torch.ones_like(when[..., :1]), when[..., :4]], dim=-1)  # (N, T, 5)
    sums = torch.einsum("ntk,ntc->nkc", basis, x * weight) / count[:, None, :]
    return torch.cat([sums.flatten(1), weight.mean(1)], dim=-1)


class Block(nn.Module):
    """One pre-norm transformer block over the dates."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        w = config.width
        self.heads = config.heads
        self.norm1 = nn.LayerNorm(w)
        self.qkv = nn.Linear(w, 3 * w)
        self.out = nn.Linear(w, w)
        self.norm2 = nn.LayerNorm(w)
        self.up = nn.Linear(w, config.mlp * w)
        self.down = nn.Linear(config.mlp * w, w)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """`x` (N, T, W); `keep` (N, 1, 1, T) True = may be attended to."""
        n, t, w = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=keep)
        x = x + self.dropout(self.out(mixed.transpose(1, 2).reshape(n, t, w)))
        out: Tensor = x + self.dropout(self.down(F.gelu(self.up(self.norm2(x)))))
        return out


class SeriesEncoder(nn.Module):
    """Series -> unit vector. One token a date, the sum of its sensor groups' projections; groups may be missing.

    A token is built from `[value * valid, valid]` of each group, so that a missing band, group or date is told
    apart from a dark one; dates without any valid value are not attended to.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.embed = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * len(g), w), nn.GELU(), nn.Linear(w, w)) for g in config.groups
        )
        self.time = nn.Linear(2 * config.harmonics + 2, w)
        self.terrain = nn.Sequential(nn.Linear(4, w), nn.GELU(), nn.Linear(w, w))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(w)
        self.score = nn.Linear(w, 4)
        moments = (config.channels + 3) * (len(MOMENTS) + 1)
        self.moments = nn.Sequential(nn.Linear(moments, 2 * w), nn.GELU(), nn.Linear(2 * w, w))
        self.head = nn.Sequential(nn.Linear(6 * w, 2 * w), nn.GELU(), nn.Linear(2 * w, config.dimension))

    def forward(self, values: Tensor, valid: Tensor, days: Tensor, lonlat: Tensor, static: Tensor) -> Tensor:
        """Encode.

        Args:
            values: (N, T, C) in physical units; invalid entries may hold anything finite.
            valid: (N, T, C) bool.
            days: (N, T) days since 1970-01-01, float; order does not matter.
            lonlat: (N, 2) degrees, NaN unknown.
            static: (N, 2) elevation m and slope degrees, NaN unknown.

        Returns:
            (N, D) unit vectors.
        """
        x, seen = add_indices(values, valid, self.config)
        when = time_features(days, lonlat, self.config.harmonics)
        tokens = self.time(when)  # (N, T, W)
        for project, members in zip(self.embed, self.config.groups, strict=True):
            part, ok = x[..., members], seen[..., members]
            token = project(torch.cat([part * ok, ok.to(x.dtype)], dim=-1))
            tokens = tokens + token * ok.any(-1, keepdim=True)
        tokens = torch.cat([tokens, self._terrain_token(static)], dim=1)  # (N, T + 1, W)
        dates = valid.any(-1)
        present = torch.cat([dates, torch.ones_like(dates[:, :1])], dim=1)
        keep = present[:, None, None, :]
        for block in self.blocks:
            tokens = block(tokens, keep)
        pooled = self._pool(self.norm(tokens), present)
        seasonal = self.moments(seasonal_moments(x, seen, when))
        return F.normalize(self.head(torch.cat([pooled, seasonal], dim=-1)), dim=-1)

    def _terrain_token(self, static: Tensor) -> Tensor:
        known = torch.isfinite(static)
        scaled = torch.nan_to_num(static) / static.new_tensor([1000.0, 10.0])
        token: Tensor = self.terrain(torch.cat([scaled.clamp(-1.0, 5.0) * known, known.to(scaled.dtype)], -1))
        return token[:, None, :]

    def _pool(self, tokens: Tensor, present: Tensor) -> Tensor:
        """Four learned weighted means over the dates beside the plain one: (N, T, W) -> (N, 5 W)."""
        weight = self.score(tokens).masked_fill(~present[..., None], -1e4).softmax(dim=1)  # (N, T, 4)
        focused = torch.einsum("ntk,ntw->nkw", weight, tokens).flatten(1)
        share = present.to(tokens.dtype) / present.sum(1, keepdim=True)
        plain = torch.einsum("nt,ntw->nw", share, tokens)
        return torch.cat([focused, plain], dim=-1)


class SeriesDecoder(nn.Module):
    """Unit vector and a date -> all channels of that date, scaled as the encoder sees them (with the indices)."""

    def __init__(self, config: ModelConfig, width: int = 192) -> None:
        super().__init__()
        self.config = config
        inner = config.dimension + 2 * config.harmonics + 2
        self.net = nn.Sequential(
            nn.Linear(inner, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, config.channels + 3),
        )

    def forward(self, vectors: Tensor, days: Tensor, lonlat: Tensor) -> Tensor:
        """(N, D), (N, T), (N, 2) -> (N, T, C + 3)."""
        when = time_features(days, lonlat, self.config.harmonics)
        spread = vectors[:, None, :].expand(-1, days.shape[1], -1) * math.sqrt(self.config.dimension)
        out: Tensor = self.net(torch.cat([spread, when], dim=-1))
        return out
