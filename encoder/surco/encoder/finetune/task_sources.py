"""Where the tasks of meta-training come from: real tables with their places, and regions of the synthetic country."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from surco.encoder.finetune.tasks import Task
from surco.encoder.model import ModelConfig, add_indices, season_grid
from surco.encoder.pretrain.corpora import simulated_corpora
from surco.encoder.pretrain.corpus import Dataset, from_samples
from surco.encoder.pretrain.views import thin_channels
from surco.encoder.samples import SampleSeries

__all__ = ["TaskSource", "draw_task", "simulated_sources", "table_source"]

Rows = npt.NDArray[np.intp]
MOST_CLASSES = 8
QUERIES = 10
"""Rows a class that an adapted encoder is asked about."""


@dataclass(frozen=True)
class TaskSource:
    """Series that tasks are drawn from.

    `region` (N,) numbers worlds of their own: a task lies in one. `group` (N,) numbers places: support and query of a
    task share none.
    """

    data: Dataset
    region: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]


def table_source(name: str, series: SampleSeries) -> TaskSource:
    """A sample table: one region, its spatial groups as places (every row for itself where it has none)."""
    names = series.group.astype(str) if any(series.group) else np.arange(len(series.values)).astype(str)
    _, group = np.unique(names, return_inverse=True)
    label = [str(x) for x in series.label]
    arrays = (series.values, series.valid, series.dates, series.lonlat, series.static)
    data = from_samples(name, *arrays, label)
    seen = series.valid.any(axis=(1, 2))  # the rows that a data set keeps
    return TaskSource(data, np.zeros(int(seen.sum()), np.int64), group[seen])


def simulated_sources(series: int, seed: int) -> list[TaskSource]:
    """Four synthetic sets of so many series: each climate and year is a region, every parcel a place of its own.

    Raises:
        SimulationError: fewer than one series.
    """
    return [
        TaskSource(d, np.zeros(len(d.label), np.int64) if d.zone is None else d.zone, np.arange(len(d.label)))
        for d in simulated_corpora(series, seed)
    ]


def draw_task(
    sources: Sequence[TaskSource], config: ModelConfig, thinned: float, rng: np.random.Generator
) -> tuple[Task, Task] | None:
    """Support and query of a random task, of 2 to 8 classes and 2 to 10 labels a class; None where a draw holds none.

    Args:
        sources: drawn from by their data sets' weights.
        config: of the network that reads the grids.
        thinned: share of the tasks that see only what another archive would offer.
        rng: of every draw.
    """
    share = np.array([s.data.weight for s in sources])
    source = sources[int(rng.choice(len(sources), p=share / share.sum()))]
    region = rng.choice(np.unique(source.region))
    rows = np.flatnonzero((source.region == region) & (source.data.label >= 0))
    split = _split(source, rows, rng)
    if split is None:
        return None
    support, query = split
    code = np.unique(source.data.label[support], return_inverse=True)[1]
    asked = np.searchsorted(np.unique(source.data.label[support]), source.data.label[query])
    seen = _shown(source.data, config, thinned, rng)
    return (
        _task(source, support, code, seen, config),
        _task(source, query, asked, seen, config),
    )


def _split(source: TaskSource, rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows] | None:
    """Rows of support and query in different places; None where fewer than two classes have rows on both sides."""
    places = rng.permutation(np.unique(source.group[rows]))
    ours = np.isin(source.group[rows], places[: len(places) // 2])
    shots = int(np.exp(rng.uniform(np.log(2), np.log(10))))
    support: list[Rows] = []
    query: list[Rows] = []
    for c in rng.permutation(np.unique(source.data.label[rows])):
        here = source.data.label[rows] == c
        known, asked = rows[here & ours], rows[here & ~ours]
        if len(known) > 1 and len(asked) and len(support) < MOST_CLASSES:
            support.append(rng.permutation(known)[:shots])
            query.append(rng.permutation(asked)[:QUERIES])
    return (np.concatenate(support), np.concatenate(query)) if len(support) > 1 else None


def _shown(data: Dataset, config: ModelConfig, thinned: float, rng: np.random.Generator) -> Tensor:
    """(C,) which channels a whole task is seen with: one table comes from one archive."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    offered = torch.from_numpy(data.valid.any(axis=(0, 1)))
    return thin_channels(offered.view(1, 1, config.channels), generator, thinned)[0, 0]


def _task(source: TaskSource, rows: Rows, code: Rows, shown: Tensor, config: ModelConfig) -> Task:
    batch = source.data.rows(rows)
    grid, measured = season_grid(
        *add_indices(torch.nan_to_num(batch.values), batch.valid & shown, config),
        batch.days,
        batch.lonlat,
        config,
    )
    numbers = (torch.from_numpy(x.astype(np.int64)) for x in (code, source.group[rows]))
    return Task(grid, measured, batch.static, *numbers)
