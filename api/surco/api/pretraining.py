"""`surco pretrain`: corpora in, weights with their card and curves out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from surco.api.errors import ApiError

__all__ = ["pretrain"]


def pretrain(
    samples: Path,
    out: Path,
    *,
    name: str,
    without: tuple[str, ...] = (),
    simulated: int = 30_000,
    drills: int | None = None,
    label_steps: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    teacher: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> str:
    """Train an encoder and write `out` (safetensors), its card (`.json`) and its loss curves (`.png`).

    The states are kept in the folder `out` + `.state`, and the teacher's answers in `out` + `.teacher`, until the run
    is done; the same command goes on from them. `teacher` is a name for `load_encoder`;
    `drills`, `label_steps` and `steps` are those of the stages, as `PretrainConfig` has them where they are None.

    Returns:
        What was done, for people.

    Raises:
        ApiError: `out` is no name of a safetensors file.
        EncoderError: sample tables, a teacher or a state that cannot be used.
    """
    if out.suffix != ".safetensors":
        raise ApiError(f"Expected --out to end in .safetensors, got {out}. Name the weights' file so.")
    from surco.encoder import load_encoder
    from surco.encoder.checkpoint import save_checkpoint  # torch: seconds to import
    from surco.encoder.pretrain import (
        CREDITS,
        PretrainConfig,
        draw_curves,
        read_corpora,
        simulated_corpora,
        train,
    )

    usual = PretrainConfig()
    config = replace(
        usual,
        seed=seed,
        drills=usual.drills if drills is None else drills,
        label_steps=usual.label_steps if label_steps is None else label_steps,
        steps=usual.steps if steps is None else steps,
    )
    taught_by = None if teacher is None else load_encoder(teacher)
    datasets = [*read_corpora(samples, without), *(simulated_corpora(simulated, seed) if simulated else [])]
    out.parent.mkdir(parents=True, exist_ok=True)
    state = out.with_name(out.name + ".state")
    answers = out.with_name(out.name + ".teacher")
    began = time.monotonic()
    result = train(config, datasets, progress, teacher=taught_by, cache=answers, state=state)
    card = {
        "model_id": name,
        "licence": "Apache-2.0",
        "credits": CREDITS,
        "data": {d.name: len(d.label) for d in datasets},
        "teacher": None if taught_by is None else taught_by.model_id,
        "training": {k: v for k, v in asdict(config).items() if k != "model"},
        "final_loss": {k: round(sum(v[-100:]) / len(v[-100:]), 4) for k, v in result.history.items()},
    }
    save_checkpoint(out, result.model, card)
    draw_curves(result.history, out.with_suffix(".png"))
    shutil.rmtree(state, ignore_errors=True)
    shutil.rmtree(answers, ignore_errors=True)
    took = (
        f"{config.drills} + {config.label_steps} + {config.steps} steps in {time.monotonic() - began:.0f} s"
    )
    return f"{name}: {took} on {len(datasets)} sets -> {out}"
