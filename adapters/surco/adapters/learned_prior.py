"""What other tasks taught: how vectors vary within a class, what to believe of each head, as files of one encoder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from surco.adapters.contract import damaged_card, require_sound
from surco.adapters.errors import CardError
from surco.adapters.temperatures import ANY_VECTORS, TemperatureTable

__all__ = ["LearnedPrior", "find_prior", "shipped_priors"]

_CARD, _TENSORS = "prior.json", "prior.safetensors"
_FORMAT = "surco-prior"


@dataclass(frozen=True, slots=True)
class LearnedPrior:
    """A prior for crop-type adapters, learned from the tasks of other places by `meta_train`.

    Attributes:
        covariance: (D, D) shape of the within-class covariance of the model's vectors, mean variance one; None knows
            no shape, so that the identity takes its place.
        identity_share: share of the identity in the covariance prior.
        learned_share: of the rest, the share of `covariance` where a pool's local scatter is there too.
        temperatures: how far the heads are believed, by labels a class and classes.
        model_id: whose vectors; "" for any.
        record: for the reader: the tables, tasks and settings it was learned from.
    """

    covariance: npt.NDArray[np.float64] | None = None
    identity_share: float = 0.1
    learned_share: float = 0.4
    temperatures: TemperatureTable = field(default_factory=lambda: ANY_VECTORS)
    model_id: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)

    def shape(self, spread: npt.NDArray[np.float64], local: npt.NDArray[np.float64] | None) -> Any:
        """Covariance prior (D, D) of vectors divided by `spread` (D,), mean variance one.

        Args:
            spread: (D,) what the vectors were divided by.
            local: (D, D) local scatter of a pool of those vectors; None where there is no pool.
        """
        identity = np.eye(len(spread))
        parts = [m for m in (local, _scaled(self.covariance, spread)) if m is not None and np.trace(m) > 0]
        if not parts:
            return identity
        shapes = [m * (len(spread) / np.trace(m)) for m in parts]
        mixed = (
            shapes[0]
            if len(shapes) == 1
            else (1 - self.learned_share) * shapes[0] + self.learned_share * shapes[1]
        )
        return self.identity_share * identity + (1 - self.identity_share) * mixed

    def as_files(self) -> dict[str, bytes]:
        """The prior's two files, by name."""
        if self.covariance is None:
            raise CardError("expected a prior with a covariance; got one without: run `surco meta-train`")
        card = {
            "format": _FORMAT,
            "model_id": self.model_id,
            "identity_share": self.identity_share,
            "learned_share": self.learned_share,
            "temperatures": {name: list(row) for name, row in self.temperatures.items()},
            "record": dict(self.record),
        }
        tensors = safetensors.numpy.save({"covariance": self.covariance.astype(np.float32)})
        return {_CARD: json.dumps(card, indent=1, ensure_ascii=False).encode(), _TENSORS: tensors}

    @classmethod
    def of_files(cls, found: Mapping[str, bytes]) -> Self:
        """The prior whose files these are.

        Raises:
            CardError: files missing or damaged.
        """
        try:
            card = json.loads(found[_CARD])
            covariance = safetensors.numpy.load(found[_TENSORS])["covariance"].astype(np.float64)
        except (KeyError, UnicodeDecodeError, json.JSONDecodeError, SafetensorError) as error:
            raise CardError(
                f"expected the files {_CARD} and {_TENSORS} of a prior; got {error}: run `surco meta-train` again"
            ) from error
        require_sound(isinstance(card, dict) and card.get("format") == _FORMAT)
        numbers = [card.get(name) for name in ("identity_share", "learned_share")]
        require_sound(
            isinstance(card.get("model_id"), str)
            and isinstance(card.get("record"), dict)
            and all(isinstance(v, int | float) and 0 <= v <= 1 for v in numbers)
            and covariance.ndim == 2
            and covariance.shape[0] == covariance.shape[1]
            and bool(np.isfinite(covariance).all())
        )
        identity, learned = map(float, numbers)
        temperatures = _temperatures(card.get("temperatures"))
        return cls(covariance, identity, learned, temperatures, card["model_id"], card["record"])


def _scaled(
    covariance: npt.NDArray[np.float64] | None, spread: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64] | None:
    if covariance is None or len(covariance) != len(spread):
        return None
    scaled: npt.NDArray[np.float64] = covariance / np.outer(spread, spread)
    return scaled


def _temperatures(value: object) -> TemperatureTable:
    if not isinstance(value, dict) or set(value) != set(ANY_VECTORS):
        raise damaged_card()
    rows = np.array(list(value.values()), np.float64)
    require_sound(rows.shape == (2, 3) and bool(np.isfinite(rows).all()))
    return {name: tuple(row) for name, row in value.items()}


def shipped_priors() -> list[str]:
    """Ids of the models that Surco ships a prior for."""
    return sorted(folder.name for folder in _shipped().iterdir() if folder.is_dir())


@cache
def find_prior(name: str, dimension: int) -> LearnedPrior:
    """The prior shipped for a model id, or in a folder that `surco meta-train` wrote.

    Args:
        name: the model id or the folder.
        dimension: D of the vectors it is for.

    Raises:
        CardError: no such prior, files missing or damaged, or vectors of another dimension.
    """
    folder: Path | Traversable = _shipped() / name if name in shipped_priors() else Path(name)
    found = {each: (folder / each).read_bytes() for each in (_CARD, _TENSORS) if (folder / each).is_file()}
    if not found:
        raise CardError(
            f"expected a prior: a folder of `surco meta-train`, or one of {', '.join(shipped_priors())}; got "
            f"{name!r}: make it, or leave prior out"
        )
    prior = LearnedPrior.of_files(found)
    if prior.covariance is None or len(prior.covariance) != dimension:
        raise CardError(
            f"expected a prior for vectors of {dimension} numbers; got that of model {prior.model_id!r} for others: "
            "make one with the vectors' model, or leave prior out"
        )
    return prior


def _shipped() -> Traversable:
    return files("surco.adapters") / "priors"
