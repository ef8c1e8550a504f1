"""An initialisation from which few steps on few labels go far, learned over many tasks.

First-order MAML (Finn et al. 2017; Nichol et al. 2018, section 5), ANIL, whose inner loop moves the last layer only
(Raghu et al. 2020), and Reptile (Nichol et al. 2018). METEOR (Russwurm et al. 2023) is MAML for land cover.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from surco.encoder.finetune.closed_head import split_loss
from surco.encoder.finetune.errors import FineTuneError
from surco.encoder.finetune.fine_tuned import renamed, require_ours
from surco.encoder.finetune.inner_loop import InnerLoop, descend
from surco.encoder.finetune.task_sources import TaskSource, draw_task
from surco.encoder.finetune.tasks import Task, task_vectors
from surco.encoder.model import SeriesEncoder
from surco.encoder.surco_encoder import SurcoEncoder

__all__ = ["METHODS", "MetaConfig", "meta_train_encoder"]

Method = Literal["maml", "anil", "reptile"]
METHODS: tuple[Method, ...] = ("maml", "anil", "reptile")
MOST_DRAWS = 200


@dataclass(frozen=True, slots=True)
class MetaConfig:
    """A run of meta-training.

    Attributes:
        steps: of the outer loop.
        tasks: in a step of the outer loop.
        inner_steps: of Adam on each task; 0 is plain episodic training with the closed head, the control.
        inner_rate: learning rate of the inner loop.
        outer_rate: learning rate of Adam in the outer loop of "maml" and "anil".
        proximal: pull of that outer loop to the weights that it started from.
        share: of the way to the adapted weights that "reptile" goes in a step.
        thinned: share of the tasks that see only what another archive would offer.
        seed: of every draw.
    """

    steps: int = 100
    tasks: int = 2
    inner_steps: int = 5
    inner_rate: float = 1e-3
    outer_rate: float = 3e-4
    proximal: float = 0.01
    share: float = 0.3
    thinned: float = 0.35
    seed: int = 0

    def __post_init__(self) -> None:
        rates = (self.inner_rate, self.outer_rate)
        sound = (
            min(self.steps, self.tasks) >= 1
            and self.inner_steps >= 0
            and all(math.isfinite(r) and r > 0 for r in rates)
            and math.isfinite(self.proximal)
            and self.proximal >= 0
            and 0 < self.share <= 1
            and 0 <= self.thinned <= 1
        )
        if not sound:
            raise FineTuneError(
                "Expected steps and tasks of 1 or more, inner_steps and proximal of 0 or more, rates above 0, "
                f"share and thinned between 0 and 1, got {asdict(self)}. Correct the setting."
            )


def meta_train_encoder(
    encoder: SurcoEncoder,
    sources: Sequence[TaskSource],
    *,
    method: Method = "maml",
    config: MetaConfig | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> SurcoEncoder:
    """Learn weights from which `fine_tune` goes far, starting from those of an encoder, which is left as it is.

    The same arguments give the same weights on the same machine and thread count. It runs on the CPU: tasks are small.

    Args:
        encoder: what is started from.
        sources: where tasks come from; leave out what the result is to be judged on.
        method: "maml" moves all weights in its inner loop, "anil" the last layer only, "reptile" all of them and then
            goes part of the way.
        config: every other choice.
        progress: called as `progress(done, total, text)`.

    Raises:
        FineTuneError: an unknown method, sources that hold no task, an encoder without our weights.
    """
    require_ours(encoder)
    chosen = config or MetaConfig()
    if method not in METHODS:
        raise FineTuneError(
            f"Expected a method among {', '.join(METHODS)}, got {method!r}. Choose one of them."
        )
    rng = np.random.default_rng(chosen.seed)
    model = copy.deepcopy(encoder.model).cpu().eval()
    start = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.Adam(model.parameters(), lr=chosen.outer_rate)
    losses: list[float] = []
    for step in range(chosen.steps):
        drawn = [_some_task(sources, model, chosen, rng) for _ in range(chosen.tasks)]
        if method == "reptile":
            losses.append(_reptile_step(model, drawn, chosen, rng))
        else:
            losses.append(_maml_step(model, start, optimizer, drawn, method, chosen, rng))
        if progress:
            progress(step + 1, chosen.steps, f"query loss {np.mean(losses[-20:]):.3f}")
    record = {
        "method": method,
        **asdict(chosen),
        "data": {s.data.name: len(s.data.label) for s in sources},
        "query_loss": [round(float(np.mean(losses[i : i + 10])), 4) for i in range(0, len(losses), 10)],
    }
    return renamed(encoder, model, record)


def _some_task(
    sources: Sequence[TaskSource], model: SeriesEncoder, config: MetaConfig, rng: np.random.Generator
) -> tuple[Task, Task]:
    for _ in range(MOST_DRAWS if sources else 0):
        task = draw_task(sources, model.config, config.thinned, rng)
        if task is not None:
            return task
    raise FineTuneError(
        f"Expected sources with two classes that have labels in two places each, found no task in {MOST_DRAWS} draws "
        f"from {', '.join(s.data.name for s in sources) or 'no source'}. Give larger or more labelled tables."
    )


def _maml_step(
    model: SeriesEncoder,
    start: Sequence[torch.Tensor],
    optimizer: torch.optim.Optimizer,
    drawn: Sequence[tuple[Task, Task]],
    method: Method,
    config: MetaConfig,
    rng: np.random.Generator,
) -> float:
    """Move all weights by the query loss's mean gradient at the adapted weights; returns that loss."""
    loop = InnerLoop("last" if method == "anil" else "all", config.inner_steps, config.inner_rate, 0.0)
    parameters = list(model.parameters())
    total = [config.proximal * (p.detach() - s) for p, s in zip(parameters, start, strict=True)]
    losses = []
    for support, query in drawn:
        adapted = copy.deepcopy(model)
        loss = _query_loss(adapted, support, query, loop, rng)
        for t, g in zip(total, torch.autograd.grad(loss, list(adapted.parameters())), strict=True):
            t.add_(g / len(drawn))
        losses.append(float(loss.detach()))
    for parameter, gradient in zip(parameters, total, strict=True):
        parameter.grad = gradient
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return float(np.mean(losses))


def _query_loss(
    adapted: SeriesEncoder, support: Task, query: Task, loop: InnerLoop, rng: np.random.Generator
) -> torch.Tensor:
    """Loss of the query after the inner loop on the support, with its graph at the adapted weights."""
    head = descend(adapted, support, loop, rng)
    vectors, asked = task_vectors(adapted, support), task_vectors(adapted, query)
    return split_loss(vectors, support.code, asked, query.code, support.classes, head)


def _reptile_step(
    model: SeriesEncoder, drawn: Sequence[tuple[Task, Task]], config: MetaConfig, rng: np.random.Generator
) -> float:
    """Go a share of the way to the mean of the weights adapted on the supports; returns their query loss."""
    loop = InnerLoop("all", config.inner_steps, config.inner_rate, 0.0)
    mean = [torch.zeros_like(p) for p in model.parameters()]
    losses = []
    for support, query in drawn:
        adapted = copy.deepcopy(model)
        losses.append(float(_query_loss(adapted, support, query, loop, rng).detach()))
        for m, p in zip(mean, adapted.parameters(), strict=True):
            m.add_(p.detach() / len(drawn))
    with torch.no_grad():
        for parameter, target in zip(model.parameters(), mean, strict=True):
            parameter.add_(config.share * (target - parameter))
    return float(np.mean(losses))
