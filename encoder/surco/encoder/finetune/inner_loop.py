"""Gradient steps on an encoder's weights for one task, pulled back to where they began."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surco.encoder.finetune.closed_head import ClosedHead, chosen_head, folds_of, left_out_loss
from surco.encoder.finetune.errors import FineTuneError
from surco.encoder.finetune.tasks import Task, task_vectors
from surco.encoder.model import SeriesEncoder

__all__ = ["UPDATES", "InnerLoop", "Update", "descend", "head_for", "updated_parameters"]

Update = Literal["last", "head", "all"]
UPDATES: tuple[Update, ...] = ("last", "head", "all")
MOST_ROWS = 384
"""Rows of one step: the closed head solves a system of that size."""


@dataclass(frozen=True, slots=True)
class InnerLoop:
    """How weights are moved on one task.

    Attributes:
        update: "last" moves the layer that makes the vector, "head" the two heads before it too, "all" everything.
        steps: of Adam (Kingma and Ba 2015).
        learning_rate: of Adam.
        proximal: weight of half the squared distance from the first weights, so that few labels cannot carry them
            far (L2-SP, Li et al. 2018).
    """

    update: Update = "all"
    steps: int = 12
    learning_rate: float = 1e-3
    proximal: float = 0.01

    def __post_init__(self) -> None:
        sound = (
            self.update in UPDATES
            and self.steps >= 0
            and math.isfinite(self.learning_rate)
            and self.learning_rate > 0
            and math.isfinite(self.proximal)
            and self.proximal >= 0
        )
        if not sound:
            raise FineTuneError(
                f"Expected update among {', '.join(UPDATES)}, steps and proximal of 0 or more and a learning_rate "
                f"above 0, got update={self.update!r}, steps={self.steps}, proximal={self.proximal}, "
                f"learning_rate={self.learning_rate}. Correct the setting."
            )


def updated_parameters(model: SeriesEncoder, update: Update) -> list[nn.Parameter]:
    """The parameters that an update moves."""
    if update == "all":
        return list(model.parameters())
    modules: list[nn.Module] = [model.assemble]
    if update == "head":
        modules += [model.taught, model.straight, model.learned]
    return [p for module in modules for p in module.parameters()]


def head_for(model: SeriesEncoder, task: Task) -> ClosedHead:
    """The closed head that suits a task's labels best before anything is moved."""
    rows = _some_rows(len(task), np.random.default_rng(0))
    part = task.rows(rows)
    with torch.no_grad():
        vectors = task_vectors(model, part)
    return chosen_head(vectors, part.code, *folds_of(part.code, part.group))


def descend(
    model: SeriesEncoder,
    task: Task,
    loop: InnerLoop,
    rng: np.random.Generator,
    head: ClosedHead | None = None,
    watch: Callable[[int], None] | None = None,
) -> ClosedHead:
    """Move the model in place by `loop.steps` steps on the left-out loss of a task.

    Args:
        model: moved in place; stays in evaluation mode, so that the same call gives the same weights.
        task: at least two classes of two rows.
        loop: what is moved, how far.
        rng: draws the rows of a step where the task has more than 384.
        head: the closed head; None chooses it on the task before the first step.
        watch: called with the number of steps done after each.

    Returns:
        The head that was used.
    """
    model.eval()
    chosen = head or head_for(model, task)
    parameters = updated_parameters(model, loop.update)
    start = [p.detach().clone() for p in parameters]
    forward = _forward(model, task, loop.update)
    optimizer = torch.optim.Adam(parameters, lr=loop.learning_rate)
    for step in range(loop.steps):
        rows = _some_rows(len(task), rng)
        part_code, part_group = task.code[rows], task.group[rows]
        loss = left_out_loss(forward(rows), part_code, *folds_of(part_code, part_group), chosen)
        away = torch.stack([(p - s).pow(2).sum() for p, s in zip(parameters, start, strict=True)]).sum()
        gradients = torch.autograd.grad(loss + 0.5 * loop.proximal * away, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        if watch:
            watch(step + 1)
    return chosen


def _forward(model: SeriesEncoder, task: Task, update: Update) -> Callable[[Tensor], Tensor]:
    """Vectors of some rows; what no step moves is computed once."""
    if update != "last":
        return lambda rows: task_vectors(model, task.rows(rows))
    with torch.no_grad():
        both = torch.cat(model.through(task.grid, task.measured, task.static), dim=1)
    return lambda rows: F.normalize(model.assemble(both[rows]), dim=-1)


def _some_rows(n: int, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(np.arange(n) if n <= MOST_ROWS else rng.choice(n, MOST_ROWS, replace=False))
