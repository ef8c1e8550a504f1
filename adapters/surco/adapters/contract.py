"""What every adapter of the room is: scikit-learn's estimator contract, and a state that files can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import CardError

__all__ = ["Adapter", "Learned", "damaged_card", "number", "require_sound", "tensor"]


@dataclass(frozen=True, slots=True)
class Learned:
    """What an adapter learned, as files can hold it.

    Attributes:
        tensors: arrays by name, finite.
        facts: plain JSON values by name; of a classifier `classes`, `class_kind` and `labels_per_class` among them.
    """

    tensors: Mapping[str, npt.NDArray[Any]]
    facts: Mapping[str, Any]


class Adapter(Protocol):
    """An estimator of scikit-learn's contract that can be written to files and read back.

    `__init__` only stores its parameters, all of them text, numbers, truth values or None; `fit` returns self; names
    of what was learned end in an underscore.
    """

    task: ClassVar[str]
    n_features_in_: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of `__init__`."""

    def learned(self) -> Learned:
        """What was learned; raises UnfittedError before `fit`."""

    @classmethod
    def restored(cls, parameters: Mapping[str, Any], learned: Learned, dimension: int) -> Self:
        """The adapter that `learned()` was asked of; raises CardError for anything unsound: files come from anyone."""


def damaged_card() -> CardError:
    """What to raise where a card's fields are not what its task needs."""
    return CardError(
        "expected card.json with all its fields; got fields missing or damaged: copy the adapter again"
    )


def require_sound(sound: bool) -> None:
    """Raise CardError where a card's fields are not what its task needs."""
    if not sound:
        raise damaged_card()


def number(learned: Learned, name: str, *, most: float) -> float:
    """A fact that is a number from 0 to `most`; raises CardError where it is not."""
    found = learned.facts.get(name)
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 <= found <= most:
        raise damaged_card()
    return float(found)


def tensor(
    learned: Learned, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """A tensor of known name, shape and type, all of it finite.

    Raises:
        CardError: another shape or type, values that are not finite, or no such tensor.
    """
    found = learned.tensors.get(name)
    if found is None or found.shape != shape or found.dtype != dtype or not np.isfinite(found).all():
        raise CardError(
            f"expected finite {np.dtype(dtype)} {name} {shape}, as the card says; got others: copy the adapter again"
        )
    return found
