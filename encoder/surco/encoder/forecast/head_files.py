"""Forecast heads on disk: safetensors with a plain JSON card beside them, found by the model that they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from surco.encoder.forecast.errors import ForecastError
from surco.encoder.forecast.head import PLAIN_INPUTS, ForecastHead
from surco.encoder.forecast.questions import LEADS

__all__ = ["FORMAT", "HEADS", "SUFFIX", "find_head", "load_head", "save_head"]

FORMAT = 1
HEADS = Path(__file__).parents[1] / "weights"
"""The folder of the heads that the package ships."""
SUFFIX = ".forecast.safetensors"

_MOST_BYTES = 16 << 20
_REMEDY = "Fit it again with scripts/fit_forecast.py."


def save_head(folder: Path, head: ForecastHead, card: Mapping[str, Any]) -> Path:
    """Write `<model id>.forecast.safetensors` and its card (`.json`) into a folder, each whole or not at all.

    `card` are plain JSON values for the reader; format, model id, dimension and the weights' SHA-256 are added here.

    Returns:
        The path of the weights.
    """
    tensors = {
        "centre": head.centre,
        "scale": head.scale,
        "margin": head.margin,
        "climatology": head.climatology,
    }
    for i, (weight, bias) in enumerate(head.layers):
        tensors |= {f"layer{i}.weight": weight, f"layer{i}.bias": bias}
    blob = save_tensors({k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()})
    whole = {
        "format": FORMAT,
        "model_id": head.model_id,
        "dimension": head.dimension,
        **card,
        "sha256": hashlib.sha256(blob).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (head.model_id.replace("/", "_") + SUFFIX)
    for target, content in (
        (path, blob),
        (path.with_suffix(".json"), json.dumps(whole, indent=1).encode() + b"\n"),
    ):
        part = target.with_name(target.name + ".part")
        part.write_bytes(content)
        part.replace(target)
    return path


def find_head(model_id: str, folder: Path = HEADS) -> ForecastHead:
    """The head of that model, by the cards in a folder; the package's own if left out.

    Raises:
        ForecastError: there is none, with the models that have one; or it is damaged.
    """
    found = {_read_card(card)["model_id"]: card for card in sorted(folder.glob("*.forecast.json"))}
    if model_id not in found:
        raise ForecastError(
            f"Expected a forecast head for vectors of model {model_id!r}, found heads for "
            f"{', '.join(sorted(map(repr, found))) or 'none'} in {folder}. "
            f"Encode with one of these, or fit a head: scripts/fit_forecast.py --model; then name it with --head."
        )
    return load_head(found[model_id].with_suffix(".safetensors"))


def load_head(path: Path) -> ForecastHead:
    """Read a head; the weights must be those its card was written for.

    Raises:
        ForecastError: a file is missing, too large, of another format, or not what the card says.
    """
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise ForecastError(
            f"Expected a forecast head at {path} ({SUFFIX}, at most {_MOST_BYTES >> 20} MB), found none. "
            "Check the path."
        )
    card, blob = _read_card(path.with_suffix(".json")), path.read_bytes()
    if hashlib.sha256(blob).hexdigest() != card.get("sha256"):
        raise ForecastError(f"Expected {path} with the SHA-256 of its card, got other bytes. {_REMEDY}")
    try:
        tensors = load_tensors(blob)
    except SafetensorError as error:
        raise ForecastError(f"Expected {path} in safetensors format, got {error}. {_REMEDY}") from error
    return _assemble(path, card, tensors)


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ForecastError(
            f"Expected the JSON card of a forecast head at {path}, got {error}. {_REMEDY}"
        ) from error
    sound = (
        isinstance(card, dict)
        and card.get("format") == FORMAT
        and isinstance(card.get("model_id"), str)
        and type(card.get("dimension")) is int
    )
    if not sound:
        raise ForecastError(
            f"Expected a card of format {FORMAT} with model_id and dimension in {path}, got another. {_REMEDY}"
        )
    return dict(card)


def _assemble(path: Path, card: Mapping[str, Any], tensors: Mapping[str, Any]) -> ForecastHead:
    count = sum(name.endswith(".weight") for name in tensors)
    names = {"centre", "scale", "margin", "climatology"}
    names |= {f"layer{i}.{part}" for i in range(count) for part in ("weight", "bias")}
    finite = all(t.dtype == np.float32 and bool(np.isfinite(t).all()) for t in tensors.values())
    if not count or set(tensors) != names or not finite or not _shapes_fit(tensors, count, card["dimension"]):
        raise ForecastError(
            f"Expected the finite float32 tensors of a forecast head in {path}, got others. {_REMEDY}"
        )
    layers = tuple((tensors[f"layer{i}.weight"], tensors[f"layer{i}.bias"]) for i in range(count))
    return ForecastHead(
        card["model_id"],
        card["dimension"],
        tensors["centre"],
        tensors["scale"],
        layers,
        tensors["margin"],
        tensors["climatology"],
    )


def _shapes_fit(tensors: Mapping[str, Any], count: int, dimension: int) -> bool:
    """Whether each layer takes what the one before it gives, from the inputs to three quantiles."""
    width: tuple[int, ...] = (PLAIN_INPUTS + dimension,)
    fits = tensors["centre"].shape == tensors["scale"].shape == width and bool((tensors["scale"] > 0).all())
    for i in range(count):
        weight, bias = tensors[f"layer{i}.weight"], tensors[f"layer{i}.bias"]
        fits = fits and weight.ndim == 2 and weight.shape[:1] == width and bias.shape == weight.shape[1:]
        width = bias.shape
    return (
        fits
        and width == (3,)
        and tensors["margin"].shape == (2, len(LEADS) + 1)
        and tensors["climatology"].shape == (12,)
    )
