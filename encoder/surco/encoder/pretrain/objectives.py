"""The terms of the loss, each a function of vectors and targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surco.encoder.model import ModelConfig, SeriesEncoder, add_indices, season_grid
from surco.encoder.network import SeasonDecoder
from surco.encoder.pretrain.corpus import Batch

__all__ = ["EpisodeHead", "lesson_error", "reconstruction", "spread_terms"]

SHOTS = (1, 1, 2, 5, 10, 20)
"""Labels a class of a task, drawn from these."""
WAYS = 16
"""Classes of a task, at most."""
QUERIES = 12
"""Rows a class that a task asks about, at most."""


def reconstruction(
    config: ModelConfig, decoder: SeasonDecoder, vectors: Tensor, batch: Batch, shown: Tensor
) -> Tensor:
    """Masked reconstruction from the pooled vector: smooth L1 over the season's measured bins; shown ones count 0.3.

    The target is the undisturbed `batch`; `shown` (B, T, C) is which of its values the encoder saw.
    """
    target, measured = season_grid(
        *add_indices(batch.values, batch.valid, config), batch.days, batch.lonlat, config
    )
    _, seen = season_grid(*add_indices(batch.values, shown, config), batch.days, batch.lonlat, config)
    target, measured, seen = (x[..., : len(config.seen)] for x in (target, measured, seen))
    weight = measured.to(target.dtype) * torch.where(seen, 0.3, 1.0)
    error = F.smooth_l1_loss(decoder(vectors), target, reduction="none")
    return (error * weight).sum() / weight.sum().clamp_min(1.0)


def lesson_error(
    encoder: SeriesEncoder, grid: Tensor, measured: Tensor, static: Tensor, target: Tensor
) -> Tensor:
    """Mean squared difference of what is said of the grids and what the teachers said; about the share unexplained."""
    said = encoder.teach(grid, measured, static)
    answered = torch.isfinite(target)
    wrong = torch.where(answered, said - torch.nan_to_num(target), torch.zeros_like(said))
    return wrong.pow(2).sum() / answered.sum().clamp_min(1)


def spread_terms(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Variance hinge with covariance (VICReg, Bardes et al. 2022), uniformity on the sphere (Wang and Isola 2020)."""
    d = vectors.shape[1]
    scaled = vectors * d**0.5
    centred = scaled - scaled.mean(0)
    variance = F.relu(0.8 - (centred.var(0) + 1e-4).sqrt()).mean()
    covariance = centred.T @ centred / max(len(vectors) - 1, 1)
    off = (covariance - torch.diag(covariance.diagonal())).pow(2).sum() / d
    uniform = torch.pdist(vectors).pow(2).mul(-2.0).exp().mean().log()
    return variance + 0.02 * off, uniform


class EpisodeHead(nn.Module):
    """Few-shot tasks through a head in closed form: ridge regression on the support (R2D2, Bertinetto et al. 2019)."""

    def __init__(self, tasks: int = 4) -> None:
        super().__init__()
        self.tasks = tasks
        self.log_ridge = nn.Parameter(torch.tensor(0.0))
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(
        self,
        given: Tensor,
        asked: Tensor,
        label: Tensor,
        zone: Tensor,
        place: Tensor,
        generator: torch.Generator,
    ) -> Tensor | None:
        """Mean cross-entropy of random tasks of the batch, classes weighing alike; None where it holds no task.

        `given` and `asked` (B, L) are vectors of the same rows: support is taken of the first, queries of the second,
        which may be another view. A task is rows of one zone (B,): classes of different zones are different tasks. Its
        support and its queries come from different places (B,) of the zone where it has four or more, as labels and
        map do in use.
        """
        worlds = torch.unique(zone)
        losses = []
        for _ in range(self.tasks):
            world = worlds[torch.randint(len(worlds), (1,), generator=generator)]
            rows = torch.nonzero((zone == world) & (label >= 0))[:, 0]
            losses.append(self._task(given[rows], asked[rows], label[rows], place[rows], generator))
        found = [loss for loss in losses if loss is not None]
        return torch.stack(found).mean() if found else None

    def _task(
        self, given: Tensor, asked: Tensor, label: Tensor, place: Tensor, generator: torch.Generator
    ) -> Tensor | None:
        """The loss of one task; None where fewer than three classes have rows on both sides."""
        shots = SHOTS[int(torch.randint(len(SHOTS), (1,), generator=generator))]
        side = _sides(place, generator)
        support, query, target_s, target_q = [], [], [], []
        classes = torch.unique(label)
        ways = 0
        for c in classes[torch.randperm(len(classes), generator=generator)]:
            mine, others = (label == c) & side, (label == c) & ~side
            if ways < WAYS and mine.any() and others.any():
                support.append(_some(mine, shots, generator))
                query.append(_some(others, QUERIES, generator))
                target_s += [ways] * len(support[-1])
                target_q += [ways] * len(query[-1])
                ways += 1
        if ways < 3:
            return None
        return self._loss(given[torch.cat(support)], target_s, asked[torch.cat(query)], target_q, ways)

    def _loss(self, xs: Tensor, ys: list[int], xq: Tensor, yq: list[int], ways: int) -> Tensor:
        one_hot = F.one_hot(torch.tensor(ys), ways).to(xs.dtype)
        prior = one_hot.mean(0, keepdim=True)
        centre = xs.mean(0, keepdim=True)
        xs, xq = xs - centre, xq - centre
        gram = xs @ xs.T + self.log_ridge.exp() * torch.eye(len(xs))
        logits = xq @ (xs.T @ torch.linalg.solve(gram, one_hot - prior))
        asked = torch.tensor(yq)
        weight = 1.0 / (ways * torch.bincount(asked, minlength=ways).to(xs.dtype)[asked])
        return (F.cross_entropy(self.log_scale.exp() * logits, asked, reduction="none") * weight).sum()


def _sides(place: Tensor, generator: torch.Generator) -> Tensor:
    """Which rows may be support: those of half the places, or half of the rows where there are fewer than four."""
    places = torch.unique(place)
    if len(places) < 4:
        return torch.rand(len(place), generator=generator) < 0.5
    return torch.isin(place, places[torch.randperm(len(places), generator=generator)[: len(places) // 2]])


def _some(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Numbers of at most so many of the rows that are true."""
    numbers = torch.nonzero(rows)[:, 0]
    return numbers[torch.randperm(len(numbers), generator=generator)[:count]]
