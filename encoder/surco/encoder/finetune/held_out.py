"""How many steps help: loss on whole groups held out, after each step on the others."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from surco.encoder.finetune.closed_head import ClosedHead, folds_of, split_loss
from surco.encoder.finetune.errors import FineTuneError
from surco.encoder.finetune.inner_loop import InnerLoop, descend, head_for
from surco.encoder.finetune.tasks import Task, task_vectors
from surco.encoder.model import SeriesEncoder

__all__ = ["held_out_losses", "looks"]

Doubles = npt.NDArray[np.float64]
EVERY = 2
"""Steps between two looks at the labels held out."""


def held_out_losses(
    model: SeriesEncoder,
    task: Task,
    loop: InnerLoop,
    folds: int,
    seed: int,
    progress: Callable[[int, int, str], None] | None,
) -> Doubles:
    """Mean loss of what was held out, at each of `looks`; the model is left as it is.

    Raises:
        FineTuneError: no fold leaves two classes to learn and a row to judge.
    """
    curves, weights = [], []
    for number, (kept, held) in enumerate(_splits(task, folds, seed)):
        curve = _curve(model, task.rows(kept), task.rows(held), loop, np.random.default_rng((seed, number)))
        curves.append(curve)
        weights.append(len(held))
        if progress:
            progress(
                number + 1,
                folds,
                f"held out: {curve.min():.3f} at step {looks(loop.steps)[int(curve.argmin())]}",
            )
    if not curves:
        raise FineTuneError(
            f"Expected labels that can be split into {folds} folds with two classes to learn in each, got "
            f"{len(task)} labels in {int(task.group.max()) + 1} groups. Label more places, or give folds=0."
        )
    mean: Doubles = np.average(curves, axis=0, weights=weights)
    return mean


def looks(steps: int) -> list[int]:
    """Numbers of steps after which the labels held out are looked at, 0 and the last among them."""
    return sorted({*range(0, steps + 1, EVERY), steps})


def _splits(task: Task, folds: int, seed: int) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Rows to learn from and rows held out; only rows whose class is still learned are held out."""
    code = task.code.cpu().numpy()
    unit = folds_of(task.code, task.group)[0].cpu().numpy()
    names = np.random.default_rng(seed).permutation(np.unique(unit))
    number = dict(zip(names.tolist(), (np.arange(len(names)) % folds).tolist(), strict=True))
    fold = np.array([number[u] for u in unit.tolist()])
    found = []
    for k in range(folds):
        count = np.bincount(code[fold != k], minlength=task.classes)
        known = count[code] > 1
        kept, held = np.flatnonzero((fold != k) & known), np.flatnonzero((fold == k) & known)
        if len(held) and (count > 1).sum() > 1:
            found.append((kept, held))
    return found


def _curve(
    model: SeriesEncoder, kept: Task, held: Task, loop: InnerLoop, rng: np.random.Generator
) -> Doubles:
    """Loss of the rows held out at each of `looks`, while the others move the weights."""
    moved = copy.deepcopy(model)
    head = head_for(moved, kept)
    losses = [_held_out_loss(moved, kept, held, head)]

    def look(step: int) -> None:
        if step in looks(loop.steps):
            losses.append(_held_out_loss(moved, kept, held, head))

    descend(moved, kept, loop, rng, head, look)
    return np.array(losses)


def _held_out_loss(model: SeriesEncoder, kept: Task, held: Task, head: ClosedHead) -> float:
    classes = max(kept.classes, held.classes)
    with torch.no_grad():
        vectors, asked = task_vectors(model, kept), task_vectors(model, held)
        return float(split_loss(vectors, kept.code, asked, held.code, classes, head))
