"""Protocol buffers' variable-length whole numbers, whole arrays at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["varint_bytes", "varint_sizes", "zigzag"]


def varint_sizes(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Bytes (N,) that each of (N,) numbers takes: seven bits a byte."""
    sizes = np.ones(len(values), np.int64)
    most = int(values.max(initial=0))
    for size in range(1, 10):
        if most < 1 << (7 * size):
            break
        sizes += values >= np.uint64(1 << (7 * size))
    return sizes


def varint_bytes(values: npt.NDArray[np.uint64]) -> bytes:
    """The numbers one after the other, low bits first, the eighth bit set where a number goes on."""
    sizes = varint_sizes(values)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    for place in range(int(sizes.max(initial=0))):
        has = np.flatnonzero(sizes > place) if place else slice(None)
        seven = (values[has] >> np.uint64(7 * place)).astype(np.uint8) & np.uint8(0x7F)
        out[starts[has] + place] = seven | ((sizes[has] > place + 1) * np.uint8(0x80))
    return out.tobytes()


def zigzag(values: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Signed numbers as unsigned ones, small where they are near zero: 0, -1, 1, -2 are 0, 1, 2, 3."""
    return ((values << 1) ^ (values >> 63)).astype(np.uint64)
