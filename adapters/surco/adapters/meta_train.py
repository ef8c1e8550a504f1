"""Meta-training: what many tasks with a model's vectors teach the next one.

Learned from the tasks, in this order: the shape of the within-class covariance, how it is mixed with a pool's local
scatter and the identity, and the temperature of the heads by labels a class and number of classes. Mixture and
temperature are chosen by the log-likelihood of held-out places, with a covariance from tables of other origins.

A table whose labels taught the encoder has vectors that are tidier than those of a new country, and would make the
prior too sure. Where encoders exist that were trained without some tables (`Rotation`), those tables' tasks are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.blas_threads import single_threaded
from surco.adapters.borrowing import with_neighbours
from surco.adapters.crop_type_adapter import CropTypeAdapter
from surco.adapters.crop_type_fit import standard_of
from surco.adapters.discriminant import class_means
from surco.adapters.errors import LabelsError, VectorsError
from surco.adapters.learned_prior import LearnedPrior
from surco.adapters.local_scatter import LocalScatter
from surco.adapters.meta_tasks import LabelledTable, Task, draw_tasks
from surco.adapters.pooled_heads import HeadSettings, PooledHeads
from surco.adapters.temperature_fit import Answer, fit_temperatures
from surco.adapters.temperatures import ANY_VECTORS, temperature_terms

__all__ = ["SHOTS", "Rotation", "learned_covariance", "meta_train"]

Doubles = npt.NDArray[np.float64]
SHOTS = (1, 3, 5, 10, 20)
_IDENTITY_SHARES = (0.02, 0.1, 0.3)
_LEARNED_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)
_MOST_TEST = 300
_NO_CLASS = ("", "Unknown", "unknown", "unlabelled")


@dataclass(frozen=True, slots=True)
class Rotation:
    """Tables as one encoder sees them that was trained without the tables of some origins.

    Attributes:
        tables: of vectors of that encoder.
        unseen: the origins that it was not trained on; tasks are drawn from their tables alone.
    """

    tables: Sequence[LabelledTable]
    unseen: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A table with standardised vectors (N, D) and rows to borrow from, its tasks, and the covariance of the others."""

    table: LabelledTable
    standard: Doubles
    rows: npt.NDArray[np.float32]
    local: Doubles
    spread: Doubles
    tasks: tuple[Task, ...]
    covariance: Doubles | None


