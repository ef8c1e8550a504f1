"""The last layer, in closed form: the vector is principal components of what was taught and what was learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from surco.encoder.model import SeriesEncoder
from surco.encoder.pretrain.lessons import Lessons
from surco.encoder.pretrain.season_components import Doubles, within_covariance

__all__ = ["assemble"]

_BLOCK = 2000


def assemble(
    model: SeriesEncoder,
    lessons: Sequence[Lessons],
    *,
    taught: float,
    learned: float,
    power: float,
    level: float,
    seed: int,
) -> None:
    """Set `model.assemble` from the sets' own series.

    Both heads are brought to the same variance within places, times their weight; the leading `dimension` - 1
    components within places are kept, their sizes raised to `power`, beside a constant, and all are turned by a random
    rotation. Turned, because a head that standardises each number would else blow the small components up to the size
    of the large ones (whitening lost three points at five labels, see docs/log.md). The constant keeps what the unit
    length would lose, how far a series is from the mean one: on the sphere beside a constant, cosines are nearly
    Euclidean distances.

    Args:
        model: trained; changed in place.
        lessons: real sets decide where there are any, else the simulated ones.
        taught: weight of the taught head; 0 leaves it out.
        learned: weight of the learned head.
        power: of the components' standard deviations; 1 leaves them as they are, 0 would whiten.
        level: the constant, in units of the root mean square distance from the centre; 0 for none.
        seed: of the rotation.
    """
    chosen = [x for x in lessons if not x.simulated] or list(lessons)
    parts = [_parts(model, x) for x in chosen]
    scale = [w * _scale([p[k] for p in parts], chosen) for k, w in enumerate((taught, learned))]
    size = np.repeat(scale, [model.config.taught, model.config.learned])
    both = [np.concatenate(p, axis=1) * size for p in parts]
    covariance = np.mean([within_covariance(v, x.zone) for v, x in zip(both, chosen, strict=True)], axis=0)
    variance, axes = np.linalg.eigh(covariance)
    axes = axes * variance.clip(1e-9) ** ((power - 1.0) / 2.0)
    count = model.config.dimension
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, count)))
    map_ = (axes[:, ::-1][:, : count - 1] @ turn[:-1]).T
    centre = np.mean([v.mean(axis=0) for v in both], axis=0)
    moved = np.concatenate([(v - centre) @ map_.T for v in both])
    constant = level * math.sqrt(float((moved**2).sum(axis=1).mean()))
    with torch.no_grad():
        model.assemble.weight.copy_(torch.from_numpy(map_ * size))
        model.assemble.bias.copy_(torch.from_numpy(constant * turn[-1] - map_ @ centre))


def _parts(model: SeriesEncoder, lessons: Lessons) -> tuple[Doubles, Doubles]:
    taught, learned = [], []
    with torch.inference_mode():
        for start in range(0, lessons.own, _BLOCK):
            rows = slice(start, min(start + _BLOCK, lessons.own))
            a, b = model.through(lessons.grid[rows], lessons.measured[rows], lessons.static[rows])
            taught.append(a.double().numpy())
            learned.append(b.double().numpy())
    return np.concatenate(taught), np.concatenate(learned)


def _scale(vectors: Sequence[Doubles], lessons: Sequence[Lessons]) -> float:
    """One over the root of the mean variance within places."""
    traces = [np.trace(within_covariance(v, x.zone)) for v, x in zip(vectors, lessons, strict=True)]
    return 1.0 / math.sqrt(max(float(np.mean(traces)), 1e-12))
