"""The training loop: deterministic by seed, one thread or many, with a history of every term."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surco.encoder.model import SeriesDecoder, SeriesEncoder
from surco.encoder.pretrain.assembling import assemble
from surco.encoder.pretrain.config import PretrainConfig
from surco.encoder.pretrain.corpus import Batch, Dataset
from surco.encoder.pretrain.lessons import Lessons, draw_lesson, prepare_lessons
from surco.encoder.pretrain.objectives import EpisodeHead, lesson_error, reconstruction, spread_terms
from surco.encoder.pretrain.resume import History, load_state, run_name, save_state
from surco.encoder.pretrain.views import disturb, hide, thin_channels
from surco.encoder.protocol import Encoder

__all__ = ["TrainResult", "train"]


@dataclass(frozen=True)
class TrainResult:
    """The trained and assembled encoder, and for every step the value of each term of the loss."""

    model: SeriesEncoder
    history: dict[str, list[float]]


class _Learner(nn.Module):
    """Everything with parameters in a run: the encoder, what reads its vectors, one linear head a labelled set."""

    def __init__(self, config: PretrainConfig, datasets: Sequence[Dataset]) -> None:
        super().__init__()
        self.encoder = SeriesEncoder(config.model)
        self.decoder = SeriesDecoder(config.model)
        self.episode = EpisodeHead()
        self.heads = nn.ModuleDict(
            {_key(d): nn.Linear(config.model.learned, len(d.classes)) for d in datasets if len(d.classes) > 1}
        )


def _key(dataset: Dataset) -> str:
    return dataset.name.replace(".", "_")


def train(
    config: PretrainConfig,
    datasets: Sequence[Dataset],
    progress: Callable[[int, int, str], None] | None = None,
    *,
    teacher: Encoder | None = None,
    cache: Path | None = None,
    state: Path | None = None,
    every: int = 200,
) -> TrainResult:
    """Train an encoder on the data sets, a batch from one of them and one of lessons a step.

    The same config and data give the same weights on the same machine and thread count, also when the run was stopped
    and went on.

    Args:
        config: every choice of the run.
        datasets: what is trained on.
        progress: called as `progress(done, total, text)` after each step, and while the teachers are asked.
        teacher: a published encoder to learn from beside the season's components.
        cache: folder that keeps the teacher's answers for the next run.
        state: file to keep the run's state in; where it is there, the run goes on from it.
        every: steps between two writings of the state.

    Raises:
        ModelError: a state of another run, or a damaged one.
    """
    torch.manual_seed(config.seed)
    rng, generator = np.random.default_rng(config.seed), torch.Generator().manual_seed(config.seed)
    learner = _Learner(config, datasets).train()
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
    )
    taught_by = {f"teacher {teacher.model_id}": 1} if teacher else {}
    name = run_name(config, {d.name: len(d.label) for d in datasets} | taught_by)
    done, history = 0, History()
    if state is not None and state.is_file():
        done, history = load_state(state, name, learner, optimizer, rng, generator)
    # After the state, which may be refused, because a teacher takes minutes; it draws from no generator of the run.
    lessons = prepare_lessons(config, datasets, teacher if config.lesson else None, cache, progress)
    for step in range(done, config.steps):
        _step(config, learner, optimizer, datasets, lessons, step, rng, generator, history)
        if progress:
            text = "  ".join(f"{k} {np.mean(v[-100:]):.3f}" for k, v in history.items())
            progress(step + 1, config.steps, text)
        if state is not None and (step + 1) % every == 0:
            save_state(state, name, step + 1, learner, optimizer, rng, generator, history)
    model = learner.encoder.eval()
    assemble(
        model,
        lessons,
        taught=float(config.lesson > 0.0),
        learned=config.blend,
        season=config.carry,
        around=config.around,
        power=config.power,
        level=config.level,
        focus=config.focus,
        seed=config.seed,
    )
    return TrainResult(model, history)


def _step(
    config: PretrainConfig,
    learner: _Learner,
    optimizer: torch.optim.Optimizer,
    datasets: Sequence[Dataset],
    lessons: Sequence[Lessons],
    step: int,
    rng: np.random.Generator,
    generator: torch.Generator,
    history: History,
) -> None:
    share = np.array([d.weight for d in datasets])
    dataset = datasets[int(rng.choice(len(datasets), p=share / share.sum()))]
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * _schedule(step, config)
    terms = _terms(config, learner, dataset, dataset.draw(config.batch, rng), rng, generator)
    if config.lesson:
        terms["lesson"] = config.lesson * lesson_error(
            learner.encoder, *draw_lesson(lessons, config.batch, rng)
        )
    loss = torch.stack(list(terms.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
    optimizer.step()
    for name, value in terms.items():
        history.setdefault(name, []).append(float(value.detach()))


def _schedule(step: int, config: PretrainConfig) -> float:
    """Linear warm-up, then a cosine down to 2 %."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * done))


def _terms(
    config: PretrainConfig,
    learner: _Learner,
    dataset: Dataset,
    batch: Batch,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    seen = disturb(batch, generator)
    rich = thin_channels(seen.valid, generator, config.thinned)
    poor = hide(seen.valid, generator, config.hidden)
    _, full, *_ = learner.encoder.parts(seen.values, rich, seen.days, seen.lonlat, seen.static)
    _, part, *_ = learner.encoder.parts(seen.values, poor, seen.days, seen.lonlat, seen.static)
    variance, uniform = spread_terms(full)
    terms = {
        "reconstruct": config.reconstruct
        * (
            0.7 * reconstruction(learner.decoder, full, batch, rich)
            + 0.3 * reconstruction(learner.decoder, part, batch, poor)
        ),
        "agree": config.agree * (1.0 - F.cosine_similarity(part, full.detach()).mean()),
        "spread": config.spread * variance,
        "uniform": config.uniform * uniform,
    }
    prefix = int(rng.choice(config.prefixes))
    short = [F.normalize(v[:, :prefix], dim=1) for v in (full, part)]
    # The mean over no labelled row is NaN: no gradient comes of it, but the history and the card would hold it.
    if config.classify and _key(dataset) in learner.heads and bool((batch.label >= 0).any()):
        terms["classify"] = config.classify * _classification(
            config, learner.heads[_key(dataset)], short, batch.label
        )
    if (
        config.episode
        and (episode := learner.episode(short[0], batch.label, batch.zone, generator)) is not None
    ):
        terms["episode"] = config.episode * episode
    return terms


def _classification(
    config: PretrainConfig, head: nn.Module, views: Sequence[Tensor], label: Tensor
) -> Tensor:
    """Cross-entropy of a linear head on a prefix of both views; the hidden view counts half."""
    labelled = label >= 0
    losses = []
    for vectors in views:
        length = config.model.learned
        padded = F.pad(vectors, (0, length - vectors.shape[1])) * length**0.5
        losses.append(
            F.cross_entropy(head(padded[labelled]), label[labelled], label_smoothing=config.label_smoothing)
        )
    return losses[0] * (2.0 / 3.0) + losses[1] / 3.0
