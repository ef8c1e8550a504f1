"""The network: a series of composites in, one unit vector out. Imports torch and nothing of ours.

Shapes: N series, T dates, C channels, K bins of the season, W width, P components of what is taught, L numbers learned
from labels, D dimension. `valid` is True where usable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ModelConfig", "SeriesDecoder", "SeriesEncoder"]

YEAR_DAYS = 365.2425
INDICES = 3
"""NDVI, NDMI and VH - VV follow the channels."""
TERRAIN = 2
"""Elevation and slope."""


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the tensors' shapes and the scaling of inputs.

    `seen` lists the channels that the network looks at, as positions after the indices were appended (`channels` raw
    ones, then NDVI, NDMI, VH - VV): weather is left out, because scenes do not bring it. `centre` and `scale` bring
    them to unit size, reflectances (the first `reflectances` channels) after a square root. `reach` and `gap` are days:
    the width of the kernel that spreads a date over the season, and how far from a date a bin still counts as measured.
    `taught` numbers follow teachers, `learned` ones follow labels; the vector is `dimension` components of both, of the
    season itself where `carried`, and of the surroundings: the terrain, and the season of the channels in `weather`,
    which no layer but the last looks at.
    """

    channels: int = 14
    reflectances: int = 10
    seen: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16)
    centre: tuple[float, ...] = (
        *(0.22, 0.28, 0.28, 0.50),
        *(0.34, 0.46, 0.50, 0.51, 0.43, 0.33),
        *(-11.0, -18.0),
        *(0.48, 0.12, -7.0),
    )
    scale: tuple[float, ...] = (
        *(0.10, 0.10, 0.125, 0.115),
        *(0.10, 0.10, 0.115, 0.115, 0.10, 0.10),
        *(2.8, 2.9),
        *(0.30, 0.21, 1.6),
    )
    weather: tuple[int, ...] = (12,)
    weather_centre: tuple[float, ...] = (288.0,)
    weather_scale: tuple[float, ...] = (10.0,)
    nir: int = 3
    red: int = 2
    swir: int = 8
    vv: int = 10
    vh: int = 11
    bins: int = 12
    reach: float = 16.0
    gap: float = 45.0
    width: int = 128
    depth: int = 2
    hidden: int = 384
    taught: int = 128
    learned: int = 64
    dimension: int = 64
    dropout: float = 0.05
    carried: bool = True

    @property
    def season(self) -> int:
        """How many numbers the season's grid of the channels seen is."""
        return self.bins * len(self.seen)

    @property
    def surroundings(self) -> int:
        """How many numbers the surroundings are; a model without `weather` has none."""
        return TERRAIN + self.bins * len(self.weather) if self.weather else 0


