"""The first stage: tasks of made-up countries, over and over, before anything real is looked at.

A batch is of one country of several zones, whose classes nobody listed (`simulate.countries`). A task takes a few
labels from some of its zones and asks about the others, through the head in closed form that stands for the one that is
fitted in use. What is drilled is a metric: which differences between two series are worth a difference of class.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from surco.encoder.network import Branch, SeasonDecoder
from surco.encoder.pretrain.config import PretrainConfig
from surco.encoder.pretrain.corpus import Batch, Dataset, from_samples
from surco.encoder.pretrain.descent import Descent, Progress
from surco.encoder.pretrain.objectives import EpisodeHead, reconstruction, spread_terms
from surco.encoder.pretrain.resume import History, run_name
from surco.encoder.pretrain.views import disturb, hide, looked_at, one_archive
from surco.encoder.simulate import simulate_series

__all__ = ["Countries", "drill", "drill_name"]

_SERIES = 12_288
"""Series of one drawing: 16 countries of 4 zones."""
_STEPS = 60
"""Steps between two drawings."""
_CLIMATES = ("north", "central", "central", "south", "south")
_ARCHIVES = 0.4
"""Share of the batches that another archive's channels are left of."""
_HIDDEN = 0.3
"""Share of the batches of which tokens are hidden, a fifth to three quarters of them."""


class Countries:
    """Batches of made-up countries; which ones a step has depends on the seed and its number alone."""

    def __init__(self, seed: int, batch: int) -> None:
        self.seed, self.batch = seed, batch
        self._drawn: tuple[int, Dataset] | None = None

    def draw(self, step: int, rng: np.random.Generator) -> Batch:
        """Rows of one country of the drawing that the step belongs to."""
        number = step // _STEPS
        if self._drawn is None or self._drawn[0] != number:
            self._drawn = number, self._countries(number)
        return self._drawn[1].draw(self.batch, rng)

    def _countries(self, number: int) -> Dataset:
        climate = _CLIMATES[int(np.random.default_rng((self.seed, 11, number)).integers(len(_CLIMATES)))]
        seed = 100_000 * (self.seed + 1) + number
        s = simulate_series(_SERIES, seed=seed, climate=climate, made_up=True)
        arrays = s.values, s.valid, s.dates, s.lonlat, s.static
        return from_samples("countries", *arrays, s.label.tolist(), zone=s.country, place=s.zone)


class _Learner(nn.Module):
    """The branch, and what reads it."""

    def __init__(self, config: PretrainConfig, branch: Branch) -> None:
        super().__init__()
        self.config, self.branch = config, branch
        self.decoder = SeasonDecoder(config.model.drilled, config.model.bins, len(config.model.seen))
        self.tasks = EpisodeHead()

    def terms(self, batch: Batch, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        """The terms of the loss; all series of a batch lack the same channels, as those of an archive do."""
        config = self.config
        seen = disturb(batch, generator)
        shown = one_archive(seen.valid, generator) if rng.random() < _ARCHIVES else seen.valid
        if rng.random() < _HIDDEN:
            shown = hide(shown, generator, float(rng.uniform(0.2, 0.75)))
        vectors = self.branch(*looked_at(seen, shown, config.model))
        told = reconstruction(config.model, self.decoder, vectors, batch, shown)
        terms = {
            "uniform": config.uniform * spread_terms(vectors)[1],
            "reconstruct": config.drill_reconstruct * told,
        }
        loss = self.tasks(vectors, vectors, batch.label, batch.zone, batch.place, generator)
        if loss is not None:
            terms["episode"] = loss
        return terms


def drill(
    config: PretrainConfig,
    branch: Branch,
    progress: Progress | None = None,
    *,
    state: Path | None = None,
    every: int = 200,
) -> History:
    """`config.drills` steps of the drilled branch, changed in place; no real data.

    Args:
        config: `drills`, `drill_reconstruct` and `uniform` decide, and model, seed, batch and optimiser.
        branch: as the seed drew it.
        progress: called after each step.
        state: file to keep the run's state in, also when it is done; where it is there, the run goes on from it.
        every: steps between two writings of the state.

    Raises:
        ModelError: a state of another run, or a damaged one.
    """
    learner = _Learner(config, branch).train()
    descent = Descent(
        learner, config, drill_name(config), "drills", steps=config.drills, state=state, every=every
    )
    countries = Countries(config.seed, config.batch)

    def terms(step: int) -> dict[str, Tensor]:
        return learner.terms(countries.draw(step, descent.rng), descent.rng, descent.generator)

    return descent.run(terms, progress)


def drill_name(config: PretrainConfig) -> str:
    """Of what the drills depend on: the rest of the config may change and the drills need not be done again."""
    kept = ("model", "seed", "batch", "learning_rate", "warmup", "weight_decay", "uniform")
    settings = {k: v for k, v in asdict(config).items() if k in kept or k.startswith("drill")}
    return run_name(settings, {"countries": _SERIES})
