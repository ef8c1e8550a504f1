"""Why a place was chosen, in words for the one who goes there."""

from __future__ import annotations

import numpy as np

from surco.adapters.next_label.campaign import Campaign, Guess

__all__ = ["CHANCE_REASON", "reason"]

CHANCE_REASON = "drawn by chance, so that areas and accuracies stay unbiased: visit it even if it looks dull"


def reason(arm: str, campaign: Campaign, row: int) -> str:
    """One sentence on a candidate of a campaign, by the arm that took it."""
    guess = campaign.guess
    if arm == "herding":
        likeness = campaign.coverage.covered[row]
        return f"like many places, and unlike those visited (likeness to the nearest {likeness:.2f})"
    if arm == "typicality":
        return "typical of a group of places of which none was visited, or few"
    if arm == "novelty" or guess is None:
        return f"least like any place visited (likeness to the nearest {campaign.coverage.covered[row]:.2f})"
    if arm == "under-representation":
        return _lacking(campaign, guess, row)
    return _doubted(guess, row, arm)


def _lacking(campaign: Campaign, guess: Guess, row: int) -> str:
    counts, regions = campaign.class_counts(), campaign.region_counts()
    best = int(np.argmax(guess.probability[row] / (counts + 0.5)))
    labels = f"{int(counts[best])} label{'' if counts[best] == 1 else 's'}"
    region = f"; its region has {int(regions[campaign.region[row]])}" if len(regions) > 1 else ""
    return f"may be {guess.classes[best]} ({guess.probability[row, best]:.2f}), which has {labels}{region}"


def _doubted(guess: Guess, row: int, arm: str) -> str:
    order = np.argsort(-guess.probability[row], kind="stable")[:2]
    words = " or ".join(f"{guess.classes[k]} ({guess.probability[row, k]:.2f})" for k in order)
    gain = ", and its label would change the adapter most" if arm == "gradient" else ""
    return f"in doubt: {words}{gain}"
