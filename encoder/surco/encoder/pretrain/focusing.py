"""Directions in which classes differ, drawn out a little: what labels of many places say of a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.encoder.pretrain.season_components import Doubles, within_covariance

__all__ = ["Labelled", "focused"]

_LEAST = 5
"""Rows of a class whose scatter counts."""
_FLOOR = 0.05
"""Share of a direction's variance that lies within classes, at the least: no direction grows without bounds."""


@dataclass(frozen=True)
class Labelled:
    """Vectors (N, P) of one set, class numbers (N,), -1 none, and `zone` (N,) or None as in `Dataset`."""

    vectors: Doubles
    label: npt.NDArray[np.int64]
    zone: npt.NDArray[np.int64] | None


def focused(sets: Sequence[Labelled], strength: float) -> Doubles:
    """A map (P, P): each direction grows by the inverse share of its variance within classes, to a power.

    The shares r are the eigenvalues of the scatter within classes against the scatter within places, both as means
    over sets. A direction grows by ((r + f) / (1 + f)) ** (-strength / 2). Whitening by the scatter within classes
    of other countries (a strength without bounds) does not carry over; this mild form does (see docs/log.md).

    Args:
        sets: a class of fewer than five rows in its place does not count; sets without such a class do not either.
        strength: 0 changes nothing.
    """
    inside = [s for s in map(_within_classes, sets) if s is not None]
    if not inside:
        return np.eye(sets[0].vectors.shape[1])
    whole = np.mean([within_covariance(s.vectors, s.zone) for s in sets], axis=0)
    variance, axes = np.linalg.eigh(whole)
    root = np.sqrt(variance.clip(1e-9 * float(variance.max())))
    white = axes / root
    share, turn = np.linalg.eigh(white.T @ np.mean(inside, axis=0) @ white)
    growth = ((share.clip(0.0) + _FLOOR) / (1.0 + _FLOOR)) ** (-strength / 2.0)
    out: Doubles = (white @ turn * growth) @ turn.T @ (axes * root).T
    return out


def _within_classes(data: Labelled) -> Doubles | None:
    """Mean over classes of their covariance, each in its place; None where no class has enough rows."""
    place = np.zeros(len(data.label), np.int64) if data.zone is None else data.zone
    pair = np.stack([place, data.label], axis=1)[data.label >= 0]
    vectors = data.vectors[data.label >= 0]
    if not len(vectors):
        return None
    _, number, count = np.unique(pair, axis=0, return_inverse=True, return_counts=True)
    number = number.ravel()
    found = [within_covariance(vectors[number == k]) for k in np.flatnonzero(count >= _LEAST)]
    return np.mean(found, axis=0) if found else None