def meta_train(
    tables: Sequence[LabelledTable],
    *,
    model_id: str,
    rotations: Sequence[Rotation] = (),
    tasks: int = 12,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> LearnedPrior:
    """Learn a prior for crop-type adapters from the tasks of several tables.

    Args:
        tables: of vectors of one model; at least one whose tasks can be drawn.
        model_id: the encoder of the vectors.
        rotations: the tables as encoders see them that have not seen all; tasks are drawn from theirs where given.
        tasks: drawn of each table for 1, 3, 5, 10 and 20 labels a class each.
        seed: of the draws.
        progress: called with a step's name, steps done and in all.

    Raises:
        LabelsError: no table has three classes that occur in both halves of its groups.
        VectorsError: tables of several dimensions.
    """
    with single_threaded():
        return _learned(tables, rotations, model_id, tasks, seed, progress)


def _learned(
    tables: Sequence[LabelledTable],
    rotations: Sequence[Rotation],
    model_id: str,
    tasks: int,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> LearnedPrior:
    drawn = [
        (table, rotation.tables)
        for rotation in rotations or [Rotation(tables, frozenset(map(_origin, tables)))]
        for table in rotation.tables
        if _origin(table) in rotation.unseen
    ]
    _check_dimensions([*tables, *(table for table, _ in drawn)])
    prepared = [_prepared(table, others, tasks, seed + 1000 * i) for i, (table, others) in enumerate(drawn)]
    if not any(p.tasks for p in prepared):
        raise LabelsError(
            f"expected a table with three classes in at least two spatial groups each; got none in {len(tables)} "
            "table(s): give tables with more labels, or with finer groups"
        )
    prior = LearnedPrior(learned_covariance(tables), model_id=model_id)
    steps = len(_IDENTITY_SHARES) + len(_LEARNED_SHARES) + 2
    done = iter(range(1, steps + 1))
    for name, choices in (("learned_share", _LEARNED_SHARES), ("identity_share", _IDENTITY_SHARES)):
        scores = {}
        for value in choices:
            tried = replace(prior, **{name: value})  # type: ignore[arg-type]  # both are numbers
            answers = list(_answers(prepared, tried, with_pool=True))
            _, scores[value] = fit_temperatures(answers, "pool")
            progress(f"covariance: {name} {value}", next(done), steps)
        prior = replace(prior, **{name: min(scores, key=lambda v: scores[v])})  # type: ignore[arg-type]
    temperatures: dict[str, Any] = {}
    for name in ANY_VECTORS:
        found, _ = fit_temperatures(list(_answers(prepared, prior, with_pool=name == "pool")), name)
        temperatures[name] = tuple(round(float(v), 3) for v in found)
        progress(f"temperatures: {name}", next(done), steps)
    return replace(prior, temperatures=temperatures, record=_record(prepared, tables, tasks, seed))


def _origin(table: LabelledTable) -> str:
    return table.origin or table.name


def _check_dimensions(tables: Sequence[LabelledTable]) -> None:
    dimensions = {t.vectors.shape[1] for t in tables}
    if len(dimensions) > 1:
        raise VectorsError(
            f"expected tables of vectors of one model; got dimensions {sorted(dimensions)}: encode them all with one"
        )


def learned_covariance(tables: Sequence[LabelledTable]) -> Doubles:
    """Within-class covariance (D, D) of several tables, mean variance one: the mean of the tables' shapes, weighed."""
    shapes, weights = [], []
    for table in tables:
        labelled = ~np.isin(table.labels, _NO_CLASS)
        vectors = table.vectors[labelled].astype(np.float64)
        names, codes = np.unique(table.labels[labelled], return_inverse=True)
        means, _ = class_means(vectors, codes, len(names))
        residuals = vectors - means[codes]
        scatter = residuals.T @ residuals
        shapes.append(scatter * (len(scatter) / np.trace(scatter)))
        weights.append(table.weight)
    mean: Doubles = np.average(shapes, axis=0, weights=weights)
    return mean


def _prepared(table: LabelledTable, tables: Sequence[LabelledTable], count: int, seed: int) -> _Prepared:
    scatter = LocalScatter.of(table.vectors)
    centre, spread = standard_of(table.vectors, scatter, common=True)
    rng = np.random.default_rng(seed)
    tasks = tuple(t for s in SHOTS for t in draw_tasks(table, s, count, rng, _NO_CLASS))
    standard = (table.vectors - centre) / spread
    rows = ((scatter.rows - centre) / spread).astype(np.float32)
    local = scatter.covariance / np.outer(spread, spread)
    others = [t for t in tables if _origin(t) != _origin(table)]
    covariance = learned_covariance(others) if others else None
    return _Prepared(table, standard, rows, local, spread, tasks, covariance)


def _answers(prepared: Sequence[_Prepared], prior: LearnedPrior, *, with_pool: bool) -> Iterator[Answer]:
    """Both heads of each task, fitted as the adapter fits them."""
    settings = CropTypeAdapter().settings()
    for each in prepared:
        elsewhere = replace(prior, covariance=each.covariance)
        shape = elsewhere.shape(each.spread, each.local if with_pool else None)
        for task in each.tasks:
            yield _answer(each, task, shape, settings, with_pool=with_pool)


def _answer(
    each: _Prepared, task: Task, shape: Doubles, settings: HeadSettings, *, with_pool: bool
) -> Answer:
    taught = each.standard[task.train]
    if with_pool:
        taught = with_neighbours(taught, task.train_codes, each.rows, settings.borrowed)
    heads = PooledHeads.fit(taught, task.train_codes, len(task.classes), shape, settings)
    kept = np.random.default_rng(0).permutation(len(task.test))[:_MOST_TEST]
    asked = each.standard[task.test[kept]]
    weights, bias = heads.pooled(1.0)
    weight = each.table.weight / len(each.tasks)
    return Answer(asked @ weights + bias, task.test_codes[kept], temperature_terms(heads.counts), weight)


def _record(
    prepared: Sequence[_Prepared], tables: Sequence[LabelledTable], tasks: int, seed: int
) -> dict[str, Any]:
    return {
        "tables": [
            {
                "name": p.table.name,
                "rows": len(p.table.labels),
                "classes": len(np.unique(p.table.labels)),
                "tasks": len(p.tasks),
                "weight": p.table.weight,
            }
            for p in prepared
        ],
        "covariance": [t.name for t in tables],
        "labels_per_class": list(SHOTS),
        "tasks_each": tasks,
        "seed": seed,
    }
