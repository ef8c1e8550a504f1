"""What comes in at the door of an adapter: vectors, labels, groups, checked once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from surco.adapters.errors import LabelsError, VectorsError

__all__ = ["checked_groups", "checked_labels", "checked_vectors"]


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


def checked_labels(y: Any, rows: int) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.intp]]:
    """Sorted classes (K,) and the class position (N,) of each label.

    Raises:
        LabelsError: none, another number than `rows`, missing or unsortable labels, measurements, one class only.
    """
    if y is None:
        raise LabelsError(
            "this adapter requires y to be passed, but the target y is None: give one class name a vector"
        )
    labels = _class_array(y)
    if len(labels) != rows:
        raise LabelsError(
            f"expected one label a vector; got {rows} vectors and {len(labels)} labels: match labels and table again"
        )
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise LabelsError(
            f"expected at least two classes; got 1 class, {classes[0]!s}, in all {rows} labels: "
            "add labels of what it is to be told from"
        )
    return classes, codes.astype(np.intp)


def _class_array(y: Any) -> npt.NDArray[np.generic]:
    try:
        labels: npt.NDArray[np.generic] = column_or_1d(y, warn=True)
        check_classification_targets(labels)
    except ValueError as error:
        raise LabelsError(
            f"expected one class name or number a vector; got: {error} "
            "— use names or whole numbers; a measured quantity needs a regression"
        ) from error
    if labels.dtype.kind in "OU":
        wrong = [i for i, v in enumerate(labels.tolist()) if not (isinstance(v, str) and v.strip())]
        if wrong:
            raise LabelsError(
                f"expected a class name, text that is not empty, for each vector; got {labels[wrong[0]]!r} in row "
                f"{wrong[0]} and {len(wrong)} such in all: name the class, or leave the row out"
            )
    return labels


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
