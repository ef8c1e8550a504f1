"""Two views of a series, one rich, one with most tokens hidden; both disturbed as other sensors and places would."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from surco.encoder.channels import GROUPS, INDEX, OPTICAL, RADAR
from surco.encoder.pretrain.corpus import Batch

__all__ = ["disturb", "hide", "thin_channels"]

SENSORS: tuple[tuple[str, ...], ...] = (
    ("red", "nir", "swir16"),
    ("red", "nir"),
    ("blue", "green", "red", "nir"),
    ("red", "nir", "blue", "swir16", "swir22"),
)
"""Channel sets of other archives: the Chilean samples, NDVI products, four-band imagery, MODIS-like land bands."""


def disturb(batch: Batch, generator: torch.Generator) -> Batch:
    """Band gains and offsets of another processing chain, noise, and a shift of the calendar by up to three weeks."""
    values, n = batch.values.clone(), len(batch.values)
    optical, radar = list(OPTICAL), list(RADAR)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    gain = torch.exp(0.06 * normal(n, 1, 1) + 0.05 * normal(n, 1, len(optical)))
    haze = 0.012 * normal(n, 1, len(optical)).abs() * (torch.rand(n, 1, 1, generator=generator) < 0.3)
    noise = 1.0 + 0.02 * normal(n, values.shape[1], len(optical))
    values[..., optical] = values[..., optical] * gain * noise + haze
    values[..., radar] = (
        values[..., radar] + 0.8 * normal(n, 1, len(radar)) + 0.4 * normal(n, values.shape[1], len(radar))
    )
    days = batch.days + (8.0 * normal(n, 1)).clamp(-21, 21).round()
    static = _drop_static(batch.static, generator)
    return replace(batch, values=values, days=days, static=static)


def _drop_static(static: Tensor, generator: torch.Generator) -> Tensor:
    drop = torch.rand(len(static), 1, generator=generator) < 0.5
    return torch.where(drop, torch.full_like(static, math.nan), static)


def thin_channels(valid: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """For a `share` of the series keep only what another archive would offer: one sensor, or a few bands."""
    out = valid.clone()
    kinds = [[INDEX[name] for name in names] for names in SENSORS]
    kinds += [list(OPTICAL), list(RADAR), list(OPTICAL) + list(RADAR)]
    chosen = torch.randint(len(kinds), (len(valid),), generator=generator)
    chosen[torch.rand(len(valid), generator=generator) >= share] = -1
    for kind, kept in enumerate(kinds):
        allowed = torch.zeros(valid.shape[-1], dtype=torch.bool)
        allowed[kept] = True
        out[chosen == kind] &= allowed
    lost = ~out.flatten(1).any(1)
    out[lost] = valid[lost]
    return out


def hide(valid: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """Hide about `share` of the (date, sensor group) tokens.

    One of four kinds a series: random tokens, random dates, all but one contiguous window of dates, all sensors
    but one with random dates of it. At least one token stays.
    """
    n, t, _ = valid.shape
    groups = [list(g) for g in GROUPS.values()]
    token = torch.stack([valid[..., g].any(-1) for g in groups], dim=-1)  # (N, T, G)
    kind = torch.randint(4, (n, 1, 1), generator=generator)
    by_token = torch.rand(n, t, len(groups), generator=generator) > share
    by_date = (torch.rand(n, t, 1, generator=generator) > share).expand_as(token)
    length = max(2, round(t * (1.0 - share) * 1.3))
    start = torch.randint(max(1, t - length + 1), (n, 1, 1), generator=generator)
    position = torch.arange(t).view(1, t, 1)
    window = ((position >= start) & (position < start + length)).expand_as(token)
    sensor = torch.randint(len(groups), (n, 1, 1), generator=generator) == torch.arange(len(groups))
    by_sensor = sensor & (torch.rand(n, t, 1, generator=generator) < 0.7)
    keep = torch.where(
        kind == 0, by_token, torch.where(kind == 1, by_date, torch.where(kind == 2, window, by_sensor))
    )
    keep = keep & token
    lost = ~keep.flatten(1).any(1)
    keep[lost] = token[lost] & (torch.rand(int(lost.sum()), t, 1, generator=generator) > 0.5)
    still = ~keep.flatten(1).any(1)
    keep[still] = token[still]
    out = valid.clone()
    for i, members in enumerate(groups):
        out[..., members] &= keep[..., i : i + 1]
    return out
