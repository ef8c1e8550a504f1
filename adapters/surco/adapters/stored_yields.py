"""Reading a yield adapter back from files that may come from anyone: every value is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.conformal_interval import ConformalInterval
from surco.adapters.contract import Learned, require_sound, tensor
from surco.adapters.kernel_features import Features
from surco.adapters.yield_head import YieldHead

__all__ = ["restored_head", "restored_interval", "sound_count"]


def restored_head(learned: Learned, dimension: int) -> YieldHead:
    """The head of tensors and facts; raises CardError for anything unsound."""
    numbers = _numbers(learned.facts.get("head"), ("length", "noise", "kernel_variance", "centre", "spread"))
    require_sound(
        numbers["length"] > 0
        and numbers["noise"] >= 0
        and numbers["kernel_variance"] >= 0
        and numbers["spread"] > 0
    )
    directions, chosen = _columns(learned, "projection"), _rows(learned, "chosen")
    size = 1 + directions + chosen
    features = Features(
        tensor(learned, "projection", (dimension, directions)),
        tensor(learned, "offset", (directions,)),
        tensor(learned, "chosen", (chosen, directions)),
        tensor(learned, "whitening", (chosen, chosen)),
        numbers["length"],
    )
    return YieldHead(
        features,
        tensor(learned, "weights", (size,)),
        tensor(learned, "factor", (size, size)),
        numbers["noise"],
        numbers["kernel_variance"],
        numbers["centre"],
        numbers["spread"],
    )


def restored_interval(learned: Learned) -> ConformalInterval:
    """The distribution of held-out errors; raises CardError for anything unsound."""
    facts = learned.facts.get("interval")
    numbers = _numbers(facts, ("root_mean_square", "independent"))
    groups = sound_count(facts.get("groups") if isinstance(facts, Mapping) else None)
    count = _rows(learned, "scores")
    scores, mass = tensor(learned, "scores", (count,)), tensor(learned, "mass", (count,))
    require_sound(
        numbers["root_mean_square"] >= 0
        and numbers["independent"] >= 1
        and (count > 0 or groups == 1)
        and bool((np.diff(scores) >= 0).all() and (np.diff(mass) >= 0).all())
        and bool((scores >= 0).all() and (mass >= 0).all() and (mass <= 1.001).all())
    )
    return ConformalInterval(scores, mass, numbers["root_mean_square"], groups, numbers["independent"])


def sound_count(value: object) -> int:
    """A whole number above zero; raises CardError for anything else."""
    require_sound(type(value) is int and value > 0)
    return int(value)  # type: ignore[call-overload, no-any-return]


def _numbers(facts: object, names: tuple[str, ...]) -> dict[str, float]:
    """Finite numbers by name."""
    require_sound(isinstance(facts, Mapping))
    values = {name: facts.get(name) for name in names} if isinstance(facts, Mapping) else {}
    require_sound(all(type(v) in (int, float) and math.isfinite(v) for v in values.values()))  # type: ignore[arg-type]
    return {name: float(value) for name, value in values.items()}  # type: ignore[arg-type]


def _array(learned: Learned, name: str, axes: int) -> npt.NDArray[Any]:
    found = learned.tensors.get(name)
    require_sound(found is not None and found.ndim == axes)
    return np.asarray(found)


def _rows(learned: Learned, name: str) -> int:
    return len(_array(learned, name, 2 if name == "chosen" else 1))


def _columns(learned: Learned, name: str) -> int:
    return int(_array(learned, name, 2).shape[1])
