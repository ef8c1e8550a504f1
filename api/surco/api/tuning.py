"""`surco fine-tune`: labelled series and an encoder in, weights of another encoder with their card out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from surco.api.errors import ApiError

__all__ = ["tune_into"]


def tune_into(
    samples: Path,
    out: Path,
    *,
    model: str = "surco-nano",
    update: str = "all",
    steps: int = 12,
    seed: int = 0,
    reflectance_scale: float = 1.0,
    progress: Callable[[int, int, str], None] | None = None,
) -> str:
    """Tune an encoder and write `out` (safetensors) and its card (`.json`); nothing where no step helped.

    Returns:
        What was done, for people.

    Raises:
        ApiError: `out` is no name of a safetensors file, or is there already.
        EncoderError: a table, labels, settings or an encoder that cannot be used.
    """
    if out.suffix != ".safetensors" or out.exists():
        raise ApiError(
            f"Expected --out to be a new file that ends in .safetensors, got {out}. Give the tuned weights a name of "
            "their own."
        )
    from surco.encoder import load_encoder, read_samples
    from surco.encoder.checkpoint import save_checkpoint  # torch: seconds to import
    from surco.encoder.finetune import fine_tune

    began = time.monotonic()
    series = read_samples(samples, reflectance_scale=reflectance_scale)
    encoder = cast(Any, load_encoder(model))  # one that is not ours is refused by fine_tune
    tuned = fine_tune(encoder, series, update=cast(Any, update), steps=steps, seed=seed, progress=progress)
    if tuned is encoder:
        return f"No step helped the labels held out: {encoder.model_id} serves them best as it is; {out} is not written"
    save_checkpoint(out, tuned.model, tuned.card)
    record = tuned.card["tuned"][-1]
    return (
        f"{tuned.model_id}: {record['steps']} steps on {sum(record['labels_per_class'].values())} labels of "
        f"{len(record['labels_per_class'])} classes in {time.monotonic() - began:.0f} s -> {out}; "
        f"next: surco encode --model {out}"
    )
