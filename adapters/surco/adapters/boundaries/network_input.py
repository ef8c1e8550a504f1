"""From an area's vectors to what the network is given: a few components of the area's own, of any encoder.

The encoder's dimensions are turned to the area's principal components and scaled by one number. A network that learned
under random turns of these does not depend on the encoder, nor on the dimension of its vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.boundaries.pixel_vectors import PixelVectors

__all__ = ["Cropness", "fit_cropness", "network_input", "principal_components"]

Floats = npt.NDArray[np.float32]
_MOST_PIXELS = 20_000
"""As many as the components are computed from; evenly spread over the area."""
_STRONGEST = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Cropness:
    """How likely a pixel is a field's by its vector alone: a logistic regression for the vectors of one model.

    Attributes:
        model_id: of the encoder.
        weights: (D,) float32.
        bias: of the logit.
    """

    model_id: str
    weights: Floats
    bias: float

    def logit(self, area: PixelVectors) -> Floats:
        """Logits (H, W) float32, kept between -6 and 6."""
        found: Floats = np.clip(area.vectors @ self.weights + np.float32(self.bias), -_STRONGEST, _STRONGEST)
        return found


def fit_cropness(vectors: Floats, is_field: npt.NDArray[np.bool_], model_id: str) -> Cropness:
    """Fit from vectors (N, D) of pixels inside fields and outside of all; both count alike.

    Args:
        vectors: unit vectors of one model.
        is_field: (N,), both values occur.
        model_id: of the encoder.
    """
    from sklearn.linear_model import LogisticRegression  # 0.5 s, and needed only here

    fitted = LogisticRegression(C=10.0, class_weight="balanced", max_iter=500).fit(vectors, is_field)
    return Cropness(model_id, fitted.coef_[0].astype(np.float32), float(fitted.intercept_[0]))


def principal_components(area: PixelVectors, components: int) -> Floats:
    """Scores (H, W, components) float32 of the area's principal components, with a mean square of 1 over all of them.

    Components that the vectors do not have are 0. The sign of each is that of its largest loading, so that the same
    area gives the same scores.
    """
    rows = area.vectors[area.valid]
    out = np.zeros((*area.shape, components), np.float32)
    if not len(rows):
        return out
    sample = rows[:: max(1, len(rows) // _MOST_PIXELS)].astype(np.float64)
    centre = sample.mean(axis=0)
    basis = np.linalg.eigh(np.cov(sample - centre, rowvar=False, bias=True).reshape((area.dimension,) * 2))[1]
    basis = basis[:, ::-1][:, :components]
    basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
    size = np.sqrt(np.mean(((sample - centre) @ basis) ** 2))
    scores = (rows - centre.astype(np.float32)) @ (basis / max(size, 1e-9)).astype(np.float32)
    out[area.valid, : basis.shape[1]] = scores
    return out


def network_input(area: PixelVectors, components: int, cropness: Cropness | None) -> Floats:
    """What `fields_net.FieldsNet` takes, (H, W, components + 3) float32: scores, cropness, whether it is known, seen.

    The cropness of another model says nothing of these vectors and is left out.
    """
    if cropness is None or cropness.model_id != area.model_id:
        logit, known = np.zeros(area.shape, np.float32), np.zeros(area.shape, np.float32)
    else:
        logit, known = cropness.logit(area) * area.valid, np.ones(area.shape, np.float32)
    scores = principal_components(area, components)
    return np.concatenate([scores, np.stack([logit, known, area.valid], axis=2)], axis=2, dtype=np.float32)
