"""Teaching the network: crops of areas, changed at random so that no season, sensor or encoder is learned by heart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from fields_torch_net import TorchFieldsNet
from torch import Tensor

from surco.adapters.boundaries.field_targets import UNKNOWN, field_targets

Labels = npt.NDArray[np.int32]

__all__ = ["FieldSample", "TrainingSettings", "train_fields"]


@dataclass(frozen=True, slots=True, eq=False)
class FieldSample:
    """An area to learn from: `inputs` (H, W, components + 3) of `network_input`, `fields` (H, W) of `field_targets`."""

    inputs: npt.NDArray[np.float32]
    fields: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How long and how fast: `crop` in pixels, the rest in steps, crops and the usual units of AdamW.

    `harder` adds what real land has more of than the synthetic one: bent edges, blur, noise, and fields whose vectors
    alone say that they are none.
    """

    steps: int = 1000
    batch: int = 8
    crop: int = 96
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    zoom: tuple[float, float] = (0.7, 1.8)
    harder: bool = False


def train_fields(
    network: TorchFieldsNet,
    samples: Sequence[FieldSample],
    settings: TrainingSettings,
    *,
    seed: int,
    progress: Callable[[int, int, float], None] | None = None,
) -> list[float]:
    """Train in place and leave the network in evaluation mode.

    Args:
        network: its parameters are changed.
        samples: areas are drawn in proportion to their pixels.
        settings: see `TrainingSettings`.
        seed: of every random draw.
        progress: called after each step as `progress(done, total, loss)`.

    Returns:
        The loss of every step.
    """
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    network.train()
    share = np.array([sample.fields.size for sample in samples], np.float64)
    losses: list[float] = []
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _warm_cosine(step, settings.steps)
        chosen = rng.choice(len(samples), settings.batch, p=share / share.sum())
        drawn = [_draw(samples[i], network.config.components, settings, rng) for i in chosen]
        inputs, targets, weights = (torch.stack(part) for part in zip(*drawn, strict=True))
        loss = _loss(network(inputs), targets, weights)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
        if progress is not None:
            progress(step + 1, settings.steps, losses[-1])
    network.eval()
    return losses


def _warm_cosine(step: int, steps: int) -> float:
    """Share of the learning rate: up over a tenth of the steps, down along a cosine."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _draw(
    sample: FieldSample, components: int, settings: TrainingSettings, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs (C, S, S), targets and weights (3, S, S) of one crop."""
    inputs, fields = _crop(sample, settings, rng)
    if settings.harder and rng.random() < 0.6:
        inputs, fields = _bent(inputs, fields, rng)
    parts, extra = inputs[:components], inputs[components:]
    parts = _vary(_restless(parts, fields, rng), settings.harder, rng)
    extra = _doubted(extra, fields, 0.3 if settings.harder else 0.0, rng)
    both = torch.cat([parts * extra[2:], extra])
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    both, fields = torch.rot90(both, turns, (1, 2)), np.rot90(fields, turns)
    if flip:
        both, fields = both.flip(2), fields[:, ::-1]
    targets, weights = field_targets(np.ascontiguousarray(fields))
    return both, torch.from_numpy(targets), torch.from_numpy(weights)


def _crop(
    sample: FieldSample, settings: TrainingSettings, rng: np.random.Generator
) -> tuple[Tensor, npt.NDArray[np.int32]]:
    """A square of the sample, drawn larger or smaller; what lies outside of it is unseen and unknown."""
    zoom = float(np.exp(rng.uniform(*np.log(settings.zoom))))
    side = round(settings.crop / zoom)
    height, width = sample.fields.shape
    top = int(rng.integers(0, max(1, height - side + 1)))
    left = int(rng.integers(0, max(1, width - side + 1)))
    inputs = torch.from_numpy(sample.inputs[top : top + side, left : left + side]).permute(2, 0, 1)
    fields = torch.from_numpy(sample.fields[top : top + side, left : left + side])
    missing = (0, side - inputs.shape[2], 0, side - inputs.shape[1])
    inputs, fields = F.pad(inputs, missing), F.pad(fields, missing, value=UNKNOWN)
    size = (settings.crop, settings.crop)
    scaled = F.interpolate(inputs[None], size, mode="bilinear", antialias=zoom < 1)[0]
    scaled[-2:] = scaled[-2:].round()
    nearest = F.interpolate(fields[None, None].float(), size, mode="nearest-exact")[0, 0]
    return scaled, nearest.numpy().astype(np.int32)


