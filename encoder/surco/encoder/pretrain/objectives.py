"""The terms of the loss, each a function of vectors and targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surco.encoder.model import SeriesDecoder, SeriesEncoder, add_indices, season_grid
from surco.encoder.pretrain.corpus import Batch

__all__ = ["EpisodeHead", "lesson_error", "reconstruction", "spread_terms"]


def reconstruction(decoder: SeriesDecoder, vectors: Tensor, batch: Batch, shown: Tensor) -> Tensor:
    """Masked reconstruction from the pooled vector: smooth L1 over the season's measured bins; shown ones count 0.3.

    The target is the undisturbed `batch`; `shown` (B, T, C) is which of its values the encoder saw.
    """
    config = decoder.config
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
    said, *_ = encoder.through(grid, measured, static)
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
    """A few-shot task through a head in closed form: ridge regression on the support (R2D2, Bertinetto et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.log_ridge = nn.Parameter(torch.tensor(0.0))
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(
        self, vectors: Tensor, label: Tensor, zone: Tensor, generator: torch.Generator
    ) -> Tensor | None:
        """Mean cross-entropy of one random task in each zone (B,) of the batch; None where it holds no task.

        A task is rows of one zone: classes of different zones and years are different tasks.
        """
        rows = [torch.nonzero(zone == z)[:, 0] for z in torch.unique(zone)]
        losses = [self._task(vectors[r], label[r], generator) for r in rows]
        found = [loss for loss in losses if loss is not None]
        return torch.stack(found).mean() if found else None

    def _task(self, vectors: Tensor, label: Tensor, generator: torch.Generator) -> Tensor | None:
        """Cross-entropy of the rows not in the support; None where fewer than three classes have three rows."""
        classes, counts = torch.unique(label[label >= 0], return_counts=True)
        classes = classes[counts >= 3]
        if len(classes) < 3:
            return None
        ways = int(torch.randint(3, min(len(classes), 12) + 1, (1,), generator=generator))
        shots = int(torch.randint(1, 6, (1,), generator=generator))
        chosen = classes[torch.randperm(len(classes), generator=generator)[:ways]]
        support, query, target_s, target_q = [], [], [], []
        for i, c in enumerate(chosen):
            rows = torch.nonzero(label == c)[:, 0]
            rows = rows[torch.randperm(len(rows), generator=generator)]
            k = min(shots, len(rows) - 1)
            support.append(rows[:k])
            query.append(rows[k : k + 15])
            target_s += [i] * k
            target_q += [i] * len(query[-1])
        return self._loss(vectors[torch.cat(support)], target_s, vectors[torch.cat(query)], target_q, ways)

    def _loss(self, xs: Tensor, ys: list[int], xq: Tensor, yq: list[int], ways: int) -> Tensor:
        one_hot = F.one_hot(torch.tensor(ys), ways).to(xs.dtype)
        prior = one_hot.mean(0, keepdim=True)
        centre = xs.mean(0, keepdim=True)
        xs, xq = xs - centre, xq - centre
        gram = xs @ xs.T + self.log_ridge.exp() * torch.eye(len(xs))
        logits = xq @ (xs.T @ torch.linalg.solve(gram, one_hot - prior))
        return F.cross_entropy(self.log_scale.exp() * logits, torch.tensor(yq))
