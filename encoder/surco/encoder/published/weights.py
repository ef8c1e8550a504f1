"""Published weights on disk: where they are looked for, and reading tensors without ever running what a file says."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from surco.encoder.errors import ModelError

__all__ = ["ENVIRONMENT", "load_strictly", "read_json", "read_tensors", "sha256_of", "weights_folder"]

ENVIRONMENT = "SURCO_WEIGHTS"
"""Names the folder that holds `presto/default_model.pt` and `galileo_nano/`."""

_DAMAGED = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    AssertionError, pickle.UnpicklingError, struct.error,
)  # fmt: skip
"""What PyTorch's reader of tensors was seen to raise at random bytes: it checks little before it reads."""


def weights_folder(name: str) -> Path:
    """The folder of one model's weights below the folder that the environment variable names.

    Raises:
        ModelError: the variable is not set, or the folder is not there.
    """
    root = os.environ.get(ENVIRONMENT, "")
    folder = Path(root) / name
    if not root or not folder.is_dir():
        came = f"no folder {folder}" if root else f"no {ENVIRONMENT} in the environment"
        raise ModelError(
            f"Expected published weights in a folder {name!r} below the one that {ENVIRONMENT} names, got {came}. "
            f"Fetch the weights (see encoder/README.md) and set {ENVIRONMENT}."
        )
    return folder


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch state dict, on the CPU; nothing but tensors is ever unpickled.

    Raises:
        ModelError: no such file, or anything else in it.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        raise ModelError(
            f"Expected a PyTorch state dict at {path}, got {type(error).__name__}: {str(error)[:200]}. "
            "Fetch the published file again."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(
            f"Expected a PyTorch state dict at {path}, got a file of other things. Fetch the published file again."
        )
    return dict(state)


def load_strictly(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load every tensor into its place: none missing, none over, none of another shape.

    Raises:
        ModelError: the tensors are not those of the network; the message says which.
    """
    try:
        network.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        raise ModelError(
            f"Expected the published tensors of {type(network).__name__} in {path}, got others ({str(error)[:400]}). "
            "Fetch the published file again."
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        ModelError: no such file, or no JSON object.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"Expected JSON at {path}, got {type(error).__name__}: {error}. Fetch the published file again."
        ) from error
    if not isinstance(document, dict):
        raise ModelError(f"Expected a JSON object at {path}, got {type(document).__name__}. Fetch it again.")
    return document


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
