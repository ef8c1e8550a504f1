"""Training: three stages, each of a part of the encoder, then the last layer; deterministic by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from surco.encoder.errors import ModelError
from surco.encoder.model import SeriesEncoder
from surco.encoder.network import Branch
from surco.encoder.pretrain.assembling import assemble
from surco.encoder.pretrain.config import PretrainConfig
from surco.encoder.pretrain.corpus import Dataset
from surco.encoder.pretrain.descent import Descent, Progress
from surco.encoder.pretrain.drilling import drill, drill_name
from surco.encoder.pretrain.learning import learn
from surco.encoder.pretrain.lessons import Lessons, draw_lesson, prepare_lessons
from surco.encoder.pretrain.objectives import lesson_error
from surco.encoder.pretrain.resume import History, check_state, run_name
from surco.encoder.protocol import Encoder

__all__ = ["TrainResult", "train"]


@dataclass(frozen=True)
class TrainResult:
    """The trained and assembled encoder, and for every step the value of each term of the loss.

    Names of terms begin with `drill_` or `label_`, and `lesson` is the third stage's only one.
    """

    model: SeriesEncoder
    history: History


@dataclass(frozen=True)
class _States:
    """Files of the stages' states, None where none is kept."""

    drills: Path | None
    labels: Path | None
    lessons: Path | None


def train(
    config: PretrainConfig,
    datasets: Sequence[Dataset],
    progress: Progress | None = None,
    *,
    teacher: Encoder | None = None,
    cache: Path | None = None,
    state: Path | None = None,
    drills: Path | None = None,
    every: int = 200,
) -> TrainResult:
    """Train an encoder.

    The same config and data give the same weights on the same machine and thread count, also when the run was stopped
    and went on.

    Args:
        config: every choice of the run.
        datasets: what is trained on after the drills.
        progress: called as `progress(done, total, text)` after each step, and while the teachers are asked.
        teacher: a published encoder to learn from beside the season's components.
        cache: folder that keeps the teacher's answers for the next run.
        state: folder to keep the stages' states in; where there is one, the run goes on from it.
        drills: file to keep the state of the drills in instead: they look at no data set, so runs may share it.
        every: steps between two writings of a state.

    Raises:
        ModelError: a state of another run, a damaged one, or a model without branches.
    """
    taught_by = {f"teacher {teacher.model_id}": 1} if teacher else {}
    name = run_name(asdict(config), {d.name: len(d.label) for d in datasets} | taught_by)
    kept = _states(state, drills, config, name)
    torch.manual_seed(config.seed)
    encoder = SeriesEncoder(config.model)
    if not isinstance(encoder.learned, Branch):
        raise ModelError(
            "Expected a model with branches, got one of a single trunk. Leave `branches` as it is."
        )
    history: History = {}
    if config.model.drilled:
        told = drill(config, encoder.drilled, progress, state=kept.drills, every=every)
        history |= {f"drill_{k}": v for k, v in told.items()}
    told = learn(config, encoder.learned, datasets, name, progress, state=kept.labels, every=every)
    history |= {f"label_{k}": v for k, v in told.items()}
    lessons = prepare_lessons(config, datasets, teacher if config.lesson else None, cache, progress)
    if config.lesson:
        history |= _teach(config, encoder, lessons, name, progress, kept.lessons, every)
    assemble(
        encoder.eval(),
        lessons,
        taught=float(config.lesson > 0.0),
        learned=config.blend,
        drilled=config.metric,
        season=config.carry,
        around=config.around,
        power=config.power,
        level=config.level,
        focus=config.focus,
        seed=config.seed,
    )
    return TrainResult(encoder, history)


def _states(state: Path | None, drills: Path | None, config: PretrainConfig, name: str) -> _States:
    """Where the states are; one of another run is refused before a stage is begun, for each takes minutes."""
    if state is None:
        return _States(drills, None, None)
    state.mkdir(parents=True, exist_ok=True)
    kept = _States(drills or state / "drills", state / "labels", state / "lessons")
    for path, run in ((kept.drills, drill_name(config)), (kept.labels, name), (kept.lessons, name)):
        if path is not None and path.is_file():
            check_state(path, run)
    return kept


def _teach(
    config: PretrainConfig,
    encoder: SeriesEncoder,
    lessons: Sequence[Lessons],
    name: str,
    progress: Progress | None,
    state: Path | None,
    every: int,
) -> History:
    """The third stage: `config.steps` of what the teachers said."""
    learner = nn.ModuleDict({k: getattr(encoder, k) for k in ("trunk", "taught", "straight")}).train()
    descent = Descent(learner, config, name, "lessons", steps=config.steps, state=state, every=every)

    def terms(step: int) -> dict[str, Tensor]:
        lesson = draw_lesson(lessons, config.batch, descent.rng)
        return {"lesson": config.lesson * lesson_error(encoder, *lesson)}

    return descent.run(terms, progress)
