"""Which place to label next: a contextual Thompson bandit over arms, with a probability sample in every batch."""

from surco.adapters.next_label.arms import ARMS, INCUMBENT
from surco.adapters.next_label.bandit import Bandit
from surco.adapters.next_label.ground import CHANCE, Ground, Visits
from surco.adapters.next_label.selecting import MOST_PLACES, NextLabel, Policy, Selection, select
from surco.adapters.next_label.warm_start import Prior, shipped_prior

__all__ = [
    "ARMS",
    "CHANCE",
    "INCUMBENT",
    "MOST_PLACES",
    "Bandit",
    "Ground",
    "NextLabel",
    "Policy",
    "Prior",
    "Selection",
    "Visits",
    "select",
    "shipped_prior",
]
