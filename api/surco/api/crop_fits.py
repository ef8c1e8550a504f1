"""What every fit of crop types in this room starts from: the model's shipped prior, and the table as a pool."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surco.adapters import CropTypeAdapter, LocalScatter, shipped_priors

__all__ = ["crop_adapter", "pool_of"]


def crop_adapter(model_id: str, pool: LocalScatter | None) -> CropTypeAdapter:
    """An unfitted adapter for a model's vectors; without a pool it starts from the prior that Surco ships, if any.

    With a pool the prior of other places adds nothing (docs/log.md).
    """
    return CropTypeAdapter(prior=model_id if pool is None and model_id in shipped_priors() else "")


def pool_of(rows: npt.NDArray[np.float32]) -> LocalScatter | None:
    """What the unlabelled vectors (M, D) of a table say; None where there are too few. Rows of zeros are not seen."""
    return LocalScatter.where_enough(rows[rows.any(axis=1)])
