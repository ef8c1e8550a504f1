"""The head through which an encoder is judged: ridge regression in closed form.

Its leave-group-out predictions are exact and need no second fit, so that every label teaches and judges at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["ClosedHead", "chosen_head", "folds_of", "left_out_loss", "split_loss"]

RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)
SCALES = (2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True, slots=True)
class ClosedHead:
    """Ridge regression of one-hot classes on centred vectors (R2D2, Bertinetto et al. 2019).

    `ridge` is the penalty in units of a vector's squared distance from the centre; `scale` is what the answers, which
    run from about 0 to 1, are multiplied by to be logits.
    """

    ridge: float = 0.3
    scale: float = 8.0


def folds_of(code: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """What is left out together (B,), and which rows can be judged at all (B,).

    Rows of one group are left out together, but those of a class that lives in a single group one by one: with their
    group all of their class would be gone. A row alone in its class cannot be judged.
    """
    classes, groups = code.cpu().numpy(), group.cpu().numpy()
    fold = groups.astype(np.int64)
    judged = np.ones(len(classes), bool)
    for c in np.unique(classes):
        rows = np.flatnonzero(classes == c)
        if len(np.unique(groups[rows])) == 1:
            fold[rows] = int(groups.max()) + 1 + rows
            judged[rows] = len(rows) > 1
    return torch.from_numpy(fold).to(code.device), torch.from_numpy(judged).to(code.device)


def left_out_loss(vectors: Tensor, code: Tensor, fold: Tensor, judged: Tensor, head: ClosedHead) -> Tensor:
    """Mean cross-entropy, each class counting alike, of what the head says of each fold when fitted on the others.

    With hat matrix H of ridge regression with an intercept, the answers for a fold f left out are
    y_f - (I - H_ff)^-1 (y_f - H_f y): the block form of the PRESS residual (Allen 1974; Cook and Weisberg 1982).

    Args:
        vectors: (B, D).
        code: (B,) class numbers.
        fold: (B,) rows of one number are left out together.
        judged: (B,) rows that count.
        head: ridge and scale.
    """
    targets = F.one_hot(code, int(code.max()) + 1).to(vectors.dtype)
    x = _standard(vectors, vectors)
    gram = x @ x.T
    n = len(x)
    eye = torch.eye(n, dtype=x.dtype, device=x.device)
    hat = torch.linalg.solve(gram + _penalty(x, head) * eye, gram) + 1.0 / n
    together = fold[:, None] == fold[None, :]
    blocks = torch.where(together, eye - hat, torch.zeros_like(hat))
    answers = targets - torch.linalg.solve(blocks, targets - hat @ targets)
    return _balanced(head.scale * answers[judged], code[judged])


def split_loss(
    support: Tensor, support_code: Tensor, query: Tensor, query_code: Tensor, classes: int, head: ClosedHead
) -> Tensor:
    """Mean cross-entropy, each class counting alike, of the head fitted on (S, D) `support` and asked of `query`."""
    targets = F.one_hot(support_code, classes).to(support.dtype)
    prior = targets.mean(0, keepdim=True)
    x, asked = _standard(support, support), _standard(query, support)
    inner = x.T @ x + _penalty(x, head) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    answers = asked @ torch.linalg.solve(inner, x.T @ (targets - prior)) + prior
    return _balanced(head.scale * answers, query_code)


def chosen_head(vectors: Tensor, code: Tensor, fold: Tensor, judged: Tensor) -> ClosedHead:
    """The ridge and scale with the least `left_out_loss` of these vectors, among a grid of twenty."""
    with torch.no_grad():
        heads = [ClosedHead(ridge, scale) for ridge, scale in product(RIDGES, SCALES)]
        losses = [float(left_out_loss(vectors, code, fold, judged, head)) for head in heads]
    return heads[losses.index(min(losses))]


def _standard(vectors: Tensor, reference: Tensor) -> Tensor:
    """Centred on the reference and divided by one number, its root mean variance, which no gradient can inflate."""
    centre = reference.mean(0, keepdim=True)
    size = (reference - centre).pow(2).mean().sqrt().detach().clamp_min(1e-6)
    return (vectors - centre) / size


def _penalty(standard: Tensor, head: ClosedHead) -> float:
    """The ridge in the units of a Gram matrix of standard vectors, whose diagonal is about D."""
    return head.ridge * standard.shape[1]


def _balanced(logits: Tensor, code: Tensor) -> Tensor:
    loss = F.cross_entropy(logits, code, reduction="none")
    _, which, count = torch.unique(code, return_inverse=True, return_counts=True)
    mean: Tensor = (loss / count[which]).sum() / len(count)
    return mean
