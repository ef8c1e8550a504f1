"""Tasks for meta-training: a few labels of some classes in half of the places, and a test in the other half.

Tasks come from tables whose classes are known, or from unlabelled tables whose clusters stand in for classes
(unsupervised meta-learning by clustering: Hsu, Levine and Finn, ICLR 2019, "CACTUs").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.cluster import MiniBatchKMeans

from surco.adapters.checks import checked_groups, checked_labels, require_finite
from surco.adapters.errors import LabelsError, VectorsError

__all__ = ["LabelledTable", "Task", "clustered_table", "draw_tasks"]

Codes = npt.NDArray[np.intp]
_LEAST_CLASSES = 3
_LEAST_TEST = 5
_TRIES = 50


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """A table of one model's vectors with classes and places.

    Attributes:
        name: for reports.
        vectors: (N, D) finite.
        labels: (N,) class names.
        groups: (N,) spatial blocks; labels of one block are never on both sides of a task.
        weight: how much a task of this table counts beside one of another.
        origin: the country or source; what is learned from tables of one origin is never tried on the same. The
            table's name where it is "".

    Raises:
        LabelsError, VectorsError: lengths that differ, one class only, values that are not finite.
    """

    name: str
    vectors: npt.NDArray[np.floating]
    labels: npt.NDArray[np.str_]
    groups: npt.NDArray[np.intp]
    weight: float = 1.0
    origin: str = ""

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2:
            raise VectorsError(
                f"expected vectors of shape (rows, dimension) in table {self.name}; got shape {self.vectors.shape}: "
                "read them from one table"
            )
        require_finite(self.vectors)
        checked_labels(self.labels, len(self.vectors))
        checked_groups(self.groups, len(self.vectors))


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a table: positions of labelled and of test rows, and the class of each among `classes` (K,)."""

    train: Codes
    train_codes: Codes
    test: Codes
    test_codes: Codes
    classes: npt.NDArray[np.str_]


def draw_tasks(
    table: LabelledTable, shots: int, count: int, rng: np.random.Generator, without: Sequence[str] = ()
) -> Iterator[Task]:
    """Up to `count` tasks with `shots` labels a class, drawn from half of the groups; the other half is the test.

    A task has every class with enough labels in the first half and five in the second; a draw with fewer than three
    such classes is drawn again, fifty times at most.

    Args:
        table: what to draw from.
        shots: labels a class.
        count: tasks at most.
        rng: where draws come from.
        without: names that are no class, such as "Unknown".
    """
    names = np.setdiff1d(np.unique(table.labels), np.array(list(without), str))
    for _ in range(count):
        for _ in range(_TRIES):
            task = _draw(table, names, shots, rng)
            if task is not None:
                yield task
                break


def _draw(
    table: LabelledTable, names: npt.NDArray[np.str_], shots: int, rng: np.random.Generator
) -> Task | None:
    groups = rng.permutation(np.unique(table.groups))
    ours = np.isin(table.groups, groups[: len(groups) // 2])
    train, classes = [], []
    for name in names:
        here = table.labels == name
        candidates = np.flatnonzero(here & ours)
        if len(candidates) >= shots and (here & ~ours).sum() >= _LEAST_TEST:
            classes.append(name)
            train.append(rng.choice(candidates, shots, replace=False))
    if len(classes) < _LEAST_CLASSES:
        return None
    known = np.array(classes)
    rows = np.concatenate(train)
    test = np.flatnonzero(~ours & np.isin(table.labels, known))
    return Task(
        rows,
        np.searchsorted(known, table.labels[rows]),
        test,
        np.searchsorted(known, table.labels[test]),
        known,
    )


def clustered_table(
    name: str,
    vectors: npt.NDArray[np.floating],
    groups: npt.NDArray[np.intp],
    *,
    clusters: int = 24,
    weight: float = 0.25,
    origin: str = "",
    seed: int = 0,
) -> LabelledTable:
    """An unlabelled table whose clusters stand in for classes.

    Args:
        name: for reports.
        vectors: (N, D), at least ten a cluster.
        groups: (N,) spatial blocks.
        clusters: how many.
        weight: clusters are easier to tell apart than crops, so that they count less.
        origin: the country or source.
        seed: of the clustering.

    Raises:
        LabelsError: fewer than ten vectors a cluster.
    """
    if len(vectors) < 10 * clusters:
        raise LabelsError(
            f"expected at least {10 * clusters} vectors for {clusters} clusters; got {len(vectors)} in {name}: "
            "give more rows, or ask for fewer clusters"
        )
    require_finite(np.asarray(vectors))
    found = MiniBatchKMeans(clusters, random_state=seed, n_init=3).fit_predict(
        np.asarray(vectors, np.float32)
    )
    labels = np.array([f"cluster {c:03d}" for c in range(clusters)])[found]
    return LabelledTable(name, vectors, labels, groups, weight, origin)
