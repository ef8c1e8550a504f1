"""The regularised multinomial logistic head."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import svd
from sklearn.linear_model import LogisticRegression

__all__ = ["logistic"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


def logistic(vectors: Doubles, codes: Codes, n_classes: int, *, C: float) -> tuple[Doubles, Doubles]:
    """Fit a class-balanced multinomial logistic regression; returns weights (D, K) and bias (K,).

    With an L2 penalty the solution lies in the span of the vectors, so fewer labels than dimensions are fitted in
    that span: exact, and cheap for long vectors.

    Args:
        vectors: (N, D) standardised vectors.
        codes: (N,) class of each, 0..K-1, every class present.
        n_classes: K.
        C: inverse strength of the penalty, as in scikit-learn.
    """
    basis = None
    if len(vectors) < vectors.shape[1]:
        left, sizes, basis = svd(vectors, full_matrices=False)
        vectors = left * sizes
    model = LogisticRegression(C=C, class_weight="balanced", max_iter=1000, tol=1e-4)
    model.fit(vectors, codes)
    coefficients, bias = model.coef_.T, model.intercept_
    weights = coefficients if basis is None else basis.T @ coefficients
    if n_classes == 2:
        weights, bias = np.hstack([-weights, weights]) / 2, np.hstack([-bias, bias]) / 2
    return weights, bias
