"""A published network of monthly pixel series as an `Encoder`: checks, months, tokens, blocks, unit vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from surco.encoder.protocol import Bools, Dates, Floats
from surco.encoder.published.months import check_series, to_months
from surco.encoder.published.token_groups import TokenGroup, token_groups

__all__ = ["MonthlyEncoder", "Scaling"]

BLOCK = 512
"""Rows at a time: their hidden layers take some 100 MB."""

_NOT_MEASURED = ("SRTM", "location")

Scaling = Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]
"""By group, what is subtracted from its channels and what they are then divided by."""


class MonthlyEncoder:
    """Presto, Galileo and their like.

    Args:
        network: takes groups and months, see `presto_model.PrestoNetwork.forward`.
        scaling: of the groups the network takes; others are left out.
        card: the model card; `model_id` and `dimension` are read from it.
        months: longest span of a series.
        device: "cpu", "cuda", or None to take a GPU where there is one.
    """

    def __init__(
        self,
        network: nn.Module,
        scaling: Scaling,
        card: dict[str, Any],
        months: int,
        device: str | None = None,
    ) -> None:
        self.card = card
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._network = network.eval().to(self._device)
        self._scaling, self._months = scaling, months

    @property
    def model_id(self) -> str:
        """Name and version of the weights."""
        return str(self.card["model_id"])

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.card["dimension"])

    def encode(self, values: Floats, valid: Bools, dates: Dates, lonlat: Floats, static: Floats) -> Floats:
        """See `protocol.Encoder.encode`; dates are averaged to calendar months.

        A row is NaN also where no group of channels is complete in any month: the network takes whole groups only.

        Raises:
            ModelError: arrays whose shapes do not belong together, or a series that spans too many months.
        """
        check_series(values, valid, dates)
        out = np.full((len(values), self.dimension), np.nan, np.float32)
        if not values.size:
            return out
        series = to_months(values, valid & np.isfinite(values), dates, self._months)
        groups = self._scaled(token_groups(series, lonlat, static))
        for rows in _blocks(groups):
            out[rows] = self._encode_block(groups, series.month, rows)
        return out

    def _scaled(self, groups: Mapping[str, TokenGroup]) -> dict[str, TokenGroup]:
        scaled = {}
        for name, (shift, divisor) in self._scaling.items():
            values = (groups[name].values - np.asarray(shift)) / np.asarray(divisor)
            scaled[name] = TokenGroup(values.astype(np.float32), groups[name].keep)
        return scaled

    def _encode_block(
        self, groups: Mapping[str, TokenGroup], month: npt.NDArray[np.int64], rows: npt.NDArray[np.intp]
    ) -> Floats:
        seen = {name: group for name, group in groups.items() if group.keep[rows].any()}
        tensors = {
            name: (
                torch.from_numpy(group.values[rows]).to(self._device),
                torch.from_numpy(group.keep[rows]).to(self._device),
            )
            for name, group in seen.items()
        }
        with torch.inference_mode():
            vectors = self._network(tensors, torch.from_numpy(month[rows]).to(self._device))
            unit = nn.functional.normalize(vectors.float(), dim=1)
        out: Floats = unit.cpu().numpy()
        return out


def _blocks(groups: Mapping[str, TokenGroup]) -> list[npt.NDArray[np.intp]]:
    """Rows that have a measured token, those with equally many together, so that few blocks need padding."""
    counts = {name: g.keep.reshape(len(g.keep), -1).sum(axis=1) for name, g in groups.items()}
    measured = sum(count for name, count in counts.items() if name not in _NOT_MEASURED)
    order = np.argsort(sum(counts.values()), kind="stable")
    rows = order[np.asarray(measured)[order] > 0]
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
