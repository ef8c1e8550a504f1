"""Our own encoder behind the `Encoder` protocol: blocks of series through the network on CPU or GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from surco.encoder.checkpoint import WEIGHTS, load_checkpoint
from surco.encoder.errors import ModelError
from surco.encoder.model import SeriesEncoder
from surco.encoder.protocol import Bools, Dates, Floats

__all__ = ["SurcoEncoder"]

BLOCK = 2048


class SurcoEncoder:
    """The shipped network, or one trained elsewhere, as an `Encoder`.

    Args:
        path: a `.safetensors` file with its JSON card beside it.
        device: "cpu", "cuda", or None to take a GPU where there is one.
    """

    def __init__(self, path: Path = WEIGHTS / "surco-nano.safetensors", device: str | None = None) -> None:
        self.model, self.card = load_checkpoint(path)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model.to(self.device)

    @classmethod
    def of_model(
        cls, model: SeriesEncoder, card: dict[str, Any], device: torch.device | str = "cpu"
    ) -> SurcoEncoder:
        """An encoder of a network in memory; `card` names it under `model_id`."""
        encoder = cls.__new__(cls)
        encoder.model, encoder.card, encoder.device = model.eval(), card, torch.device(device)
        encoder.model.to(encoder.device)
        return encoder

    @property
    def model_id(self) -> str:
        """Name and version of the weights, from their card."""
        return str(self.card["model_id"])

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.model.config.dimension

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
        valid = valid & np.isfinite(values)
        seen = valid.any(axis=(1, 2))
        days = np.broadcast_to(dates.astype("datetime64[D]").astype(np.float32), (n, t))
        out = np.full((n, self.dimension), np.nan, np.float32)
        rows = np.flatnonzero(seen)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            out[block] = self._encode_block(
                values[block], valid[block], days[block], lonlat[block], static[block]
            )
        return out

    def _encode_block(self, *arrays: Any) -> Floats:
        values, valid, days, lonlat, static = (
            torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in arrays
        )
        with torch.inference_mode():
            vectors = self.model(torch.nan_to_num(values), valid, days, lonlat.float(), static.float())
        out: Floats = vectors.float().cpu().numpy()
        return out
