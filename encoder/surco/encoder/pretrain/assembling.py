"""The last layer, in closed form: the vector is components of both heads, of the season and of the surroundings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from surco.encoder.model import SeriesEncoder
from surco.encoder.pretrain.focusing import Labelled, focused
from surco.encoder.pretrain.lessons import Lessons
from surco.encoder.pretrain.season_components import Doubles, within_covariance

__all__ = ["assemble"]

_BLOCK = 2000
_RIDGE = 10.0


def assemble(
    model: SeriesEncoder,
    lessons: Sequence[Lessons],
    *,
    taught: float,
    learned: float,
    season: float = 0.0,
    around: float = 0.0,
    power: float,
    level: float,
    focus: float = 0.0,
    seed: int,
) -> None:
    """Set `model.assemble`, and `model.fill` where there is one, from the sets' own series.

    Both heads, the season and the surroundings are brought to the same variance within places, times their weight;
    the leading `dimension` - 1 components within places are kept, their sizes raised to `power`, beside a constant,
    directions in which classes differ are drawn out a little (`focus`), and all are turned by a random rotation.
    Turned, because a head that standardises each number would else blow the small components up to the size of the
    large ones (whitening lost three points at five labels, see docs/log.md). The constant keeps what the unit length
    would lose, how far a series is from the mean one: on the sphere beside a constant, cosines are nearly Euclidean
    distances.

    Args:
        model: trained; changed in place.
        lessons: real sets decide where there are any, else the simulated ones.
        taught: weight of the taught head; 0 leaves it out.
        learned: weight of the learned head.
        season: weight of the season itself, gaps filled.
        around: weight of the surroundings, terrain and weather.
        power: of the components' standard deviations; 1 leaves them as they are, 0 would whiten.
        level: the constant, in units of the root mean square distance from the centre; 0 for none.
        focus: see `focusing.focused`; 0 for none.
        seed: of the rotation.
    """
    chosen = [x for x in lessons if not x.simulated] or list(lessons)
    if model.config.carried:
        _set_fill(model, chosen)
    parts = [_parts(model, x) for x in chosen]
    weights = (taught, learned, season, around) if model.config.carried else (taught, learned, around)
    scale = [w * _scale([p[k] for p in parts], chosen) for k, w in enumerate(weights)]
    size = np.repeat(scale, [x.shape[1] for x in parts[0]])
    whole = [np.concatenate(p, axis=1) * size for p in parts]
    covariance = np.mean([within_covariance(v, x.zone) for v, x in zip(whole, chosen, strict=True)], axis=0)
    variance, axes = np.linalg.eigh(covariance)
    axes = axes * variance.clip(1e-9) ** ((power - 1.0) / 2.0)
    count = model.config.dimension
    axes = axes[:, ::-1][:, : count - 1]
    if focus:
        sets = [Labelled(v @ axes, x.label, x.zone) for v, x in zip(whole, chosen, strict=True)]
        axes = axes @ focused(sets, focus)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, count)))
    map_ = (axes @ turn[:-1]).T
    centre = np.mean([v.mean(axis=0) for v in whole], axis=0)
    moved = np.concatenate([(v - centre) @ map_.T for v in whole])
    constant = level * math.sqrt(float((moved**2).sum(axis=1).mean()))
    with torch.no_grad():
        model.assemble.weight.copy_(torch.from_numpy(map_ * size))
        model.assemble.bias.copy_(torch.from_numpy(constant * turn[-1] - map_ @ centre))


def _set_fill(model: SeriesEncoder, lessons: Sequence[Lessons]) -> None:
    """Set `model.fill`: each number of the season by ridge regression on the taught head, where it was measured."""
    said = np.concatenate([_parts(model, x)[0] for x in lessons])
    said = np.concatenate([said, np.ones((len(said), 1))], axis=1)
    seen = len(model.config.seen)
    season, known = (
        np.concatenate([getattr(x, name)[: x.own, :, :seen].flatten(1).numpy() for x in lessons])
        for name in ("grid", "measured")
    )
    ridge = np.diag([_RIDGE] * (said.shape[1] - 1) + [1e-6])
    weight = np.zeros((season.shape[1], said.shape[1]))
    for number in range(len(weight)):
        rows = known[:, number]
        inner = said[rows].T @ said[rows] + ridge
        weight[number] = np.linalg.solve(inner, said[rows].T @ season[rows, number])
    with torch.no_grad():
        model.fill.weight.copy_(torch.from_numpy(weight[:, :-1]))
        model.fill.bias.copy_(torch.from_numpy(weight[:, -1]))


def _parts(model: SeriesEncoder, lessons: Lessons) -> tuple[Doubles, ...]:
    blocks = []
    with torch.inference_mode():
        for start in range(0, lessons.own, _BLOCK):
            rows = slice(start, min(start + _BLOCK, lessons.own))
            parts = model.through(lessons.grid[rows], lessons.measured[rows], lessons.static[rows])
            blocks.append([part.double().numpy() for part in parts])
    return tuple(np.concatenate(part) for part in zip(*blocks, strict=True))


def _scale(vectors: Sequence[Doubles], lessons: Sequence[Lessons]) -> float:
    """One over the root of the mean variance within places; 0 where nothing varies."""
    traces = [np.trace(within_covariance(v, x.zone)) for v, x in zip(vectors, lessons, strict=True)]
    mean = float(np.mean(traces))
    return 1.0 / math.sqrt(mean) if mean > 1e-12 else 0.0
