"""Pictures of tiles as PNG (ISO/IEC 15948): a palette with transparency, or red, green, blue and opacity."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

__all__ = ["palette_png", "rgba_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE, _RGBA = 3, 6
_LEVEL = 3

Bytes = npt.NDArray[np.uint8]


def palette_png(picture: Bytes, palette: Bytes) -> bytes:
    """A picture (H, W) of positions in a palette (K, 4) of red, green, blue and opacity, K at most 256."""
    colours = _chunk(b"PLTE", palette[:, :3].tobytes()) + _chunk(b"tRNS", palette[:, 3].tobytes())
    return _png(picture, _PALETTE, colours)


def rgba_png(picture: Bytes) -> bytes:
    """A picture (H, W, 4) of red, green, blue and opacity."""
    return _png(picture.reshape(picture.shape[0], -1), _RGBA, b"", width=picture.shape[1])


def _png(rows: Bytes, kind: int, colours: bytes, width: int | None = None) -> bytes:
    height = len(rows)
    head = struct.pack(">IIBBBBB", width or rows.shape[1], height, 8, kind, 0, 0, 0)
    # Each row is preceded by its filter, which is none.
    lines = np.zeros((height, rows.shape[1] + 1), np.uint8)
    lines[:, 1:] = rows
    data = zlib.compress(lines.tobytes(), _LEVEL)
    return _SIGNATURE + _chunk(b"IHDR", head) + colours + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
