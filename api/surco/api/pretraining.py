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
    steps: int | None = None,
    seed: int = 0,
    teacher: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> str:
    """Train an encoder and write `out` (safetensors), its card (`.json`) and its loss curves (`.png`).

    The state is kept in `out` + `.state`, and the teacher's answers in `out` + `.teacher`, until the run is done; the
    same command goes on from them. `teacher` is a name for `load_encoder`.

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

    config = replace(PretrainConfig(), seed=seed)
    if steps is not None:
        config = replace(config, steps=steps)
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
    state.unlink(missing_ok=True)
    shutil.rmtree(answers, ignore_errors=True)
    return (
        f"{name}: {config.steps} steps on {len(datasets)} sets in {time.monotonic() - began:.0f} s -> {out}"
    )
