"""Every choice of a training run in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from surco.encoder.model import ModelConfig

__all__ = ["PretrainConfig"]


@dataclass(frozen=True)
class PretrainConfig:
    """A training run.

    Weights of objectives are factors in the summed loss; 0 leaves an objective out. `hidden` is the share of tokens
    that the poor view lacks, `thinned` the share of series whose rich view is cut to the channels of another archive;
    `prefixes` are the lengths at which the supervised objectives also read what is learned (Matryoshka). `lesson`
    weighs what teachers say, `variants` is how many made series of each set they are asked about, `blend` the weight
    of what was learned from labels beside what was taught in the assembled vector, `carry` that of the season itself,
    `around` that of the surroundings, `power` what the sizes of its components are raised to, `focus` how far
    directions in which classes differ are drawn out, and `level` its constant (see `assembling`).
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    seed: int = 0
    steps: int = 2400
    batch: int = 384
    learning_rate: float = 1.5e-3
    warmup: int = 150
    weight_decay: float = 0.02
    hidden: float = 0.75
    thinned: float = 0.35
    lesson: float = 2.0
    variants: int = 5000
    reconstruct: float = 1.0
    agree: float = 0.1
    classify: float = 0.3
    episode: float = 0.4
    spread: float = 0.0
    uniform: float = 0.05
    label_smoothing: float = 0.1
    prefixes: tuple[int, ...] = (16, 32, 64)
    blend: float = 0.55
    carry: float = 1.0
    around: float = 0.4
    power: float = 0.6
    focus: float = 0.5
    level: float = 1.0
