"""Properties of a layer's features: the values that occur, encoded once each, and which of them each feature has."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from surco.api.tiles.varints import varint_bytes

__all__ = ["Column"]

# A layer's field `values`, 4, and a value's fields: text 1, double 3, unsigned 5, truth 7; low bits are the wire type.
_VALUE, _TEXT, _DOUBLE, _UNSIGNED, _TRUTH = 0x22, 0x0A, 0x19, 0x28, 0x38
_DIGITS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One property of N features.

    Attributes:
        name: the property's.
        values: V different values, as the layer's message holds them.
        count: V.
        which: (N,) position of each feature's value, -1 where it has none.
    """

    name: str
    values: bytes
    count: int
    which: npt.NDArray[np.int64]

    @classmethod
    def texts(cls, name: str, values: Sequence[str], which: npt.NDArray[Any]) -> Self:
        """Words, of which each feature has one."""
        encoded = [_message(_TEXT, text.encode()) for text in values]
        return cls(name, b"".join(encoded), len(encoded), np.asarray(which, np.int64))

    @classmethod
    def numbers(cls, name: str, values: npt.NDArray[Any]) -> Self:
        """Numbers (N,) as doubles, absent where they are not finite; each different one is kept once, so round them."""
        known = np.isfinite(values)
        different, which = np.unique(values[known].astype(np.float64), return_inverse=True)
        header = bytes((_VALUE, 9, _DOUBLE))
        encoded = b"".join(header + struct.pack("<d", value) for value in different.tolist())
        return cls(name, encoded, len(different), _where(known, which))

    @classmethod
    def counts(cls, name: str, values: npt.NDArray[Any], known: npt.NDArray[np.bool_] | None = None) -> Self:
        """Whole numbers from zero on (N,), absent where they are not known."""
        there = np.ones(len(values), bool) if known is None else known
        different, which = np.unique(np.asarray(values)[there].astype(np.uint64), return_inverse=True)
        encoded = [
            _field(bytes((_UNSIGNED,)) + varint_bytes(different[i : i + 1])) for i in range(len(different))
        ]
        return cls(name, b"".join(encoded), len(different), _where(there, which))

    @classmethod
    def truths(cls, name: str, values: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> Self:
        """True or false (N,), absent where it is not known."""
        encoded = b"".join(_field(bytes((_TRUTH, truth))) for truth in (0, 1))
        return cls(name, encoded, 2, np.where(known, values, -1).astype(np.int64))

    @classmethod
    def cells(cls, name: str, cells: npt.NDArray[np.uint64]) -> Self:
        """H3 cells (N,) as text of fifteen hexadecimal digits."""
        digits = np.frombuffer(cells.astype(">u8").tobytes().hex().encode(), np.uint8).reshape(-1, 16)
        encoded = np.empty((len(cells), _DIGITS + 4), np.uint8)
        encoded[:, :4] = (_VALUE, _DIGITS + 2, _TEXT, _DIGITS)
        encoded[:, 4:] = digits[:, 1:]
        return cls(name, encoded.tobytes(), len(cells), np.arange(len(cells)))


def _where(known: npt.NDArray[np.bool_], which: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    whole = np.full(len(known), -1)
    whole[known] = which.ravel()
    return whole


def _message(kind: int, data: bytes) -> bytes:
    return _field(bytes((kind,)) + _length(data) + data)


def _field(value: bytes) -> bytes:
    return bytes((_VALUE,)) + _length(value) + value


def _length(data: bytes) -> bytes:
    """The varint of one length, without the cost of an array."""
    left, out = len(data), bytearray()
    while left > 127:
        out.append(left & 127 | 128)
        left >>= 7
    out.append(left)
    return bytes(out)
