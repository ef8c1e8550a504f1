"""Encoders by name."""

from __future__ import annotations

from pathlib import Path

from surco.encoder.errors import ModelError
from surco.encoder.protocol import BandMeanEncoder, Encoder

__all__ = ["MODELS", "load_encoder"]

MODELS = ("surco-nano", "band-mean")
"""Names that `load_encoder` knows; a path to a `.safetensors` file with its card serves too."""


def load_encoder(name: str = "surco-nano") -> Encoder:
    """The encoder of that name, or the one whose weights lie at that path.

    Raises:
        ModelError: no such name or file, or weights that do not fit their card.
    """
    if name == "band-mean":
        return BandMeanEncoder()
    # torch is needed from here on, and takes seconds to import
    from surco.encoder.checkpoint import WEIGHTS
    from surco.encoder.surco_encoder import SurcoEncoder

    if name == "surco-nano":
        return SurcoEncoder(WEIGHTS / "surco-nano.safetensors")
    if name.endswith(".safetensors"):
        return SurcoEncoder(Path(name))
    raise ModelError(
        f"Expected a model of {', '.join(MODELS)} or a path to a .safetensors file, got {name!r}."
    )
