"""Fine-tune an encoder on one labelled task, as far as labels held out say that it helps."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from surco.encoder.finetune.errors import FineTuneError
from surco.encoder.finetune.held_out import held_out_losses, looks
from surco.encoder.finetune.inner_loop import InnerLoop, Update, descend
from surco.encoder.finetune.tasks import labelled_task
from surco.encoder.model import SeriesEncoder
from surco.encoder.samples import SampleSeries
from surco.encoder.surco_encoder import SurcoEncoder

__all__ = ["fine_tune", "renamed", "require_ours"]

_OF_A_FILE = ("format", "sha256", "parameters", "config")


def fine_tune(
    encoder: SurcoEncoder,
    series: SampleSeries,
    labels: Sequence[str] | None = None,
    groups: Sequence[object] | None = None,
    *,
    update: Update = "all",
    steps: int = 12,
    learning_rate: float = 1e-3,
    proximal: float = 0.01,
    folds: int = 2,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> SurcoEncoder:
    """An encoder whose weights were moved towards one task; the encoder given is left as it is.

    The number of steps is chosen by cross-validation with whole groups held out, among 0 to `steps`; then all labels
    are used for that many. The same arguments give the same weights on the same machine and thread count. The result
    is for this task: its vectors are not comparable with those of the first encoder, and other tasks may get worse.

    Args:
        encoder: the shipped network, or one of `meta_train_encoder`.
        series: N labelled series.
        labels: N class names; None takes the series' own.
        groups: N spatial groups; None takes the series' own, or every row for itself where they have none.
        update: "last" moves the layer that makes the vector, "head" the two heads before it too, "all" everything.
        steps: at most so many steps.
        learning_rate: of Adam.
        proximal: pull to the first weights, see `InnerLoop`.
        folds: of the cross-validation; 0 leaves it out and takes all steps.
        seed: of the folds and of the rows drawn.
        progress: called as `progress(done, total, text)`.

    Returns:
        An encoder with a model id of its own, or `encoder` itself where no step helped labels held out. Write it with
        `checkpoint.save_checkpoint(path, tuned.model, tuned.card)`; `surco encode --model PATH` takes it.

    Raises:
        FineTuneError: labels that nothing can be learned from, settings out of range, an encoder without our weights.
    """
    require_ours(encoder)
    loop = InnerLoop(update, steps, learning_rate, proximal)
    _check(steps, folds)
    task, classes = labelled_task(
        series,
        [str(x) for x in series.label] if labels is None else labels,
        _own_groups(series) if groups is None else groups,
        encoder.model.config,
        encoder.arithmetic.device,
    )
    losses = held_out_losses(encoder.model, task, loop, folds, seed, progress) if folds else None
    taken = steps if losses is None else looks(steps)[int(np.argmin(losses))]
    if taken == 0:
        return encoder
    model = copy.deepcopy(encoder.model)
    descend(
        model, task, InnerLoop(update, taken, learning_rate, proximal), np.random.default_rng((seed, folds))
    )
    counts = np.bincount(task.code.cpu().numpy()).tolist()
    record = {
        "method": "fine-tuned",
        "update": update,
        "steps": taken,
        "most_steps": steps,
        "learning_rate": learning_rate,
        "proximal": proximal,
        "folds": folds,
        "seed": seed,
        "labels_per_class": dict(zip(classes, counts, strict=True)),
        "groups": int(task.group.max()) + 1,
        "held_out_loss": {} if losses is None else _by_step(steps, losses.tolist()),
    }
    return renamed(encoder, model, record)


def renamed(encoder: SurcoEncoder, model: SeriesEncoder, record: dict[str, Any]) -> SurcoEncoder:
    """An encoder of moved weights with a card of its own: the first one's, `record`, and an id made of the weights.

    Weights are rounded to half precision first, as a file holds them, so that vectors do not change on saving.
    """
    digest = hashlib.sha256()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            rounded = value.to(torch.float16)
            value.copy_(rounded.to(value.dtype))
            digest.update(name.encode() + rounded.cpu().numpy().tobytes())
    card = {k: v for k, v in encoder.card.items() if k not in _OF_A_FILE}
    root = str(card["model_id"]).split(".tuned-")[0]
    before = [*card.get("tuned", []), {"from": card["model_id"], **record}]
    card |= {"model_id": f"{root[:100]}.tuned-{digest.hexdigest()[:12]}", "tuned": before}
    return SurcoEncoder.of_model(model, card, encoder.arithmetic)


def require_ours(encoder: object) -> None:
    """Raise FineTuneError for an encoder whose weights are not our network's."""
    if not isinstance(encoder, SurcoEncoder):
        raise FineTuneError(
            f"Expected our own encoder (SurcoEncoder), got {type(encoder).__name__}. "
            "Published encoders are taken frozen: load surco-nano, or weights of surco pretrain."
        )


def _check(steps: int, folds: int) -> None:
    if steps < 1 or folds < 0 or folds == 1:
        raise FineTuneError(
            f"Expected steps of 1 or more and folds of 0 (take all steps) or 2 and more, got steps={steps}, "
            f"folds={folds}. Correct the setting."
        )


def _by_step(steps: int, losses: list[float]) -> dict[str, float]:
    return {str(k): round(x, 5) for k, x in zip(looks(steps), losses, strict=True)}


def _own_groups(series: SampleSeries) -> list[object] | None:
    return list(series.group) if any(series.group) else None
