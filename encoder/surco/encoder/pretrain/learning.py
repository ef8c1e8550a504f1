"""The second stage: what labels of real places teach, beside reconstruction from a quarter of the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surco.encoder.network import Branch, SeasonDecoder
from surco.encoder.pretrain.config import PretrainConfig
from surco.encoder.pretrain.corpus import Batch, Dataset
from surco.encoder.pretrain.descent import Descent, Progress
from surco.encoder.pretrain.objectives import EpisodeHead, reconstruction, spread_terms
from surco.encoder.pretrain.resume import History
from surco.encoder.pretrain.views import disturb, hide, looked_at, thin_channels

__all__ = ["learn"]

_HALVED = 0.25
"""Share of the batches of whose rich views half of the tokens are hidden too, as of tables with gaps."""


class _Learner(nn.Module):
    """The branch, what reads it, and one linear head a labelled set."""

    def __init__(self, config: PretrainConfig, branch: Branch, sets: Sequence[Dataset]) -> None:
        super().__init__()
        self.config, self.branch = config, branch
        model = config.model
        self.decoder = SeasonDecoder(model.learned, model.bins, len(model.seen))
        self.episode = EpisodeHead()
        self.heads = nn.ModuleDict(
            {_key(d): nn.Linear(model.learned, len(d.classes)) for d in sets if len(d.classes) > 1}
        )

    def terms(self, dataset: Dataset, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """The terms of the loss of three views: two rich ones, disturbed apart, and one with most tokens hidden."""
        config = self.config
        seen, again = disturb(batch, generator), disturb(batch, generator)
        rich, also = (thin_channels(batch.valid, generator, config.thinned) for _ in range(2))
        if float(torch.rand(1, generator=generator)) < _HALVED:
            rich, also = (hide(shown, generator, 0.5) for shown in (rich, also))
        poor = hide(batch.valid, generator, config.hidden)
        views = ((seen, rich), (again, also), (seen, poor))
        full, other, part = (self.branch(*looked_at(*view, config.model)) for view in views)
        told = [
            reconstruction(config.model, self.decoder, vectors, batch, shown)
            for vectors, shown in ((full, rich), (part, poor))
        ]
        variance, uniform = spread_terms(full)
        terms = {
            "reconstruct": config.reconstruct * (0.7 * told[0] + 0.3 * told[1]),
            "agree": config.agree * (1.0 - F.cosine_similarity(part, full.detach()).mean()),
            "spread": config.spread * variance,
            "uniform": config.uniform * uniform,
        }
        # The mean over no labelled row is NaN: no gradient comes of it, but the history and the card would hold it.
        if config.classify and _key(dataset) in self.heads and bool((batch.label >= 0).any()):
            terms["classify"] = config.classify * self._classified(
                self.heads[_key(dataset)], full, part, batch.label
            )
        if config.episode:
            episode = self.episode(full, other, batch.label, batch.zone, batch.place, generator)
            if episode is not None:
                terms["episode"] = config.episode * episode
        return terms

    def _classified(self, head: nn.Module, full: Tensor, part: Tensor, label: Tensor) -> Tensor:
        """Cross-entropy of a linear head on both views; the hidden view counts half."""
        labelled, size = label >= 0, full.shape[1] ** 0.5
        losses = [
            F.cross_entropy(
                head(v[labelled] * size), label[labelled], label_smoothing=self.config.label_smoothing
            )
            for v in (full, part)
        ]
        return losses[0] * (2.0 / 3.0) + losses[1] / 3.0


def _key(dataset: Dataset) -> str:
    return dataset.name.replace(".", "_")


def learn(
    config: PretrainConfig,
    branch: Branch,
    datasets: Sequence[Dataset],
    name: str,
    progress: Progress | None = None,
    *,
    state: Path | None = None,
    every: int = 200,
) -> History:
    """`config.label_steps` steps of the learned branch, changed in place.

    Args:
        config: every choice of the run.
        branch: as the seed drew it.
        datasets: real sets are learned from where there are any; simulated ones serve the lessons alone then.
        name: of the run.
        progress: called after each step.
        state: file to keep the run's state in; where it is there, the run goes on from it.
        every: steps between two writings of the state.

    Raises:
        ModelError: a state of another run, or a damaged one.
    """
    sets = [d for d in datasets if d.zone is None] or list(datasets)
    learner = _Learner(config, branch, sets).train()
    descent = Descent(learner, config, name, "labels", steps=config.label_steps, state=state, every=every)
    share = np.array([d.weight for d in sets])

    def terms(step: int) -> dict[str, Tensor]:
        dataset = sets[int(descent.rng.choice(len(sets), p=share / share.sum()))]
        return learner.terms(dataset, dataset.draw(config.batch, descent.rng), descent.generator)

    return descent.run(terms, progress)
