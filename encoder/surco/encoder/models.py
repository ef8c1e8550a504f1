"""Encoders by name."""

from __future__ import annotations

from pathlib import Path

from surco.encoder.errors import ModelError
from surco.encoder.protocol import BandMeanEncoder, Encoder

__all__ = ["MODELS", "load_encoder"]

MODELS = ("surco-nano", "band-mean", "presto", "galileo-nano")
"""Names that `load_encoder` knows.

A path to a `.safetensors` file with its card serves too, and `rslearn:` before the name of a model of OlmoEarth.
"""

_RSLEARN = "rslearn:"


def load_encoder(name: str = "surco-nano", device: str = "auto", precision: str | None = None) -> Encoder:
    """The encoder of that name, or the one whose weights lie at that path.

    The weights of `presto` and `galileo-nano` are not shipped: they are looked for in `presto/` and `galileo_nano/`
    below the folder that the environment variable SURCO_WEIGHTS names.

    Args:
        name: one of `MODELS`, a path, or rslearn's.
        device: "auto" (a GPU where there is one), "cpu" or "cuda"; `band-mean` needs none.
        precision: "float32" or "bfloat16" of our own encoders; None is the device's own.

    Raises:
        ModelError: no such name, file or device, weights that do not fit their card, or a package that is not
            installed.
    """
    if name == "band-mean":
        return BandMeanEncoder()
    if name in ("presto", "galileo-nano") or name.startswith(_RSLEARN):
        return _load_published(name, device)
    # torch is needed from here on, and takes seconds to import
    from surco.encoder.checkpoint import WEIGHTS
    from surco.encoder.surco_encoder import SurcoEncoder

    if name == "surco-nano":
        return SurcoEncoder(WEIGHTS / "surco-nano.safetensors", device, precision)
    if name.endswith(".safetensors"):
        return SurcoEncoder(Path(name), device, precision)
    raise ModelError(
        f"Expected a model of {', '.join(MODELS)}, {_RSLEARN}NAME, or a path to a .safetensors file, got {name!r}. "
        "Name one of these."
    )


def _load_published(name: str, device: str) -> Encoder:
    from surco.encoder.arithmetic import choose_arithmetic

    chosen = str(choose_arithmetic(device).device)
    if name.startswith(_RSLEARN):
        from surco.encoder.published.rslearn import RslearnEncoder

        return RslearnEncoder(name.removeprefix(_RSLEARN), chosen)
    from surco.encoder.published.galileo import load_galileo
    from surco.encoder.published.presto import load_presto
    from surco.encoder.published.weights import weights_folder

    if name == "presto":
        return load_presto(weights_folder("presto"), chosen)
    return load_galileo(weights_folder("galileo_nano"), chosen)
