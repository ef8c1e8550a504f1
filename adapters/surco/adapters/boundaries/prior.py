"""The network that the package ships, and its file: float16 safetensors with a JSON card beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from surco.adapters.boundaries.fields_net import FieldsNet
from surco.adapters.boundaries.network_input import Cropness
from surco.adapters.contract import Learned, damaged_card, require_sound, tensor
from surco.adapters.errors import CardError

__all__ = ["PRIOR", "Prior", "load_prior", "save_prior"]

PRIOR = Path(__file__).parent / "weights" / "surco-fields.safetensors"
_FORMAT = "surco-fields"
_MOST_BYTES = 8 << 20
_NETWORK = "network."


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """A network, what a pixel's vector says alone (None: nothing known), the watershed's height, facts of training."""

    network: FieldsNet
    cropness: Cropness | None
    height: float
    facts: Mapping[str, Any]

    def learned(self) -> Learned:
        """Tensors and facts, as adapters write them."""
        tensors: dict[str, npt.NDArray[Any]] = {_NETWORK + k: v for k, v in self.network.tensors.items()}
        facts: dict[str, Any] = {
            "components": self.network.components,
            "widths": list(self.network.widths),
            "height": self.height,
            "cropness_model_id": None,
        }
        if self.cropness is not None:
            facts["cropness_model_id"] = self.cropness.model_id
            tensors["cropness.weights"] = self.cropness.weights
            tensors["cropness.bias"] = np.array([self.cropness.bias], np.float32)
        return Learned(tensors, facts)

    @classmethod
    def restored(cls, learned: Learned) -> Prior:
        """What `learned()` was asked of; raises CardError for anything unsound: files come from anyone."""
        height = learned.facts.get("height")
        require_sound(type(height) in (int, float))
        require_sound(0 <= float(height or 0) <= 1)
        return cls(_network(learned), _cropness(learned), float(height or 0), {})


def _network(learned: Learned) -> FieldsNet:
    components, widths = learned.facts.get("components"), learned.facts.get("widths")
    if type(components) is not int or not isinstance(widths, list):
        raise damaged_card()
    require_sound(1 <= components <= 64 and 2 <= len(widths) <= 6)
    require_sound(all(type(w) is int and 1 <= w <= 512 for w in widths))
    shapes = FieldsNet.shapes(components, tuple(widths))
    tensors = {name: tensor(learned, _NETWORK + name, shape) for name, shape in shapes.items()}
    return FieldsNet(components, tuple(widths), tensors)


def _cropness(learned: Learned) -> Cropness | None:
    model_id, weights = learned.facts.get("cropness_model_id"), learned.tensors.get("cropness.weights")
    if model_id is None:
        return None
    require_sound(isinstance(model_id, str) and weights is not None and weights.ndim == 1)
    shape = (0 if weights is None else len(weights),)
    bias = float(tensor(learned, "cropness.bias", (1,))[0])
    return Cropness(str(model_id), tensor(learned, "cropness.weights", shape), bias)


def save_prior(prior: Prior, path: Path) -> None:
    """Write a prior, float16, and its card with the same name and `.json`."""
    learned = prior.learned()
    data = safetensors.numpy.save({k: v.astype(np.float16) for k, v in learned.tensors.items()})
    card = {
        "format": _FORMAT,
        "format_version": 1,
        **learned.facts,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "training": dict(prior.facts),
    }
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


def load_prior(path: Path = PRIOR) -> Prior:
    """Read a prior.

    Raises:
        CardError: files missing, damaged, or of another format.
    """
    try:
        card = json.loads(path.with_suffix(".json").read_text("utf-8"))
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
        tensors = safetensors.numpy.load(data)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, SafetensorError) as error:
        raise CardError(
            f"expected the network for fields in {path} with its card; got {error}: install the package again"
        ) from error
    if not isinstance(card, dict) or card.get("format") != _FORMAT or card.get("format_version") != 1:
        raise CardError(
            f"expected a card of the format {_FORMAT!r} 1 beside {path}; got another: install again"
        )
    if hashlib.sha256(data).hexdigest() != card.get("weights_sha256"):
        raise CardError(f"expected the weights that the card names; got others in {path}: install again")
    wide = {k: v.astype(np.float32) for k, v in tensors.items()}
    facts = card.get("training")
    return replace(Prior.restored(Learned(wide, card)), facts=facts if isinstance(facts, dict) else {})
