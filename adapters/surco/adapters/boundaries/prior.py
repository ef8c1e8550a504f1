"""The network that the package ships, and its file: float16 safetensors with a JSON card beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from surco.adapters.boundaries.fields_net import FieldsNet
from surco.adapters.boundaries.network_input import Cropness
from surco.adapters.errors import CardError

__all__ = ["PRIOR", "Prior", "load_prior", "network_from", "network_tensors", "save_prior"]

PRIOR = Path(__file__).parent / "weights" / "surco-fields.safetensors"
_FORMAT = "surco-fields"
_MOST_BYTES = 8 << 20
_NETWORK = "network."
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """A network, what a pixel's vector says alone (None: nothing known), the watershed's height, facts of training."""

    network: FieldsNet
    cropness: Cropness | None
    height: float
    facts: Mapping[str, Any]


def network_tensors(network: FieldsNet) -> dict[str, Floats]:
    """Weights of a network by the names that they have in files."""
    return {_NETWORK + name: values for name, values in network.tensors.items()}


def network_from(
    tensors: Mapping[str, npt.NDArray[Any]], components: int, widths: Sequence[int]
) -> FieldsNet:
    """The network of `network_tensors`.

    Raises:
        CardError: sizes that are none, tensors missing, of another shape, or not finite.
    """
    sound = 1 <= components <= 64 and 2 <= len(widths) <= 6 and all(1 <= w <= 512 for w in widths)
    shapes = FieldsNet.shapes(components, tuple(widths)) if sound else {"widths": ()}
    kept = {}
    for name, shape in shapes.items():
        found = tensors.get(_NETWORK + name)
        if found is None or found.shape != shape or found.dtype.kind != "f" or not np.isfinite(found).all():
            raise CardError(
                f"expected finite weights {name} {shape} of the network for fields; got others: copy the adapter again"
            )
        kept[name] = found.astype(np.float32)
    return FieldsNet(components, tuple(widths), kept)


def save_prior(prior: Prior, path: Path) -> None:
    """Write a prior, float16, and its card with the same name and `.json`."""
    tensors = {k: v.astype(np.float16) for k, v in network_tensors(prior.network).items()}
    card: dict[str, Any] = {
        "format": _FORMAT,
        "format_version": 1,
        "components": prior.network.components,
        "widths": list(prior.network.widths),
        "height": prior.height,
        "cropness_model_id": None if prior.cropness is None else prior.cropness.model_id,
        "training": dict(prior.facts),
    }
    if prior.cropness is not None:
        tensors["cropness.weights"] = prior.cropness.weights.astype(np.float16)
        tensors["cropness.bias"] = np.array([prior.cropness.bias], np.float16)
    data = safetensors.numpy.save(tensors)
    card["weights_sha256"] = hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


def load_prior(path: Path = PRIOR) -> Prior:
    """Read a prior.

    Raises:
        CardError: files missing, damaged, or of another format.
    """
    try:
        card = json.loads(path.with_suffix(".json").read_text("utf-8"))
        if path.stat().st_size > _MOST_BYTES:
            raise CardError(f"expected weights of at most {_MOST_BYTES} bytes; got {path}: this is no prior")
        data = path.read_bytes()
        if card["format"] != _FORMAT or hashlib.sha256(data).hexdigest() != card["weights_sha256"]:
            raise CardError(f"expected the weights that the card names; got others in {path}: install again")
        tensors = safetensors.numpy.load(data)
        network = network_from(tensors, int(card["components"]), [int(w) for w in card["widths"]])
        cropness = _cropness(tensors, card["cropness_model_id"])
    except (OSError, KeyError, TypeError, json.JSONDecodeError, SafetensorError) as error:
        raise CardError(
            f"expected the network for fields in {path} with its card; got {error!r}: install the package again"
        ) from error
    return Prior(network, cropness, float(card["height"]), card["training"])


def _cropness(tensors: Mapping[str, npt.NDArray[Any]], model_id: str | None) -> Cropness | None:
    if model_id is None:
        return None
    weights = tensors["cropness.weights"].astype(np.float32)
    return Cropness(model_id, weights, float(tensors["cropness.bias"][0]))
