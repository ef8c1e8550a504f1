"""Galileo behind the `Encoder` protocol, from its published folder of weights, configuration and statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surco.encoder.errors import ModelError
from surco.encoder.published.galileo_model import GalileoConfig, GalileoNetwork
from surco.encoder.published.monthly_encoder import MonthlyEncoder, Scaling
from surco.encoder.published.weights import load_strictly, read_json, read_tensors, sha256_of

__all__ = ["load_galileo"]

_STATISTICS: dict[str, tuple[str, slice]] = {
    "S1": ("13", slice(0, 2)),
    "S2_RGB": ("13", slice(2, 5)),
    "S2_Red_Edge": ("13", slice(5, 8)),
    "S2_NIR_10m": ("13", slice(8, 9)),
    "S2_NIR_20m": ("13", slice(9, 10)),
    "S2_SWIR": ("13", slice(10, 12)),
    "ERA5": ("6", slice(0, 2)),
    "SRTM": ("16", slice(0, 2)),
}
"""Where a group's channels stand in `normalization.json`, whose keys are numbers of channels."""

_DEVIATIONS = 2.0
"""Values from mean - 2 to mean + 2 standard deviations become 0 to 1, as in the published code."""

_LARGEST = 4096


def load_galileo(folder: Path, device: str | None = None) -> MonthlyEncoder:
    """Galileo-nano from `encoder.pt`, `config.json` and `normalization.json` in a folder.

    NDVI is not given to the network: the published way of building its input leaves it out.

    Raises:
        ModelError: a file is missing or damaged, or holds other tensors than its configuration says.
    """
    config = _config(folder / "config.json")
    path = folder / "encoder.pt"
    network = GalileoNetwork(config)
    load_strictly(network, read_tensors(path), path)
    card = {
        "model_id": "galileo-nano-1",
        "title": "Galileo-nano: global and local features of many sensors, here pixel by pixel",
        "dimension": config.embedding_size,
        "licence": "MIT",
        "credit": "Tseng, Fuller, Reil, Herzog, Beukema, Bastani, Green, Shelhamer, Kerner, Rolnick 2025, "
        "arXiv:2502.09356; NASA Harvest",
        "sha256": sha256_of(path),
        "vector": "mean of the normed tokens of a 1 x 1 image, then unit length",
    }
    return MonthlyEncoder(
        network, _scaling(folder / "normalization.json"), card, config.max_sequence_length, device
    )


def _config(path: Path) -> GalileoConfig:
    raw = read_json(path)
    encoder = raw.get("model", {}).get("encoder") if isinstance(raw.get("model"), Mapping) else None
    names = [field.name for field in dataclasses.fields(GalileoConfig)]
    sizes = [encoder.get(name) for name in names] if isinstance(encoder, Mapping) else [None]
    if not all(isinstance(size, int) and 0 < size <= _LARGEST for size in sizes):
        raise ModelError(
            f"Expected whole sizes {names} under model.encoder in {path}, got {encoder!r:.200}. Fetch it again."
        )
    config = GalileoConfig(*sizes)
    if config.embedding_size % 16 or config.embedding_size % config.num_heads:
        raise ModelError(
            f"Expected an embedding_size in {path} that 16 and num_heads divide, got {encoder!r:.200}. "
            "Fetch it again."
        )
    return config


def _scaling(path: Path) -> Scaling:
    statistics = read_json(path)
    scaling: dict[str, tuple[Any, Any]] = {
        name: _shift_and_divisor(statistics, key, channels, path)
        for name, (key, channels) in _STATISTICS.items()
    }
    return {**scaling, "location": (0.0, 1.0)}


def _shift_and_divisor(
    statistics: Mapping[str, Any], key: str, channels: slice, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    try:
        mean = np.array(statistics[key]["mean"][channels], np.float64)
        deviation = np.array(statistics[key]["std"][channels], np.float64)
    except (LookupError, TypeError, ValueError) as error:
        raise ModelError(
            f"Expected lists mean and std under {key!r} in {path}, got {error!r}. Fetch it again."
        ) from error
    if (
        len(mean) != channels.stop - channels.start
        or len(deviation) != len(mean)
        or not (deviation > 0).all()
    ):
        raise ModelError(
            f"Expected {channels.stop} or more means and positive deviations under {key!r} in {path}, "
            f"got {mean} and {deviation}. Fetch it again."
        )
    return mean - _DEVIATIONS * deviation, 2 * _DEVIATIONS * deviation
