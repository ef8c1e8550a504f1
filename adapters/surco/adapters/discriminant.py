"""The closed-form Gaussian discriminant with a prior on its means and its shared covariance ("meta-LDA").

A tied-covariance version of MetaQDA (Zhang et al., ICCV 2021, arXiv 2101.02833): the normal-inverse-Wishart posterior
of a shared within-class covariance, whose prior is a covariance that somebody else knows (the local scatter of an
unlabelled table), and class means shrunk to their common centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

__all__ = ["Gaussians", "class_means", "within_class_covariance"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


def class_means(vectors: Doubles, codes: Codes, n_classes: int) -> tuple[Doubles, Doubles]:
    """Mean vector (K, D) and number of labels (K,) of each class; every class must have a label."""
    counts = np.bincount(codes, minlength=n_classes).astype(np.float64)
    if len(codes) * n_classes <= _FEW:
        # For a handful of labels a matrix of zeros and ones is made sooner than a sparse one.
        return (codes == np.arange(n_classes)[:, None]).astype(np.float64) @ vectors / counts[:, None], counts
    members = csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(n_classes, len(codes)))
    return members @ vectors / counts[:, None], counts


_FEW = 20_000


def within_class_covariance(
    residuals: Doubles, freedom: int, prior: Doubles, *, strength: float, scale: float
) -> Doubles:
    """Posterior of the shared within-class covariance, (D, D).

    Args:
        residuals: (N, D), each vector less its class mean.
        freedom: N - K, the degrees of freedom of the residuals.
        prior: (D, D) shape of the covariance; only its shape counts, its size is matched to the residuals'.
        strength: how many residuals the prior's shape is worth.
        scale: the size the prior has before any residual was seen; believed like `_SCALE_LABELS` residuals.
    """
    scatter = residuals.T @ residuals
    observed = np.trace(scatter) / max(np.trace(prior), np.finfo(float).tiny)
    size = (_SCALE_LABELS * scale + observed) / (_SCALE_LABELS + freedom)
    covariance: Doubles = (strength * size * prior + scatter) / (strength + freedom)
    return covariance


_SCALE_LABELS = 10.0


@dataclass(frozen=True, slots=True)
class Gaussians:
    """Classes as Gaussians of one covariance: `means` (K, D) and `covariance` (D, D)."""

    means: Doubles
    covariance: Doubles

    @classmethod
    def fit(
        cls,
        vectors: Doubles,
        codes: Codes,
        n_classes: int,
        prior: Doubles,
        *,
        strength: float,
        scale: float,
        mean_strength: float,
    ) -> Self:
        """Fit means and covariance to labels.

        Args:
            vectors: (N, D) standardised vectors.
            codes: (N,) class of each, 0..K-1.
            n_classes: K.
            prior: (D, D) symmetric positive definite, shape of the within-class covariance.
            strength: how many labels the prior covariance is worth.
            scale: size of the prior covariance where labels say nothing of it.
            mean_strength: how many labels the common centre is worth in each class mean.
        """
        means, counts = class_means(vectors, codes, n_classes)
        covariance = within_class_covariance(
            vectors - means[codes], len(codes) - n_classes, prior, strength=strength, scale=scale
        )
        centre = means.mean(axis=0)
        means = centre + (means - centre) * (counts / (counts + mean_strength))[:, None]
        return cls(means, covariance)

    def discriminant(self) -> tuple[Doubles, Doubles]:
        """Weights (D, K) and bias (K,) of the classes' log-likelihoods."""
        weights: Doubles = cho_solve(cho_factor(self.covariance), self.means.T)
        return weights, -0.5 * np.einsum("kd,dk->k", self.means, weights)
