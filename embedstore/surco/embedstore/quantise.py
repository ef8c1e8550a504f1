"""Vectors as int8 with one scale a row: a quarter of the size, and cosine similarity needs no scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surco.embedstore.errors import VectorError

__all__ = ["QUANTISATION", "dequantize", "quantize"]

QUANTISATION = "int8, vector = embedding * embedding_scale, scale = max|vector| / 127 per row"
"""The rule, in words, as every file's `emb` key carries it."""

_LIMIT = 127


def quantize(vectors: npt.ArrayLike) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round each row to int8 with its own scale (symmetric, per row, absolute maximum).

    Args:
        vectors: (N, D), finite.

    Returns:
        (N, D) int8 in -127..127 and (N,) float32 scale, with |vector - int8 * scale| <= scale / 2 up to float32
        rounding; an all-zero row gets scale 0.

    Raises:
        VectorError: not two-dimensional, NaN or infinite values, or values beyond float32.
    """
    rows = np.asarray(vectors)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise VectorError(
            "numbers of shape (N, D)", f"{rows.dtype} of shape {rows.shape}", "Pass one vector a row."
        )
    largest = np.abs(rows).max(axis=1, initial=0.0).astype(np.float64)
    bad = ~(largest <= np.finfo(np.float32).max)
    if bad.any():
        raise VectorError(
            "finite vectors",
            f"NaN or infinity in {int(bad.sum())} of {len(rows)} rows, the first in row {int(bad.argmax())}",
            "Leave out rows without any valid observation before storing them.",
        )
    scale = _scale(largest)
    divisor = np.where(scale > 0, scale, np.float32(1)).astype(np.float64)[:, None]
    # A scale that is itself rounded, as among subnormal numbers, may put the largest value at 127.5: rint says 128.
    steps = np.clip(np.rint(rows / divisor), -_LIMIT, _LIMIT)
    return steps.astype(np.int8), scale


def dequantize(embedding: npt.ArrayLike, scale: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Undo `quantize`.

    Args:
        embedding: (N, D) int8.
        scale: (N,) float32.

    Returns:
        (N, D) float32.

    Raises:
        VectorError: shapes that do not belong together.
    """
    stored, factor = np.asarray(embedding), np.asarray(scale, np.float32)
    if stored.ndim != 2 or factor.shape != stored.shape[:1]:
        raise VectorError(
            "int8 of shape (N, D) with scales of shape (N,)",
            f"shapes {stored.shape} and {factor.shape}",
            "Pass the columns embedding and embedding_scale of the same rows.",
        )
    vectors: npt.NDArray[np.float32] = np.multiply(stored, factor[:, None], dtype=np.float32)
    return vectors


def _scale(largest: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Max / 127 in float32, one step up where subnormal rounding would push a value past 127."""
    scale: npt.NDArray[np.float32] = (largest / _LIMIT).astype(np.float32)
    too_small = largest > scale.astype(np.float64) * (_LIMIT + 0.5)
    scale[too_small] = np.nextafter(scale[too_small], np.float32(np.inf))
    return scale
