"""Series through a network block by block: one after another on a CPU, with copies beside the work on a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from surco.encoder.arithmetic import Arithmetic, Forward
from surco.encoder.protocol import Floats

__all__ = ["OverlappedBlocks", "plain_blocks"]

Arrays = Sequence[npt.NDArray[Any]]
"""Values (N, T, C), valid (N, T, C), days (N, T), lonlat (N, 2), static (N, 2)."""

_LANES = 2
_LEAST = 64
"""Series that a block has at least: products of fewer than 16 rows take other ways through the CPU, and other bits."""


def plain_blocks(forward: Forward, arithmetic: Arithmetic, arrays: Arrays, out: Floats) -> None:
    """Write the vectors of N series to `out` (N, D), a block after the other."""
    for rows in _blocks(len(out), arithmetic.block):
        block = (torch.from_numpy(_long_enough(a[rows])).to(arithmetic.device) for a in arrays)
        with torch.inference_mode():
            out[rows] = forward(*block)[: rows.stop - rows.start].cpu().numpy()


def _long_enough(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rows, with zeros after them where they are few."""
    if len(rows) >= _LEAST:
        return np.require(rows, requirements=("C", "W"))
    return np.concatenate([rows, np.zeros((_LEAST - len(rows), *rows.shape[1:]), rows.dtype)])


def _blocks(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


@dataclass(slots=True)
class _Lane:
    """Room for one block on both sides, and the block that is on its way in it."""

    host: list[Tensor]
    device: list[Tensor]
    back: Tensor
    done: torch.cuda.Event | None
    rows: slice | None = None


class OverlappedBlocks:
    """Blocks of one shape on a device: while it works on one block the next is filled in and copied.

    Two lanes of page-locked memory take turns. Copies go through a stream of their own; the last block is filled up
    with what the lane held before, so that a compiled network sees one shape. On a CPU the same steps follow one
    another.
    """

    def __init__(self, forward: Forward, arithmetic: Arithmetic, dimension: int) -> None:
        self._forward, self._arithmetic, self._dimension = forward, arithmetic, dimension
        self._gpu = arithmetic.device.type == "cuda"
        self._copies = torch.cuda.Stream(arithmetic.device) if self._gpu else None  # type: ignore[no-untyped-call]
        self._lanes: list[_Lane] = []
        self._busy = Lock()

    def run(self, arrays: Arrays, out: Floats) -> None:
        """Write the vectors of N series to `out` (N, D); one caller at a time, others wait."""
        with self._busy:
            lanes = self._lanes_for(arrays)
            for number, rows in enumerate(_blocks(len(out), self._arithmetic.block)):
                lane = lanes[number % _LANES]
                self._take(lane, out)
                self._send(lane, arrays, rows)
            for lane in lanes:
                self._take(lane, out)

    def _send(self, lane: _Lane, arrays: Arrays, rows: slice) -> None:
        """Fill a lane, and queue its copy, its work and the copy back."""
        count = rows.stop - rows.start
        for room, array in zip(lane.host, arrays, strict=True):
            np.copyto(room.numpy()[:count], array[rows], casting="same_kind")
        with torch.inference_mode():
            with torch.cuda.stream(self._copies):
                for there, room in zip(lane.device, lane.host, strict=True):
                    there.copy_(room, non_blocking=True)
            if self._copies is not None:
                torch.cuda.current_stream(self._arithmetic.device).wait_stream(self._copies)
            lane.back.copy_(self._forward(*lane.device), non_blocking=True)
        if lane.done is not None:
            lane.done.record(torch.cuda.current_stream(self._arithmetic.device))
        lane.rows = rows

    def _take(self, lane: _Lane, out: Floats | None) -> None:
        """Wait for what is on its way in a lane, and write it out; None drops it."""
        if lane.rows is None:
            return
        if lane.done is not None:
            lane.done.synchronize()
        if out is not None:
            out[lane.rows] = lane.back[: lane.rows.stop - lane.rows.start].numpy()
        lane.rows = None

    def _lanes_for(self, arrays: Arrays) -> list[_Lane]:
        """Lanes for series of this length; those of another length are given back."""
        wanted = [(self._arithmetic.block, *a.shape[1:]) for a in arrays]
        if not self._lanes or [tuple(t.shape) for t in self._lanes[0].host] != wanted:
            self._lanes = [self._lane(arrays, wanted) for _ in range(_LANES)]
        for lane in self._lanes:
            # Of a run that failed: nobody waits for it any more.
            self._take(lane, None)
        return self._lanes

    def _lane(self, arrays: Arrays, shapes: Sequence[tuple[int, ...]]) -> _Lane:
        kinds = [torch.from_numpy(a[:0].copy()).dtype for a in arrays]
        pairs = list(zip(shapes, kinds, strict=True))
        return _Lane(
            [torch.zeros(shape, dtype=kind, pin_memory=self._gpu) for shape, kind in pairs],
            [torch.zeros(shape, dtype=kind, device=self._arithmetic.device) for shape, kind in pairs],
            torch.zeros((self._arithmetic.block, self._dimension), pin_memory=self._gpu),
            torch.cuda.Event() if self._gpu else None,  # type: ignore[no-untyped-call]
        )
