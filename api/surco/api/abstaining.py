"""A map that says "none of these": places unlike every labelled class get no class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from surco.adapters import load_adapter
from surco.api.maps import Predicted, vectors
from surco.api.refusals import SettingsError
from surco.embedstore import Store

__all__ = ["abstained"]

_BLOCK = 100_000


def abstained(store: Store, predicted: Predicted, least: float) -> tuple[Predicted, int]:
    """The map without a class where a place's support is below `least`, and how many places that are.

    Support is the share of held-out labels that lie as far from every class as the place, or farther: 0.05 leaves out
    one place in twenty of those that are like the labelled ones, and more of the others.

    Args:
        store: the store that the map was made from.
        predicted: the map; its probabilities stay.
        least: above 0, below 1.

    Raises:
        SettingsError: `least` outside its range.
        LabelsError: an adapter of too few labels to know what is usual.
    """
    if not 0 < least < 1:
        raise SettingsError(f"Expected --abstain between 0 and 1, got {least}. 0.05 is usual.")
    adapter = load_adapter(store.adapter_dir(predicted.adapter), model_id=predicted.places.model_id)
    strange = np.zeros(len(predicted), bool)
    for start in range(0, len(predicted), _BLOCK):
        rows = vectors(predicted.places.table.slice(start, _BLOCK))
        strange[start : start + len(rows)] = adapter.support(rows) < least
    strange &= predicted.class_index >= 0
    index = np.where(strange, -1, predicted.class_index)
    return replace(predicted, class_index=index), int(strange.sum())