def _bent(inputs: Tensor, fields: Labels, rng: np.random.Generator) -> tuple[Tensor, Labels]:
    """Edges that are not straight: every pixel moved by a smooth displacement of up to some pixels."""
    side = fields.shape[0]
    grain = int(rng.integers(10, 25))
    coarse = torch.from_numpy(
        rng.normal(size=(1, 2, side // grain + 3, side // grain + 3)).astype(np.float32)
    )
    moved = F.interpolate(coarse, (side, side), mode="bicubic")[0] * float(rng.uniform(0.5, 0.2 * grain))
    steps = (torch.arange(side) + 0.5) * 2 / side - 1
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    at = torch.stack([columns, rows], 2) + moved.permute(1, 2, 0) * 2 / side
    bent = F.grid_sample(inputs[None], at[None], mode="bilinear", padding_mode="border", align_corners=False)[
        0
    ]
    bent[-2:] = bent[-2:].round()
    numbers = torch.from_numpy(fields.astype(np.float32))[None, None]
    nearest = F.grid_sample(numbers, at[None], mode="nearest", padding_mode="border", align_corners=False)
    return bent, nearest[0, 0].numpy().astype(np.int32)


def _restless(parts: Tensor, fields: npt.NDArray[np.int32], rng: np.random.Generator) -> Tensor:
    """Fields less even than they are: what a pixel has of its own beside its field's mean, times 0.5 to 4."""
    numbers = torch.from_numpy(np.unique(fields, return_inverse=True)[1].ravel())
    flat = parts.flatten(1)
    count = torch.bincount(numbers).clamp(min=1)
    mean = torch.zeros(len(flat), len(count)).index_add_(1, numbers, flat) / count
    own = flat - mean[:, numbers]
    inside = torch.from_numpy(fields.ravel() > 0)
    factor = float(np.exp(rng.uniform(np.log(0.5), np.log(4.0))))
    return torch.where(inside, mean[:, numbers] + factor * own, flat).view_as(parts)


def _doubted(extra: Tensor, fields: Labels, most: float, rng: np.random.Generator) -> Tensor:
    """What the vector alone says of fields: left out at times, else weaker, biased, and wrong of up to `most` of them.

    In another country it is all of that.
    """
    logit, known, seen = extra
    if rng.random() < 0.4:
        return torch.stack([torch.zeros_like(logit), torch.zeros_like(known), seen])
    logit = logit * float(rng.uniform(0.2, 1.0)) + float(rng.normal(0, 1.0))
    numbers, inverse = np.unique(fields, return_inverse=True)
    wrong = (rng.random(len(numbers)) < rng.uniform(0, most)) & (numbers > 0)
    said = rng.normal(0, 2.5, len(numbers)).astype(np.float32)
    inverse = inverse.reshape(fields.shape)
    logit = torch.where(torch.from_numpy(wrong[inverse]), torch.from_numpy(said[inverse]), logit)
    return torch.stack([logit * known * seen, known, seen])


def _vary(parts: Tensor, harder: bool, rng: np.random.Generator) -> Tensor:
    """Turned in the space of the components, blurred, with other contrast, patches and noise."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    count, side = len(parts), parts.shape[-1]
    turn = torch.linalg.qr(torch.randn(count, count, generator=generator))[0]
    parts = torch.einsum("ij,jhw->ihw", turn, parts) * float(np.exp(rng.uniform(-0.7, 0.4)))
    for _ in range(int(rng.integers(3 if harder else 2))):
        share = float(rng.uniform(0, 1))
        parts = (1 - share) * parts + share * F.avg_pool2d(parts, 3, 1, 1, count_include_pad=False)
    grain = int(rng.integers(4, 17))
    coarse = torch.randn(1, count, side // grain + 2, side // grain + 2, generator=generator)
    patches = F.interpolate(coarse, (side, side), mode="bicubic")[0]
    noise = torch.randn(parts.shape, generator=generator)
    return (
        parts + float(rng.uniform(0, 0.2)) * patches + float(rng.uniform(0, 0.18 if harder else 0.1)) * noise
    )


def _loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of all heads and one minus Dice's overlap, over the pixels that are known."""
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    known = weights.sum((0, 2, 3)).clamp(min=1.0)
    found = logits.sigmoid() * weights
    common = 2 * (found * targets).sum((0, 2, 3)) + 1.0
    dice = common / ((found + targets * weights).sum((0, 2, 3)) + 1.0)
    return ((entropy * weights).sum((0, 2, 3)) / known + 0.5 * (1 - dice)).sum()
