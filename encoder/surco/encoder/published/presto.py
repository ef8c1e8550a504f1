"""Presto behind the `Encoder` protocol, from its published weights file."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from surco.encoder.errors import ModelError
from surco.encoder.published.monthly_encoder import MonthlyEncoder, Scaling
from surco.encoder.published.presto_model import MONTHS, PrestoNetwork
from surco.encoder.published.weights import load_strictly, read_tensors, sha256_of

__all__ = ["load_presto"]

_SCALING: Scaling = {
    "S1": (-25.0, 25.0),
    "S2_RGB": (0.0, 1e4),
    "S2_Red_Edge": (0.0, 1e4),
    "S2_NIR_10m": (0.0, 1e4),
    "S2_NIR_20m": (0.0, 1e4),
    "S2_SWIR": (0.0, 1e4),
    "ERA5": ((272.15, 0.0), (35.0, 0.03)),
    "SRTM": (0.0, (2000.0, 50.0)),
    "NDVI": (0.0, 1.0),
    "location": (0.0, 1.0),
}
"""Constants of the published code, its 272.15 for the zero of Celsius among them: the weights were trained with it."""

_DECODER = (
    "mask_token", "pos_embed", "decoder_embed", "decoder_blocks", "decoder_norm", "eo_decoder_pred",
    "dw_decoder_pred", "channel_embeddings", "month_embed",
)  # fmt: skip
"""What the file holds besides the encoder: the decoder of pretraining, which no vector needs."""


def load_presto(folder: Path, device: str | None = None) -> MonthlyEncoder:
    """Presto from `default_model.pt` in a folder.

    Raises:
        ModelError: no such file, or other tensors than the published ones.
    """
    path = folder / "default_model.pt"
    network = PrestoNetwork()
    load_strictly(network, _encoder_tensors(read_tensors(path), path), path)
    card = {
        "model_id": "presto-1",
        "title": "Presto: lightweight, pre-trained transformer for remote sensing time series",
        "dimension": 128,
        "licence": "MIT",
        "credit": "Tseng, Cartuyvels, Zvonkov, Purohit, Rolnick, Kerner 2023, arXiv:2304.14065; NASA Harvest",
        "sha256": sha256_of(path),
        "vector": "norm of the mean of the tokens, then unit length",
    }
    return MonthlyEncoder(network, _SCALING, card, MONTHS, device)


def _encoder_tensors(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    encoder = {}
    for name, tensor in tensors.items():
        half, _, rest = name.partition(".")
        if half == "encoder":
            encoder[rest] = tensor
        elif half != "decoder" or rest.split(".")[0] not in _DECODER:
            raise ModelError(
                f"Expected Presto's encoder and decoder in {path}, got a tensor {name!r}. "
                "Fetch the published file again."
            )
    return encoder
