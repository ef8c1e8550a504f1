"""What goes between the stages of a run on a cluster, as bytes that nothing but arrays can come out of."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from safetensors.numpy import load, save

from surco.encoder.encode_tile import Gathered
from surco.encoder.protocol import Floats

__all__ = ["pack", "unpack"]

_VECTORS = "vectors"
_SERIES = ("values", "valid", "place", "static")
"""What only the encoder looks at."""


def pack(gathered: Gathered, vectors: Floats | None = None) -> bytes:
    """A window as it was read, or with its vectors (P, D) and without its series, which nobody needs any more."""
    arrays = {field.name: np.asarray(getattr(gathered, field.name)) for field in fields(Gathered)}
    arrays["dates"] = arrays["dates"].astype(np.int64)
    if vectors is not None:
        arrays |= {name: arrays[name][:0] for name in _SERIES}
        arrays[_VECTORS] = vectors[gathered.rows]
    packed: bytes = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    return packed


def unpack(packed: bytes) -> tuple[Gathered, Floats]:
    """What `pack` was given: the window, and its vectors (P, D), of none where there were none."""
    arrays = load(packed)
    seen = arrays.pop(_VECTORS, np.empty((0, 0), np.float32))
    arrays["dates"] = arrays["dates"].astype("datetime64[D]")
    gathered = Gathered(**arrays)
    vectors = np.full((len(gathered.inside), seen.shape[1]), np.nan, np.float32)
    if len(seen):
        vectors[gathered.rows] = seen
    return gathered, vectors
