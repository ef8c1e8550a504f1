"""What comes in at the door of an adapter: vectors, labels, groups, checked once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from surco.adapters.errors import LabelsError, VectorsError
from surco.embedstore import Sentence

__all__ = ["MOST_CLASSES", "checked_groups", "checked_labels", "checked_quantised", "checked_vectors"]

MOST_CLASSES = 1000
"""More classes are refused: a fit takes a minute and gigabytes by 10,000, and they have a label or two each."""


def checked_vectors(estimator: BaseEstimator, X: Any, *, reset: bool) -> npt.NDArray[np.floating]:
    """Finite vectors (N, D) of the dimension the estimator learned (or learns now, where `reset`).

    Raises:
        VectorsError: another shape or dimension, no numbers, NaN or infinity.
    """
    try:
        vectors: npt.NDArray[np.floating] = validate_data(
            estimator, X, reset=reset, dtype=[np.float32, np.float64], ensure_all_finite=False
        )
    except ValueError as error:
        raise VectorsError(
            f"expected vectors of shape (rows, dimension), of the model the adapter is for; got: {error} "
            "— read them from the table the labels were matched with"
        ) from error
    require_finite(vectors)
    return vectors


def require_finite(vectors: npt.NDArray[np.floating]) -> None:
    """Raise VectorsError where a row has NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise VectorsError(
            f"expected finite vectors; got NaN or inf in {len(bad)} of {len(vectors)} rows, first in row {bad[0]}: "
            "leave out the places without data"
        )


def checked_quantised(
    embedding: npt.NDArray[np.int8], scale: npt.NDArray[np.float32], dimension: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Vectors (N, dimension) int8 and their scales (N,) float32.

    Raises:
        VectorsError: another type, shape or dimension, a scale that is not finite.
    """
    table, factors = np.asarray(embedding), np.asarray(scale, np.float32)
    if table.dtype != np.int8 or table.ndim != 2 or table.shape[1] != dimension:
        raise VectorsError(
            f"expected int8 vectors of shape (rows, {dimension}); got {table.dtype} of shape {table.shape}: "
            "read `embedding` from the table of the adapter's model"
        )
    if factors.shape != (len(table),) or not np.isfinite(factors).all():
        raise VectorsError(
            f"expected one finite scale a row, shape ({len(table)},); got shape {factors.shape}: "
            "read `embedding_scale` beside `embedding` and leave out the rows without data"
        )
    return table, factors


def checked_labels(y: Any, rows: int) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.intp]]:
    """Sorted classes (K,) and the class position (N,) of each label.

    Raises:
        LabelsError: none, another number than `rows`, missing or unsortable labels, measurements, one class only, or
            more than `MOST_CLASSES`.
    """
    if y is None:
        raise LabelsError(
            "this adapter requires y to be passed, but the target y is None: give one class name a vector"
        )
    _require_few(y)
    labels = _class_array(y)
    if len(labels) != rows:
        raise LabelsError(
            f"expected one label a vector; got {rows} vectors and {len(labels)} labels: match labels and table again"
        )
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise LabelsError(
            Sentence(
                f"expected at least two classes; got 1 class, {classes[0]!s}, in all {rows} labels: "
                "add labels of what it is to be told from",
                "fit-one-class",
                label=str(classes[0]),
                count=rows,
            )
        )
    return classes, codes.astype(np.intp)


def _require_few(y: Any) -> None:
    array = np.asarray(y)
    # A measurement is no class: scikit-learn's own check names it.
    if array.ndim == 1 and array.dtype.kind in "OUSiub" and len(set(array.tolist())) > MOST_CLASSES:
        raise LabelsError(
            Sentence(
                f"expected at most {MOST_CLASSES} classes; got {len(set(array.tolist()))}: take classes "
                "together, for instance by a level of a legend, or check that the class column is not an id",
                "fit-many-classes",
                most=MOST_CLASSES,
                count=len(set(array.tolist())),
            )
        )


def _class_array(y: Any) -> npt.NDArray[np.generic]:
    values = np.asarray(y)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise LabelsError(
            f"expected a class for each vector; got NaN or infinity in {int((~np.isfinite(values)).sum())} of "
            f"{len(values)} rows: name the class, or leave the row out"
        )
    try:
        labels: npt.NDArray[np.generic] = column_or_1d(y, warn=True)
        # scikit-learn cannot sort None among names, and takes few labels of many classes for a measurement.
        if labels.dtype.kind == "U" or any(v is None or v != v for v in labels.tolist()):
            _require_named(labels)
        elif labels.dtype.kind not in "iub":
            check_classification_targets(labels)
            _require_named(labels)
    except LabelsError:
        raise
    except ValueError as error:
        raise LabelsError(
            f"expected one class name or number a vector; got: {error} "
            "— use names or whole numbers; a measured quantity needs a regression"
        ) from error
    return labels


def _require_named(labels: npt.NDArray[np.generic]) -> None:
    if labels.dtype.kind not in "OU":
        return
    wrong = [i for i, v in enumerate(labels.tolist()) if not (isinstance(v, str) and v.strip())]
    if wrong:
        raise LabelsError(
            f"expected a class name, text that is not empty, for each vector; got {labels[wrong[0]]!r} in row "
            f"{wrong[0]} and {len(wrong)} such in all: name the class, or leave the row out"
        )


def checked_groups(groups: Any, rows: int) -> npt.NDArray[np.intp]:
    """One group (N,), a whole number, a label; None makes each label its own group.

    Raises:
        LabelsError: another number than `rows`.
    """
    if groups is None:
        return np.arange(rows)
    array = np.asarray(groups)
    if array.shape != (rows,):
        raise LabelsError(
            f"expected one group a label, shape ({rows},); got shape {array.shape}: "
            "give each label its spatial block, or leave groups out"
        )
    return np.unique(array.astype(str), return_inverse=True)[1].astype(np.intp)
