"""Weights on disk: safetensors and a plain JSON card, never a pickle."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from surco.encoder.errors import ModelError
from surco.encoder.model import ModelConfig, SeriesEncoder

__all__ = ["FORMAT", "WEIGHTS", "load_checkpoint", "save_checkpoint"]

FORMAT = 1
WEIGHTS = Path(__file__).parent / "weights"
"""The folder of the weights that the package ships."""

_HEADS_ONLY = {"carried": False, "weather": (), "weather_centre": (), "weather_scale": ()}
"""What a card means that was written before vectors held more than the two heads (up to surco-nano-4)."""


def save_checkpoint(path: Path, model: SeriesEncoder, card: Mapping[str, Any]) -> None:
    """Write `path` (safetensors, float16) and its card beside it (`.json`), each whole or not at all.

    `card` is the model card: plain JSON values. Format, config and the weights' SHA-256 are added here.
    """
    tensors = {k: v.detach().to(torch.float16).contiguous() for k, v in model.state_dict().items()}
    blob = save_tensors(tensors)
    whole = {
        "format": FORMAT,
        **card,
        "parameters": sum(p.numel() for p in model.parameters()),
        "sha256": hashlib.sha256(blob).hexdigest(),
        "config": dataclasses.asdict(model.config),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, content in (
        (path, blob),
        (path.with_suffix(".json"), json.dumps(whole, indent=1).encode() + b"\n"),
    ):
        part = target.with_name(target.name + ".part")
        part.write_bytes(content)
        part.replace(target)


def load_checkpoint(path: Path) -> tuple[SeriesEncoder, dict[str, Any]]:
    """Read a model and its card; the weights must be the ones the card was written for.

    Raises:
        ModelError: a file is missing, of a newer format, or not the one that the card names.
    """
    card_path = path.with_suffix(".json")
    if not path.is_file() or not card_path.is_file():
        raise ModelError(
            f"Expected weights {path} with a card {card_path.name} beside them; one is missing. "
            "Name a model that is there."
        )
    try:
        card: dict[str, Any] = json.loads(card_path.read_bytes())
    except ValueError as error:
        raise ModelError(
            f"Expected a JSON model card in {card_path}, got something else ({error}). Fetch the model again."
        ) from error
    if card.get("format") != FORMAT:
        raise ModelError(
            f"Expected a model card of format {FORMAT} in {card_path}, got {card.get('format')!r}. "
            "Use the Surco version that wrote it."
        )
    blob = path.read_bytes()
    if hashlib.sha256(blob).hexdigest() != card.get("sha256"):
        raise ModelError(
            f"Expected {path.name} with the SHA-256 of its card, got other bytes. Fetch the model again."
        )
    model = SeriesEncoder(config_from_json(card["config"]))
    model.load_state_dict({k: v.to(torch.float32) for k, v in load_tensors(blob).items()}, strict=True)
    return model.eval(), card


def config_from_json(raw: Mapping[str, Any]) -> ModelConfig:
    """A config from its JSON form: lists become tuples; an unknown key is an error, never dropped in silence."""
    raw = {**_HEADS_ONLY, **raw}
    known = {f.name for f in dataclasses.fields(ModelConfig)}
    if unknown := sorted(set(raw) - known):
        raise ModelError(
            f"Expected the config keys {sorted(known)}, got {unknown} beside them. "
            "Use the Surco version that wrote the model."
        )
    return ModelConfig(**{k: _tuples(v) for k, v in raw.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
