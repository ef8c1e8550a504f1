"""Every choice of a training run in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from surco.encoder.model import ModelConfig

__all__ = ["PretrainConfig"]


@dataclass(frozen=True)
class PretrainConfig:
    """A training run.

    Three stages, each of its own part of the encoder: `drills` steps on tasks of made-up countries (see `drilling`),
    `label_steps` on labelled series (see `learning`; few, because there are few labels), and `steps` on what teachers
    say (see `lessons`). Weights of objectives are factors in the summed loss; 0 leaves an objective out.

    `hidden` is the share of tokens that the poor view lacks, `thinned` the share of series whose rich view is cut to
    the channels of another archive; `lesson` weighs what teachers say (0: nobody is asked, and the taught numbers stay
    out), `variants` is how many made series of each set they are asked about.

    The last layer (see `assembling`): `blend` and `metric` are the weights of what was learned from labels and of what
    was drilled beside what was taught, `carry` that of the season itself, `around` that of the surroundings, `power`
    what the sizes of the components are raised to, `focus` how far directions in which classes differ are drawn out,
    and `level` its constant.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    seed: int = 0
    drills: int = 12_000
    label_steps: int = 300
    steps: int = 2000
    batch: int = 384
    learning_rate: float = 1.5e-3
    warmup: int = 150
    weight_decay: float = 0.02
    hidden: float = 0.75
    thinned: float = 0.35
    drill_reconstruct: float = 0.3
    lesson: float = 1.0
    variants: int = 5000
    reconstruct: float = 1.0
    agree: float = 0.1
    classify: float = 0.3
    episode: float = 1.0
    spread: float = 0.0
    uniform: float = 0.05
    label_smoothing: float = 0.1
    blend: float = 0.4
    metric: float = 0.5
    carry: float = 1.0
    around: float = 0.4
    power: float = 0.6
    focus: float = 0.7
    level: float = 1.0
