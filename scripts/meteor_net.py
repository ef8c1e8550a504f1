"""A small network from scratch on a handful of labels: what METEOR's base learner is without its meta-training.

METEOR (Russwurm et al. 2023) is a ResNet with instance norm in place of batch norm, whose first weights are learned
over many tasks by MAML. This is the same kind of network over the season's grid, from random weights.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surco.encoder.finetune.tasks import Task

EPOCHS = 60
WIDTH = 64


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1),
            nn.InstanceNorm1d(width, affine=True),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=1),
            nn.InstanceNorm1d(width, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.layers(x))


class MeteorNet(nn.Module):
    """(N, channels, bins) -> (N, classes)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv1d(channels, WIDTH, 3, padding=1), _Block(WIDTH), _Block(WIDTH))
        self.last = nn.Linear(2 * WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, from the mean and the maximum over the season."""
        hidden = self.trunk(x)
        return self.last(torch.cat([hidden.mean(2), hidden.amax(2)], dim=1))


def scratch_guess(known: Task, asked: Task, seed: int) -> np.ndarray:
    """Class numbers (N,) of `asked` by a network trained on `known` from random weights, full batches."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = MeteorNet(2 * known.grid.shape[2], known.classes)
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
        for _ in range(EPOCHS):
            rows = torch.randperm(len(known))[:256]
            loss = F.cross_entropy(net(_tracks(known)[rows]), known.code[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.inference_mode():
        return net(_tracks(asked)).argmax(1).numpy()


def _tracks(task: Task) -> Tensor:
    return torch.cat([task.grid, task.measured.to(task.grid.dtype)], dim=2).transpose(1, 2)
