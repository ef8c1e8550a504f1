"""The classes of an adapter as JSON: names, whole numbers or truth values, and back as what they were."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.contract import damaged_card, require_sound
from surco.adapters.errors import CardError

__all__ = ["read_classes", "written_classes"]

_KINDS: dict[str, tuple[str, type]] = {
    "U": ("text", str),
    "i": ("integer", int),
    "u": ("integer", int),
    "b": ("truth", bool),
}


def written_classes(classes: npt.NDArray[Any], labels_per_class: npt.NDArray[Any]) -> dict[str, Any]:
    """The facts `classes`, `class_kind` and `labels_per_class` of a card.

    Raises:
        CardError: classes that are neither names nor whole numbers nor truth values.
    """
    text = classes.dtype.kind == "O"
    kind = _KINDS.get("U" if text else classes.dtype.kind)
    if kind is None:
        raise CardError(
            f"expected classes that are names or whole numbers; got {classes.dtype}: fit again with such classes"
        )
    return {
        "classes": [str(c) for c in classes] if text else classes.tolist(),
        "class_kind": kind[0],
        "labels_per_class": labels_per_class.tolist(),
    }


def read_classes(facts: Mapping[str, Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Sorted classes (K,) and labels of each (K,) from a card's facts.

    Raises:
        CardError: facts missing, fewer than two classes, classes unsorted or of another kind than said.
    """
    classes, counts = facts.get("classes"), facts.get("labels_per_class")
    kind = facts.get("class_kind")
    of = dict(_KINDS.values()).get(kind) if isinstance(kind, str) else None
    if of is None or not isinstance(classes, list) or not isinstance(counts, list):
        raise damaged_card()
    require_sound(
        len(classes) == len(counts) >= 2
        and all(type(c) is of for c in classes)
        and all(a < b for a, b in pairwise(classes))
        and all(type(c) is int and c >= 0 for c in counts)
    )
    return np.array(classes), np.array(counts)
