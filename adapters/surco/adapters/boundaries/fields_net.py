"""The network that draws fields, in numpy: a small U-Net with heads for extent, boundary and distance.

The heads are those of Diakogiannis et al. 2020 (ISPRS J. 162, 94-114) and Waldner & Diakogiannis 2020 (RSE 245,
111741). It is trained with torch (`scripts/train_boundaries.py`), with batch normalisation folded into the convolutions
at the end; asking it needs no torch, and 256 x 256 pixels take less than a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["HEADS", "FieldsNet"]

HEADS = ("extent", "boundary", "distance")
Floats = npt.NDArray[np.float32]
_WINDOW = 512
"""Pixels a side that are worked on at a time: 200 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class FieldsNet:
    """A trained network.

    Attributes:
        components: how many components of the vectors it is given.
        widths: channels by level, from the finest.
        tensors: convolutions by name, `<block>.<0 or 1>.weight` (3, 3, given, made) and `.bias` (made,), blocks `stem`,
            `down.<i>`, `up.<i>`; `head.weight` (widths[0], 3) and `head.bias` (3,).
    """

    components: int
    widths: tuple[int, ...]
    tensors: Mapping[str, Floats]

    @classmethod
    def shapes(cls, components: int, widths: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by name."""
        blocks = {"stem": (components + 5, widths[0])}
        for i in range(len(widths) - 1):
            blocks[f"down.{i}"] = (widths[i], widths[i + 1])
            coarse, fine = widths[-1 - i], widths[-2 - i]
            blocks[f"up.{i}"] = (coarse + fine, fine)
        out: dict[str, tuple[int, ...]] = {"head.weight": (widths[0], 3), "head.bias": (3,)}
        for name, (given, made) in blocks.items():
            out |= {f"{name}.0.weight": (3, 3, given, made), f"{name}.0.bias": (made,)}
            out |= {f"{name}.1.weight": (3, 3, made, made), f"{name}.1.bias": (made,)}
        return out

    @property
    def step(self) -> int:
        """What height and width are padded to a multiple of, in pixels."""
        return 1 << (len(self.widths) - 1)

    @property
    def margin(self) -> int:
        """Pixels from which a pixel hears, rounded up to a multiple of `step`."""
        levels = len(self.widths)
        heard = 2 + sum(2 << i for i in range(levels)) + sum(2 << i for i in range(levels - 1))
        return math.ceil(heard / self.step) * self.step

    def features(self, inputs: Floats, window: int = _WINDOW) -> Floats:
        """What the last layer is given, (H, W, widths[0]), of `network_input.network_input` (H, W, components + 3).

        Large areas are worked on in windows, with as much around each as its pixels hear from, so that the result is
        that of the whole.
        """
        height, width = inputs.shape[:2]
        out = np.empty((height, width, self.widths[0]), np.float32)
        for top, bottom in self._spans(height, window):
            for left, right in self._spans(width, window):
                y, x = max(0, top - self.margin), max(0, left - self.margin)
                part = inputs[y : bottom + self.margin, x : right + self.margin]
                made = self._forward(part)
                out[top:bottom, left:right] = made[top - y : bottom - y, left - x : right - x]
        return out

    def logits(self, features: Floats) -> Floats:
        """Logits (..., 3) in the order of `HEADS`."""
        logits: Floats = features @ self.tensors["head.weight"] + self.tensors["head.bias"]
        return logits

    def _spans(self, length: int, window: int) -> Iterator[tuple[int, int]]:
        side = max(self.step, window // self.step * self.step)
        for start in range(0, length, side):
            yield start, min(start + side, length)

    def _forward(self, inputs: Floats) -> Floats:
        height, width = inputs.shape[:2]
        padding = ((0, -height % self.step), (0, -width % self.step), (0, 0))
        padded = np.pad(inputs, padding)
        x = self._block("stem", np.concatenate([padded, _steepness(padded[..., : self.components])], axis=2))
        kept = [x]
        for i in range(len(self.widths) - 1):
            x = self._block(f"down.{i}", _halved(x))
            kept.append(x)
        for i, skip in enumerate(reversed(kept[:-1])):
            x = self._block(f"up.{i}", np.concatenate([skip, _doubled(x)], axis=2))
        return x[:height, :width]

    def _block(self, name: str, x: Floats) -> Floats:
        for layer in ("0", "1"):
            weight = self.tensors[f"{name}.{layer}.weight"]
            x = _convolved(x, weight) + self.tensors[f"{name}.{layer}.bias"]
            np.maximum(x, 0, out=x)
        return x


def _convolved(x: Floats, weight: Floats) -> Floats:
    """(H, W, made) of a convolution with 3 x 3 pixels and zeros around.

    Rows are laid end to end, so that each of the nine shifts is one slice and one product of matrices.
    """
    height, width, given = x.shape
    padded = np.zeros((height + 3, width + 2, given), np.float32)
    padded[1 : height + 1, 1:-1] = x
    flat, long = padded.reshape(-1, given), height * (width + 2)
    total = np.zeros((long, weight.shape[3]), np.float32)
    for down in range(3):
        for right in range(3):
            start = down * (width + 2) + right
            total += flat[start : start + long] @ weight[down, right]
    return total.reshape(height, width + 2, -1)[:, :width]


def _halved(x: Floats) -> Floats:
    """Largest of each 2 x 2 pixels."""
    rows = np.maximum(x[::2], x[1::2])
    halved: Floats = np.maximum(rows[:, ::2], rows[:, 1::2])
    return halved


def _doubled(x: Floats) -> Floats:
    """Each pixel four times."""
    return x.repeat(2, axis=0).repeat(2, axis=1)


def _steepness(x: Floats) -> Floats:
    """Length of the components' gradient over two and over four pixels, (H, W, 2).

    It does not depend on the basis that the components are given in.
    """
    parts = []
    for reach in (1, 2):
        padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
        middle = slice(reach, -reach)
        down = padded[2 * reach :, middle] - padded[: -2 * reach, middle]
        right = padded[middle, 2 * reach :] - padded[middle, : -2 * reach]
        parts.append(np.sqrt((down**2).sum(axis=2) + (right**2).sum(axis=2) + np.float32(1e-6)))
    return np.stack(parts, axis=2)