def add_indices(values: Tensor, valid: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Scaled channels and indices that the network looks at, then the weather, with their validity.

    (N, T, C) -> (N, T, len(seen) + len(weather)).
    """
    raw = torch.where(valid, values, torch.zeros_like(values))
    index, index_valid = [], []
    for a, b in ((config.nir, config.red), (config.nir, config.swir)):
        total = raw[..., a] + raw[..., b]
        index.append(((raw[..., a] - raw[..., b]) / total.clamp_min(1e-3)).clamp(-1.0, 1.0))
        index_valid.append(valid[..., a] & valid[..., b] & (total > 1e-3))
    index.append(raw[..., config.vh] - raw[..., config.vv])
    index_valid.append(valid[..., config.vv] & valid[..., config.vh])
    optical = raw[..., : config.reflectances].clamp(0.0, 2.0).sqrt()
    every = torch.cat([optical, raw[..., config.reflectances :], torch.stack(index, -1)], -1)
    ok = torch.cat([valid, torch.stack(index_valid, -1)], -1)
    wanted = (*config.seen, *config.weather)
    x, ok = every[..., wanted], ok[..., wanted]
    centre = values.new_tensor((*config.centre, *config.weather_centre)[: len(wanted)])
    scale = values.new_tensor((*config.scale, *config.weather_scale)[: len(wanted)])
    scaled = ((x - centre) / scale).clamp(-5.0, 5.0)
    return torch.where(ok, scaled, torch.zeros_like(scaled)), ok


def season_grid(
    x: Tensor, ok: Tensor, days: Tensor, lonlat: Tensor, config: ModelConfig
) -> tuple[Tensor, Tensor]:
    """Kernel-smoothed values on a fixed circle of bins through the year, and which bins are measured.

    (N, T, C), (N, T, C), (N, T) days since 1970, (N, 2) -> (N, K, C), (N, K, C). The year is turned by half a year in
    the south, so that spring is spring; where the latitude is not known it stays as it is. A bin takes the mean of the
    dates around it with Gaussian weights (Nadaraya-Watson).
    """
    south = torch.nan_to_num(lonlat[:, 1:2]) < 0.0
    phase = torch.remainder(days + south * (YEAR_DAYS / 2.0), YEAR_DAYS)
    centres = (torch.arange(config.bins, device=days.device) + 0.5) * (YEAR_DAYS / config.bins)
    apart = (phase[:, :, None] - centres).abs()
    apart = torch.minimum(apart, YEAR_DAYS - apart)
    weight = torch.exp(-0.5 * (apart / config.reach) ** 2)  # (N, T, K)
    mass = torch.einsum("ntk,ntc->nkc", weight, ok.to(x.dtype))
    total = torch.einsum("ntk,ntc->nkc", weight, x * ok)
    measured = mass > math.exp(-0.5 * (config.gap / config.reach) ** 2)
    return torch.where(measured, total / mass.clamp_min(1e-9), torch.zeros_like(total)), measured


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


class SeriesEncoder(nn.Module):
    """Series -> unit vector: convolutions over the season's grid, its validity and the terrain.

    Two heads share the trunk. `taught` has a linear path from the grid beside the trunk's, because half of what it is
    taught, the season's principal components, is linear where all is measured. `assemble` turns both heads, the season
    itself and the surroundings into the vector; it is set in closed form after training (see `pretrain.assembling`).
    What was not measured enters as zero with a zero flag beside it, so that a missing band, month or sensor is told
    apart from a dark one.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        tracks = 2 * len(config.seen)
        self.enter = nn.Conv1d(tracks + 4, config.width, 3, padding=1, padding_mode="circular")
        self.phase = nn.Parameter(0.02 * torch.randn(config.width, config.bins))
        self.blocks = nn.Sequential(*(Block(config.width, config.dropout) for _ in range(config.depth)))
        self.gather = nn.Sequential(
            nn.LayerNorm(config.width * config.bins),
            nn.Linear(config.width * config.bins, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
        )
        self.taught = nn.Linear(config.hidden, config.taught)
        self.straight = nn.Linear(tracks * config.bins + 4, config.taught, bias=False)
        self.learned = nn.Linear(config.hidden, config.learned)
        if config.carried:
            self.fill = nn.Linear(config.taught, config.season)
        parts = config.taught + config.learned + config.season * config.carried + config.surroundings
        self.assemble = nn.Linear(parts, config.dimension)

    def through(self, grid: Tensor, measured: Tensor, static: Tensor) -> tuple[Tensor, ...]:
        """What `assemble` takes of a grid (N, K, C), its validity and the terrain (N, 2).

        The two heads, (N, P) and (N, L) of unit length; where carried, the season (N, K * len(seen)) with its gaps
        filled by what the taught head says (`fill`); and the surroundings (N, S), zero where nothing is known.
        """
        around = self._surroundings(grid, measured, static)
        grid, measured = (x[..., : len(self.config.seen)] for x in (grid, measured))
        known = torch.isfinite(static)
        terrain = (torch.nan_to_num(static) / static.new_tensor([1000.0, 10.0])).clamp(-1.0, 5.0) * known
        place = torch.cat([terrain, known.to(grid.dtype)], dim=1)
        tracks = torch.cat([grid, measured.to(grid.dtype)], dim=2)
        spread = place[:, None].expand(-1, self.config.bins, -1)
        trunk = self.blocks(self.enter(torch.cat([tracks, spread], dim=2).transpose(1, 2)) + self.phase)
        hidden = self.gather(trunk.flatten(1))
        straight = self.straight(torch.cat([tracks.flatten(1), place], dim=1))
        taught, learned = self.taught(hidden) + straight, F.normalize(self.learned(hidden), dim=-1)
        if not self.config.carried:
            return taught, learned, around
        season = torch.where(measured.flatten(1), grid.flatten(1), self.fill(taught))
        return taught, learned, season, around

    def _surroundings(self, grid: Tensor, measured: Tensor, static: Tensor) -> Tensor:
        if not self.config.weather:
            return grid.new_zeros(len(grid), 0)
        size = static.new_tensor([100.0, 1.0])
        terrain = (torch.nan_to_num(static).clamp(0.0, 5000.0) / size).log1p() - 1.0
        weather = (grid * measured)[..., len(self.config.seen) :]
        return torch.cat([terrain * torch.isfinite(static), weather.flatten(1)], dim=1)

    def parts(
        self, values: Tensor, valid: Tensor, days: Tensor, lonlat: Tensor, static: Tensor
    ) -> tuple[Tensor, ...]:
        """What `assemble` takes of series, arguments as `forward`."""
        x, ok = add_indices(values, valid, self.config)
        return self.through(*season_grid(x, ok, days, lonlat, self.config), static)

    def forward(self, values: Tensor, valid: Tensor, days: Tensor, lonlat: Tensor, static: Tensor) -> Tensor:
        """Encode.

        Args:
            values: (N, T, C) in physical units; invalid entries may hold anything finite.
            valid: (N, T, C) bool.
            days: (N, T) days since 1970-01-01, float; order does not matter.
            lonlat: (N, 2) degrees, NaN unknown; only the hemisphere is used.
            static: (N, 2) elevation m and slope degrees, NaN unknown.

        Returns:
            (N, D) unit vectors.
        """
        parts = torch.cat(self.parts(values, valid, days, lonlat, static), dim=1)
        return F.normalize(self.assemble(parts), dim=-1)


class SeriesDecoder(nn.Module):
    """What was learned -> the season's grid of all channels seen, scaled as the encoder sees them.

    Linear on purpose: what it can reconstruct lies there as plainly as in principal components.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.net = nn.Linear(config.learned, config.bins * len(config.seen))

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, L) -> (N, K, len(seen))."""
        out: Tensor = self.net(vectors * math.sqrt(self.config.learned))
        return out.view(len(vectors), self.config.bins, len(self.config.seen))
