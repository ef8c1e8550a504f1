"""A few drawn fields teach the network's last layer, and how high a border must be: no torch, and nothing by chance.

The last layer is refitted by cross-entropy with a prior: what it said before counts as much as `strength` pixels that
were drawn. All else stays as it was trained on a thousand fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from surco.adapters.boundaries.field_targets import UNKNOWN
from surco.adapters.boundaries.fields_net import FieldsNet
from surco.adapters.boundaries.object_scores import ObjectScores, score_objects

__all__ = ["scored_where_known", "tuned_head"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def tuned_head(
    network: FieldsNet,
    features: Sequence[Floats],
    targets: Sequence[tuple[Floats, Floats]],
    strength: float,
) -> FieldsNet:
    """The network with its last layer refitted.

    Args:
        network: as it was.
        features: (H, W, F) of each area, `FieldsNet.features`.
        targets: targets and weights (3, H, W) of each area, `field_targets.field_targets`.
        strength: pixels that the layer's former answers count as.

    A head of which only one answer is known, fields but nowhere none, stays as it was.
    """
    rows = np.concatenate([f.reshape(-1, f.shape[-1]) for f in features]).astype(np.float64)
    rows = np.column_stack([rows, np.ones(len(rows))])
    wanted = np.concatenate([t.reshape(3, -1).T for t, _ in targets])
    known = np.concatenate([w.reshape(3, -1).T for _, w in targets]) > 0
    head = np.vstack([network.tensors["head.weight"], network.tensors["head.bias"][None]]).astype(np.float64)
    for k in range(head.shape[1]):
        at = known[:, k]
        if at.any() and wanted[at, k].min() < 0.5 <= wanted[at, k].max():
            head[:, k] = _refitted(rows[at], wanted[at, k].astype(np.float64), head[:, k], strength)
    changed = {"head.weight": head[:-1].astype(np.float32), "head.bias": head[-1].astype(np.float32)}
    return replace(network, tensors={**network.tensors, **changed})


def _refitted(rows: Doubles, wanted: Doubles, before: Doubles, strength: float) -> Doubles:
    """Minimise the sum of cross-entropies plus half of `strength` times the mean squared change of the logits."""
    spread = rows.T @ rows / len(rows)

    def cost(weights: Doubles) -> tuple[float, Doubles]:
        logits, change = rows @ weights, weights - before
        held = strength * spread @ change
        entropy = np.logaddexp(0, logits) - wanted * logits
        slope = rows.T @ (1 / (1 + np.exp(-logits)) - wanted) + held
        return float(entropy.sum() + 0.5 * change @ held), slope

    found: Doubles = minimize(cost, before, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return found


def scored_where_known(found: npt.NDArray[np.int32], fields: npt.NDArray[np.int32]) -> ObjectScores:
    """Scores of found fields, those left out that lie mostly where nobody said whether there is one."""
    unknown = np.bincount(found.ravel(), (fields == UNKNOWN).ravel())
    dropped = unknown * 2 > np.bincount(found.ravel())
    return score_objects(np.where(dropped[found], 0, found), np.maximum(fields, 0))
