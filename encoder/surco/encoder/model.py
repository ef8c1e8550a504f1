"""The encoder: a series of composites in, one unit vector out.

Shapes: N series, T dates, C channels, K bins of the season, W width, P components of what is taught, L numbers learned
from labels, M numbers drilled on made-up countries, D dimension. `valid` is True where usable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surco.encoder.network import Branch, Trunk

__all__ = ["ModelConfig", "SeriesEncoder", "add_indices", "looks", "season_grid"]

YEAR_DAYS = 365.2425
INDICES = 3
"""NDVI, NDMI and VH - VV follow the channels."""
TERRAIN = 2
"""Elevation and slope."""
PLACE = 2 * TERRAIN
"""They and whether they are known."""


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the tensors' shapes and the scaling of inputs.

    `seen` lists the channels that the network looks at, as positions after the indices were appended (`channels` raw
    ones, then NDVI, NDMI, VH - VV): weather is left out, because scenes do not bring it. `centre` and `scale` bring
    them to unit size, reflectances (the first `reflectances` channels) after a square root. `reach` and `gap` are days:
    the width of the kernel that spreads a date over the season, and how far from a date a bin still counts as measured.
    `taught` numbers follow teachers, `learned` ones labels of real places, `drilled` ones tasks of made-up countries.
    `width`, `depth`, `hidden` and `dropout` are the trunk's below the taught numbers; `branches` are width, hidden size
    and dropout of the trunks below the learned and the drilled ones (empty in models up to surco-nano-5, which are no
    longer trained: what is learned shares the first trunk). The vector is `dimension` components of all of them, of the
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
    drilled: int = 64
    branches: tuple[tuple[int, int, float], ...] = ((64, 128, 0.15), (96, 256, 0.05))
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


def looks(grid: Tensor, measured: Tensor, static: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """What a trunk takes of a grid (N, K, C), its validity and the terrain (N, 2).

    The channels seen beside their validity, (N, K, 2 * seen), and the terrain beside whether it is known, (N, PLACE).
    """
    grid, measured = (x[..., : len(config.seen)] for x in (grid, measured))
    known = torch.isfinite(static)
    terrain = (torch.nan_to_num(static) / static.new_tensor([1000.0, 10.0])).clamp(-1.0, 5.0) * known
    place = torch.cat([terrain, known.to(grid.dtype)], dim=1)
    return torch.cat([grid, measured.to(grid.dtype)], dim=2), place


class SeriesEncoder(nn.Module):
    """Series -> unit vector: three small networks over the season's grid, each with its own teacher.

    What teachers say (`taught`) has a linear path from the grid beside the trunk's, because half of it, the season's
    principal components, is linear where all is measured. What labels and drills teach (`learned`, `drilled`) has
    trunks of its own: errors that are not shared leave more in the end (see docs/log.md). `assemble` turns the heads,
    the season itself and the surroundings into the vector; it is set in closed form after training (see
    `pretrain.assembling`). What was not measured enters as zero with a zero flag beside it, so that a missing band,
    month or sensor is told apart from a dark one.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        shape = 2 * len(config.seen), PLACE, config.bins, config.depth
        self.trunk = Trunk(*shape, config.width, config.hidden, config.dropout)
        self.taught = nn.Linear(config.hidden, config.taught)
        self.straight = nn.Linear(2 * len(config.seen) * config.bins + PLACE, config.taught, bias=False)
        self.learned: Branch | nn.Linear
        if config.branches:
            self.learned = Branch(Trunk(*shape, *config.branches[0]), config.learned)
        else:
            self.learned = nn.Linear(config.hidden, config.learned)
        if config.drilled:
            self.drilled = Branch(Trunk(*shape, *config.branches[1]), config.drilled)
        if config.carried:
            self.fill = nn.Linear(config.taught, config.season)
        heads = config.taught + config.learned + config.drilled
        parts = heads + config.season * config.carried + config.surroundings
        self.assemble = nn.Linear(parts, config.dimension)

    def through(self, grid: Tensor, measured: Tensor, static: Tensor) -> tuple[Tensor, ...]:
        """What `assemble` takes of a grid (N, K, C), its validity and the terrain (N, 2).

        The heads, (N, P), and (N, L) and (N, M) of unit length, the last where there is one; where carried, the season
        (N, K * len(seen)) with its gaps filled by what the taught head says (`fill`); and the surroundings (N, S), zero
        where nothing is known.
        """
        tracks, place = looks(grid, measured, static, self.config)
        hidden = self.trunk(tracks, place)
        heads = [self._taught(hidden, tracks, place)]
        if isinstance(self.learned, Branch):
            heads.append(self.learned(tracks, place))
        else:
            heads.append(F.normalize(self.learned(hidden), dim=-1))
        if self.config.drilled:
            heads.append(self.drilled(tracks, place))
        around = self._surroundings(grid, measured, static)
        if not self.config.carried:
            return *heads, around
        seen = len(self.config.seen)
        known, own = measured[..., :seen].flatten(1), grid[..., :seen].flatten(1)
        return *heads, torch.where(known, own, self.fill(heads[0])), around

    def teach(self, grid: Tensor, measured: Tensor, static: Tensor) -> Tensor:
        """What the taught head says, arguments as `through`; nothing else is worked out."""
        tracks, place = looks(grid, measured, static, self.config)
        return self._taught(self.trunk(tracks, place), tracks, place)

    def _taught(self, hidden: Tensor, tracks: Tensor, place: Tensor) -> Tensor:
        out: Tensor = self.taught(hidden) + self.straight(torch.cat([tracks.flatten(1), place], dim=1))
        return out

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
