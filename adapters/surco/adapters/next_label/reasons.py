"""Why a place was chosen, in words for the one who goes there."""

from __future__ import annotations

import numpy as np

from surco.adapters.next_label.campaign import Campaign, Guess
from surco.embedstore import Sentence

__all__ = ["CHANCE_REASON", "reason"]

CHANCE_REASON = Sentence(
    "drawn by chance, so that areas and accuracies stay unbiased: visit it even if it looks dull",
    "why-chance",
)


def reason(arm: str, campaign: Campaign, row: int) -> str:
    """One sentence on a candidate of a campaign, by the arm that took it."""
    guess = campaign.guess
    if arm == "herding":
        likeness = campaign.coverage.covered[row]
        return Sentence(
            f"like many places, and unlike those visited (likeness to the nearest {likeness:.2f})",
            "why-herding",
            likeness=float(likeness),
        )
    if arm == "typicality":
        return Sentence("typical of a group of places of which none was visited, or few", "why-typical")
    if arm == "novelty" or guess is None:
        return Sentence(
            f"least like any place visited (likeness to the nearest {campaign.coverage.covered[row]:.2f})",
            "why-novel",
            likeness=float(campaign.coverage.covered[row]),
        )
    if arm == "under-representation":
        return _lacking(campaign, guess, row)
    return _doubted(guess, row, arm)


def _lacking(campaign: Campaign, guess: Guess, row: int) -> str:
    counts, regions = campaign.class_counts(), campaign.region_counts()
    best = int(np.argmax(guess.probability[row] / (counts + 0.5)))
    labels = f"{int(counts[best])} label{'' if counts[best] == 1 else 's'}"
    region = f"; its region has {int(regions[campaign.region[row]])}" if len(regions) > 1 else ""
    return Sentence(
        f"may be {guess.classes[best]} ({guess.probability[row, best]:.2f}), which has {labels}{region}",
        "why-lacking",
        name=str(guess.classes[best]),
        probability=float(guess.probability[row, best]),
        count=int(counts[best]),
    )


def _doubted(guess: Guess, row: int, arm: str) -> str:
    order = np.argsort(-guess.probability[row], kind="stable")[:2]
    words = " or ".join(f"{guess.classes[k]} ({guess.probability[row, k]:.2f})" for k in order)
    gain = ", and its label would change the adapter most" if arm == "gradient" else ""
    return Sentence(
        f"in doubt: {words}{gain}",
        "why-doubt",
        names=[str(guess.classes[k]) for k in order],
        probabilities=[float(guess.probability[row, k]) for k in order],
    )
