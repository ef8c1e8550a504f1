"""A labelled task as the network reads it: season grids, class numbers and spatial groups.

The season's grid has no weights, so it is made once; every step of training starts from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from surco.encoder.finetune.errors import FineTuneError
from surco.encoder.model import ModelConfig, SeriesEncoder, add_indices, season_grid
from surco.encoder.samples import SampleSeries

__all__ = ["Task", "labelled_task", "task_vectors"]

NO_CLASS = ("", "Unknown", "unknown")


@dataclass(frozen=True)
class Task:
    """B labelled rows of one legend.

    grid and measured (B, bins, channels), static (B, 2), code (B,) class numbers from 0 on, group (B,) numbers of the
    places that must not stand on both sides of a split.
    """

    grid: Tensor
    measured: Tensor
    static: Tensor
    code: Tensor
    group: Tensor

    def __len__(self) -> int:
        return len(self.code)

    @property
    def classes(self) -> int:
        """How many classes there are: one more than the highest number."""
        return int(self.code.max()) + 1

    def rows(self, rows: npt.NDArray[np.intp] | Tensor) -> Task:
        """The rows of these numbers; class numbers stay."""
        index = torch.as_tensor(rows, device=self.code.device)
        return Task(*(getattr(self, f.name)[index] for f in fields(self)))


def task_vectors(model: SeriesEncoder, task: Task) -> Tensor:
    """Unit vectors (B, D) of a task's rows, as `SeriesEncoder.forward` gives them."""
    both = torch.cat(model.through(task.grid, task.measured, task.static), dim=1)
    return F.normalize(model.assemble(both), dim=-1)


def labelled_task(
    series: SampleSeries,
    labels: Sequence[str],
    groups: Sequence[object] | None,
    config: ModelConfig,
    device: torch.device,
) -> tuple[Task, tuple[str, ...]]:
    """The rows that can teach something, and the names of their classes.

    Rows without a class, without any valid value, or alone in their class are left out.

    Args:
        series: N series.
        labels: N class names; "", "Unknown", None and NaN are none.
        groups: N spatial groups; None takes every row for a place of its own.
        config: of the network that reads the grids.
        device: where the tensors shall lie.

    Raises:
        FineTuneError: lengths that differ, or fewer than two classes of two usable rows each.
    """
    names = np.array(["" if x is None or x != x else str(x) for x in labels], object)
    place = np.arange(len(names)) if groups is None else np.array([str(g) for g in groups], object)
    if not len(names) == len(place) == len(series.values):
        raise FineTuneError(
            f"Expected a label and a group for each of {len(series.values)} series, got {len(names)} labels and "
            f"{len(place)} groups. Give them in the order of the series."
        )
    rows = np.flatnonzero(series.valid.any(axis=(1, 2)) & ~np.isin(names, NO_CLASS))
    found, count = np.unique(names[rows].astype(str), return_counts=True)
    classes = tuple(found[count > 1].tolist())
    if len(classes) < 2:
        raise FineTuneError(
            f"Expected at least two classes of two labelled series each, got {len(classes)} among {len(rows)} series "
            "with a label and a valid value. Label more, or keep the encoder as it is."
        )
    rows = rows[np.isin(names[rows], classes)]
    code = np.searchsorted(classes, names[rows].astype(str))
    _, group = np.unique(place[rows].astype(str), return_inverse=True)
    grid, measured = _grids(series, rows, config, device)
    static = torch.from_numpy(series.static[rows].astype(np.float32)).to(device)
    numbers = (torch.from_numpy(x.astype(np.int64)).to(device) for x in (code, group))
    return Task(grid, measured, static, *numbers), classes


def _grids(
    series: SampleSeries, rows: npt.NDArray[np.intp], config: ModelConfig, device: torch.device
) -> tuple[Tensor, Tensor]:
    dates = np.broadcast_to(series.dates, series.values.shape[:2])[rows]
    days = dates.astype("datetime64[D]").astype(np.float32)
    valid = series.valid[rows] & np.isfinite(series.values[rows])
    values, ok, when, where = (
        torch.from_numpy(np.ascontiguousarray(x)).to(device)
        for x in (np.nan_to_num(series.values[rows]), valid, days, series.lonlat[rows].astype(np.float32))
    )
    return season_grid(*add_indices(values, ok, config), when, where, config)
