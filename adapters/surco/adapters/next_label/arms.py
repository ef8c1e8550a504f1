"""The arms: each ranks the candidates of a campaign by a reason of its own, and takes the first ones.

Every arm has the same shape, `(campaign, openings, count, rng) -> positions among the candidates, best first`; `count`
is at most `openings.left()`. A place costs O(candidates), and groups take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import faiss
import numpy as np
import numpy.typing as npt

from surco.adapters.next_label.campaign import Campaign, Guess
from surco.adapters.next_label.coverage import herded
from surco.adapters.next_label.openings import Openings

__all__ = [
    "ARMS",
    "INCUMBENT",
    "Arm",
    "gradient",
    "herding",
    "margin",
    "novelty",
    "typicality",
    "under_represented",
]

Arm = Callable[[Campaign, Openings, int, np.random.Generator], list[int]]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_KIN = 20


def herding(campaign: Campaign, openings: Openings, count: int, rng: np.random.Generator) -> list[int]:
    """Places that make the labels cover the table best (MaxHerding, arXiv 2407.12212)."""
    return herded(campaign.coverage, openings, count)


def typicality(campaign: Campaign, openings: Openings, count: int, rng: np.random.Generator) -> list[int]:
    """The typical place of each of the largest clusters without a label (TypiClust, arXiv 2202.02794)."""
    labelled = np.concatenate([campaign.labelled.vectors, campaign.candidates[openings.taken]])
    cluster, centres = _clusters(campaign.candidates, len(labelled) + count, rng)
    held = np.bincount(_nearest(labelled, centres), minlength=len(centres))
    size = np.bincount(cluster, minlength=len(centres))
    typical, chosen = _typicality(campaign.candidates), []
    for _ in range(count):
        live = np.unique(cluster[openings.open])
        best = live[np.lexsort((-size[live], held[live]))[0]]
        held[best] += 1
        chosen.append(openings.best(np.where(cluster == best, typical, -np.inf)))
    return chosen


def margin(campaign: Campaign, openings: Openings, count: int, rng: np.random.Generator) -> list[int]:
    """Places where the two likeliest classes are closest."""
    score = -_required(campaign).margin()
    return [openings.best(score) for _ in range(count)]


def gradient(campaign: Campaign, openings: Openings, count: int, rng: np.random.Generator) -> list[int]:
    """Places whose labels would move the head most, and in different directions (BADGE, arXiv 1906.03671).

    k-means++ on gradients (p - e) ⊗ x of the last layer, e the likeliest class. Inner products of two such gradients
    are products of two inner products, so no (K D) vector is made.
    """
    chances, x = _required(campaign).probability, campaign.candidates
    pull = chances - np.eye(chances.shape[1], dtype=np.float32)[chances.argmax(axis=1)]
    size = ((pull * pull).sum(axis=1) * (x * x).sum(axis=1)).astype(np.float64)

    def away(row: int) -> Doubles:
        inner = (pull @ pull[row]) * (x @ x[row])
        return np.asarray(np.maximum(size + size[row] - 2.0 * inner, 0.0))

    distance, chosen = size.copy(), []
    for row in openings.taken:
        distance = np.minimum(distance, away(row))
    for _ in range(count):
        chosen.append(row := _drawn(distance, openings, rng))
        distance = np.minimum(distance, away(row))
    return chosen


def under_represented(
    campaign: Campaign, openings: Openings, count: int, rng: np.random.Generator
) -> list[int]:
    """Places of classes and regions with few labels: the sum of p(c) / (n_c + ½), more where a region lacks labels."""
    chances, classes, regions = (
        _required(campaign).probability,
        campaign.class_counts(),
        campaign.region_counts(),
    )
    wanted, chosen = campaign.region_share * len(campaign.labelled), []

    def count_in(row: int) -> None:
        np.add(classes, chances[row], out=classes)
        regions[campaign.region[row]] += 1

    for row in openings.taken:
        count_in(row)
    for _ in range(count):
        lack = (wanted + 0.5) / (regions + 0.5)
        chosen.append(row := openings.best((chances @ (1.0 / (classes + 0.5))) * lack[campaign.region]))
        count_in(row)
    return chosen


def novelty(campaign: Campaign, openings: Openings, count: int, rng: np.random.Generator) -> list[int]:
    """Places least like any labelled one (k-centre greedy, arXiv 1708.00489)."""
    covered, chosen = campaign.coverage.covered.copy(), []
    for _ in range(count):
        chosen.append(row := openings.best(-covered))
        np.maximum(covered, campaign.coverage.kernel[row], out=covered)
    return chosen


INCUMBENT = "herding"
ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "herding": herding,
        "typicality": typicality,
        "margin": margin,
        "gradient": gradient,
        "under-representation": under_represented,
        "novelty": novelty,
    }
)


def _required(campaign: Campaign) -> Guess:
    if campaign.guess is None:
        raise RuntimeError("an arm that needs a guess was chosen while there is none")
    return campaign.guess


def _drawn(weight: Doubles, openings: Openings, rng: np.random.Generator) -> int:
    """An open candidate drawn with chances as `weight`, now taken; the first one where all weigh nothing."""
    rows = np.flatnonzero(openings.open)
    total = weight[rows].sum()
    if total <= 0:
        return openings.take(int(rows[0]))
    return openings.take(int(rng.choice(rows, p=weight[rows] / total)))


def _clusters(rows: Floats, count: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Cluster (M,) of each row, and the centres (C, D)."""
    means = faiss.Kmeans(
        rows.shape[1], min(count, len(rows)), niter=12, seed=int(rng.integers(2**31 - 1)),
        min_points_per_centroid=1, max_points_per_centroid=1 << 20,
    )  # fmt: skip
    means.train(np.ascontiguousarray(rows))
    centres = np.asarray(means.centroids, np.float32)
    return _nearest(rows, centres), centres


def _nearest(rows: Floats, centres: Floats) -> Ints:
    if not len(rows):
        return np.empty(0, np.int64)
    return np.asarray(faiss.knn(np.ascontiguousarray(rows), centres, 1)[1][:, 0], np.int64)


def _typicality(rows: Floats) -> Doubles:
    """(M,) inverse of the mean distance to the twenty nearest others."""
    rows = np.ascontiguousarray(rows)
    squares, _ = faiss.knn(rows, rows, min(_KIN + 1, len(rows)))
    return np.asarray(1.0 / (np.sqrt(np.maximum(squares, 0.0)).mean(axis=1, dtype=np.float64) + 1e-9))
