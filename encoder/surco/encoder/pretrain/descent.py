"""Steps down a loss: optimiser, schedule, progress, and the state from which a stopped run goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from surco.encoder.pretrain.config import PretrainConfig
from surco.encoder.pretrain.resume import History, load_state, save_state

__all__ = ["Descent", "Progress"]

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, text)`."""


class Descent:
    """One stage of a run: its random numbers, its optimiser and how far it is.

    Every random number of a step comes from `rng`, from `generator`, or from torch's own state, all of them kept with
    the state: a stage that was stopped ends with the bits of one that was not.
    """

    def __init__(
        self,
        learner: nn.Module,
        config: PretrainConfig,
        name: str,
        stage: str,
        *,
        steps: int,
        state: Path | None = None,
        every: int = 200,
    ) -> None:
        """Begin, or go on from `state` where it is there.

        Args:
            learner: everything with parameters; changed in place.
            config: seed, learning rate, warm-up and weight decay.
            name: of the run; a state of another one is refused.
            stage: of the run, for people.
            steps: in all.
            state: file to keep the state in.
            every: steps between two writings of it.

        Raises:
            ModelError: a state of another run, or a damaged one.
        """
        self.learner, self.config, self.name, self.stage = learner, config, name, stage
        self.steps, self.state, self.every = steps, state, every
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.optimizer = torch.optim.AdamW(
            learner.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        torch.manual_seed(config.seed)
        self.done, self.history = 0, History()
        if state is not None and state.is_file():
            self.done, self.history = load_state(
                state, name, learner, self.optimizer, self.rng, self.generator
            )

    def run(self, terms: Callable[[int], Mapping[str, Tensor]], progress: Progress | None = None) -> History:
        """Do what is left of the steps; `terms(step)` are the terms of the loss, summed.

        The state of a finished stage stays, so that it need not be done again.
        """
        for step in range(self.done, self.steps):
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.learning_rate * self._schedule(step)
            found = terms(step)
            loss = torch.stack(list(found.values())).sum()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
            self.optimizer.step()
            for name, value in found.items():
                self.history.setdefault(name, []).append(float(value.detach()))
            self.done = step + 1
            if progress:
                terms_said = "  ".join(f"{k} {np.mean(v[-100:]):.3f}" for k, v in self.history.items())
                progress(self.done, self.steps, f"{self.stage}: {terms_said}")
            if self.state is not None and (self.done % self.every == 0 or self.done == self.steps):
                save_state(
                    self.state, self.name, self.done, self.learner, self.optimizer,
                    self.rng, self.generator, self.history,
                )  # fmt: skip
        return self.history

    def _schedule(self, step: int) -> float:
        """Linear warm-up, then a cosine down to 2 %."""
        warmup = self.config.warmup
        if step < warmup:
            return (step + 1) / warmup
        done = (step - warmup) / max(1, self.steps - warmup)
        return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * done))
