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

__all__ = ["LearnedPrior", "read_prior", "shipped_prior"]

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
        temperatures: what to believe of the two heads, by labels a class and classes.
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
            "temperatures": {name: list(map(list, rows)) for name, rows in self.temperatures.items()},
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
    require_sound(rows.shape == (2, 2, 3) and bool(np.isfinite(rows).all()))
    return {name: (tuple(v[0]), tuple(v[1])) for name, v in value.items()}


def read_prior(folder: Path) -> LearnedPrior:
    """The prior in a folder that `surco meta-train` wrote; raises CardError where its files are missing or damaged."""
    return LearnedPrior.of_files(_contents(folder))


@cache
def shipped_prior(model_id: str) -> LearnedPrior | None:
    """The prior shipped with Surco for an encoder's vectors; None where there is none."""
    priors = files("surco.adapters") / "priors"
    # A model id comes from a store, which anyone may have written: it is compared with names, never made a path.
    found = [folder for folder in priors.iterdir() if folder.name == model_id and folder.is_dir()]
    return LearnedPrior.of_files(_contents(found[0])) if found else None


def _contents(folder: Path | Traversable) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (_CARD, _TENSORS) if (folder / name).is_file()}
