"""A training run on disk: one safetensors file that holds everything the next step depends on.

Weights and optimiser moments are tensors; the step, the random states and the history are JSON in the file's metadata.
Nothing is pickled, and the file is replaced as a whole.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from surco.encoder.errors import ModelError
from surco.encoder.pretrain.config import PretrainConfig

__all__ = ["History", "load_state", "run_name", "save_state"]

History = dict[str, list[float]]


def run_name(config: PretrainConfig, datasets: dict[str, int]) -> str:
    """A digest of all that decides a run: its config and its data sets' names and sizes."""
    text = json.dumps([asdict(config), datasets], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_state(
    path: Path,
    name: str,
    step: int,
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    generator: torch.Generator,
    history: History,
) -> None:
    """Write the state after `step` steps of the run `name`."""
    tensors = {f"learner.{k}": v for k, v in learner.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": v for k, v in moments.items()}
    tensors["random.torch"] = torch.get_rng_state()
    tensors["random.views"] = generator.get_state()
    facts = {"run": name, "step": step, "numpy": rng.bit_generator.state, "history": history}
    draft = path.with_name(f".{path.name}.part")
    save_file({k: v.contiguous() for k, v in tensors.items()}, draft, {"surco": json.dumps(facts)})
    draft.replace(path)


def load_state(
    path: Path,
    name: str,
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> tuple[int, History]:
    """Put everything back as it was; returns the steps done and the history.

    Raises:
        ModelError: the file is damaged, or of a run with other settings or data.
    """
    try:
        with safe_open(path, "pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})["surco"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"Expected a training state in {path}, got a file that cannot be read ({error}). "
            "Remove it to start again."
        ) from error
    if facts["run"] != name:
        raise ModelError(
            f"Expected the state of this run in {path}, got one of a run with other settings or data. "
            "Give the settings it began with, or remove it to start again."
        )
    learner.load_state_dict(_below("learner.", tensors))
    state = optimizer.state_dict()
    state["state"] = _moments(_below("optimizer.", tensors))
    optimizer.load_state_dict(state)
    torch.set_rng_state(tensors["random.torch"])
    generator.set_state(tensors["random.views"])
    rng.bit_generator.state = facts["numpy"]
    return int(facts["step"]), facts["history"]


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _moments(flat: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    out: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in flat.items():
        number, name = key.split(".", 1)
        out.setdefault(int(number), {})[name] = value
    return out
