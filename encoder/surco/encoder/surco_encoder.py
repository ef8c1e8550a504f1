"""Our own encoder behind the `Encoder` protocol: series through the network on a CPU or a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from surco.encoder.arithmetic import Arithmetic, choose_arithmetic, forward_of
from surco.encoder.blocks import OverlappedBlocks, plain_blocks
from surco.encoder.checkpoint import WEIGHTS, load_checkpoint
from surco.encoder.errors import ModelError
from surco.encoder.model import SeriesEncoder
from surco.encoder.protocol import Bools, Dates, Floats

__all__ = ["SurcoEncoder"]


class SurcoEncoder:
    """The shipped network, or one trained elsewhere, as an `Encoder`.

    On a CPU it works in float32: the same bits whatever the blocks, and those that earlier versions gave. On a GPU the
    trunk is bfloat16 and compiled, a block is a tile's window, and copies overlap with the work.

    Args:
        path: a `.safetensors` file with its JSON card beside it.
        device: "auto", "cpu", "cuda" or "cuda:1"; see `choose_arithmetic`.
        precision: "float32" or "bfloat16"; None takes the device's own.

    Raises:
        ModelError: no such file, or no such device.
    """

    def __init__(
        self,
        path: Path = WEIGHTS / "surco-nano.safetensors",
        device: str = "auto",
        precision: str | None = None,
    ) -> None:
        model, self.card = load_checkpoint(path)
        self._set_up(model, choose_arithmetic(device, precision))

    @classmethod
    def of_model(
        cls, model: SeriesEncoder, card: dict[str, Any], arithmetic: Arithmetic | None = None
    ) -> SurcoEncoder:
        """An encoder of a network in memory; `card` names it under `model_id`. None works in float32 on the CPU."""
        encoder = cls.__new__(cls)
        encoder.card = card
        encoder._set_up(model.eval(), arithmetic or Arithmetic(torch.device("cpu")))
        return encoder

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes of ours, each of which sets its own device up."""
        return SurcoEncoder.of_model, (self.model, self.card, self.arithmetic)

    def _set_up(self, model: SeriesEncoder, arithmetic: Arithmetic) -> None:
        self.model = model.to(arithmetic.device)
        self._forward, self.arithmetic = forward_of(self.model, arithmetic)
        self._overlapped = OverlappedBlocks(self._forward, self.arithmetic, self.dimension)

    @property
    def model_id(self) -> str:
        """Name and version of the weights, from their card."""
        return str(self.card["model_id"])

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.model.config.dimension

    @property
    def digits(self) -> str | None:
        """What tells its vectors from those of float32, which are the same to rounding; None where they are."""
        precision = self.arithmetic.precision
        return None if precision == torch.float32 else str(precision).removeprefix("torch.")

    @property
    def at_once(self) -> int:
        """Series that are best given in one call."""
        return max(self.arithmetic.block, 8192)

    def encode(self, values: Floats, valid: Bools, dates: Dates, lonlat: Floats, static: Floats) -> Floats:
        """See `protocol.Encoder.encode`.

        Raises:
            ModelError: arrays whose shapes do not belong together.
        """
        n, t, c = values.shape
        if (
            valid.shape != values.shape
            or dates.shape not in {(t,), (n, t)}
            or c != self.model.config.channels
        ):
            raise ModelError(
                f"Expected values and valid (N, T, {self.model.config.channels}) and dates (T,) or (N, T), got "
                f"{values.shape}, {valid.shape}, {dates.shape}. Build them with channels.CHANNELS in order."
            )
        days = np.broadcast_to(dates.astype("datetime64[D]").astype(np.float32), (n, t))
        places = (np.asarray(each, np.float32) for each in (lonlat, static))
        arrays = (np.asarray(values, np.float32), valid, days, *places)
        out = np.full((n, self.dimension), np.nan, np.float32)
        if self.arithmetic.device.type == "cuda":
            self._overlapped.run(arrays, out)
        else:
            plain_blocks(self._forward, self.arithmetic, arrays, out)
        return out
