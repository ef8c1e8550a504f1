"""What the bandit looks at before it chooses: a campaign's state as a few numbers of about the same size."""

from __future__ import annotations

import faiss
import numpy as np
import numpy.typing as npt

from surco.adapters.next_label.campaign import Campaign

__all__ = ["FEATURES", "context_of"]

Doubles = npt.NDArray[np.float64]

FEATURES = (
    "constant",
    "labels",
    "labels a class",
    "classes",
    "entropy",
    "disagreement",
    "class imbalance",
    "region imbalance",
    "coverage",
)
"""Names of a context's numbers, in order."""


def context_of(campaign: Campaign) -> Doubles:
    """The context (F,) of a campaign in which an adapter has a guess; see `FEATURES`.

    Labels and labels a class as log10(1 + n) / 2; classes as log10(K); entropy as a share of log K, mean over the
    candidates; disagreement: share of candidates whose likeliest class is not that of the nearest label; imbalances in
    0..1: of classes, what the entropy of the label counts lacks to log K; of regions, the total variation between the
    labels' and the table's shares; coverage as in `Coverage.mean`.

    Raises:
        RuntimeError: no guess.
    """
    guess, labelled = campaign.guess, campaign.labelled
    if guess is None:
        raise RuntimeError("a campaign without a guess has no context")
    classes = max(len(guess.classes), 2)
    return np.array(
        [
            1.0,
            np.log10(1.0 + len(labelled)) / 2,
            np.log10(1.0 + len(labelled) / classes) / 2,
            np.log10(classes),
            float(guess.entropy().mean()) / np.log(classes),
            _disagreement(campaign),
            1.0 - _entropy(campaign.class_counts()) / np.log(classes),
            _region_imbalance(campaign),
            campaign.coverage.mean(),
        ]
    )


def _disagreement(campaign: Campaign) -> float:
    if campaign.guess is None or not len(campaign.labelled):
        return 0.0
    near = np.ascontiguousarray(campaign.labelled.vectors)
    _, kin = faiss.knn(np.ascontiguousarray(campaign.candidates), near, 1)
    likeliest = campaign.guess.classes.astype(str)[campaign.guess.probability.argmax(axis=1)]
    return float((likeliest != campaign.labelled.label[kin[:, 0]]).mean())


def _entropy(counts: Doubles) -> float:
    shares = counts[counts > 0] / max(counts.sum(), 1.0)
    return float(-(shares * np.log(shares)).sum())


def _region_imbalance(campaign: Campaign) -> float:
    counts = campaign.region_counts()
    if not counts.sum():
        return 0.0
    return float(np.abs(counts / counts.sum() - campaign.region_share).sum()) / 2
