"""Classes of pixels: the crop-type adapter on every pixel of an area, heard together with its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from surco.adapters.boundaries.pixel_vectors import PixelVectors
from surco.adapters.crop_type_adapter import CropTypeAdapter
from surco.adapters.errors import VectorsError
from surco.adapters.spatial_context import Context, edge_scale, smoothed

__all__ = ["PixelClasses", "SegmentationAdapter"]

_LEAST = 1e-6
"""Probability below which a class is not believed less: one pixel must not outvote a field."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelClasses:
    """The classes of an area's pixels.

    Attributes:
        codes: (H, W) int32 position of the likeliest class, -1 where nothing was seen.
        probabilities: (H, W, K) float32, rows sum to one, NaN where nothing was seen.
        classes: (K,) as the adapter's `classes_`.
    """

    codes: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float32]
    classes: npt.NDArray[Any]


class SegmentationAdapter(CropTypeAdapter):
    """Classifies the pixels of an area after a handful of labels, as a `CropTypeAdapter` that looks around.

    What a vector says alone is the crop-type adapter's: `fit`, `predict`, `predict_proba` and all else on rows of
    vectors are its own, so that cells and parcels can be asked too. `predict_area` then lets neighbours be heard, but
    not across the edges of the vectors (`spatial_context`).

    Args:
        C: as of `CropTypeAdapter`, like all up to `prior`.
        prior_strength: see there; more than there, for the pixels of a field are no labels of their own.
        mean_strength: see there; more than there for the same reason.
        borrowed: see there.
        frequency_weight: see there.
        scaling: see there.
        prior: see there.
        context: how much a pixel takes from its neighbours; 0 takes nothing.
        sharpness: how strong an edge is that parts neighbours, in usual steps between them; smaller parts more.
        rounds: pixels away from which anything is heard.
    """

    task: ClassVar[str] = "segmentation"

    def __init__(
        self,
        C: float = 0.1,
        prior_strength: float = 100.0,
        mean_strength: float = 1.0,
        borrowed: float = 1.0,
        frequency_weight: float = 0.25,
        scaling: Literal["common", "each"] = "common",
        prior: str = "",
        context: float = 1.0,
        sharpness: float = 0.3,
        rounds: int = 10,
    ) -> None:
        super().__init__(C, prior_strength, mean_strength, borrowed, frequency_weight, scaling, prior)
        self.context = context
        self.sharpness = sharpness
        self.rounds = rounds

    @classmethod
    def of(cls, adapter: CropTypeAdapter) -> Self:
        """A fitted crop-type adapter, asked about pixels; raises UnfittedError for one that is not."""
        return cls.restored(CropTypeAdapter.get_params(adapter), adapter.learned(), adapter.n_features_in_)

    @property
    def around(self) -> Context:
        """The context's settings together; raises SettingsError where one is out of range."""
        return Context(self.context, self.sharpness, self.rounds)

    def predict_area(self, area: PixelVectors, scale: float | None = None) -> PixelClasses:
        """The classes of an area's pixels, neighbours heard.

        A pixel hears others up to `around.reach` pixels away: windows that overlap by that much, asked with one scale,
        give what the whole gives.

        Args:
            area: vectors of the adapter's model.
            scale: usual step between neighbours of all the area, where this is a window of it; see `edge_scale`.

        Raises:
            UnfittedError: before `fit`.
            VectorsError: vectors of another dimension.
            SettingsError: a context, sharpness or rounds out of range.
        """
        around, alone = self.around, self._log_probabilities(area)
        heard = smoothed(alone, area, around, edge_scale(area) if scale is None else scale)
        probabilities = _softmax(heard)
        probabilities[~area.valid] = np.nan
        codes = np.where(area.valid, heard.argmax(axis=2), -1).astype(np.int32)
        return PixelClasses(codes, probabilities, self.classes_)

    def _log_probabilities(self, area: PixelVectors) -> npt.NDArray[np.float32]:
        """(H, W, K) of each pixel alone; zeros where nothing was seen."""
        self._require_fitted()
        if area.dimension != self.n_features_in_:
            raise VectorsError(
                f"expected pixel vectors of the dimension the adapter learned, {self.n_features_in_}; got "
                f"{area.dimension}, of model {area.model_id}: encode the area with the adapter's model"
            )
        out = np.zeros((*area.shape, len(self.classes_)), np.float32)
        if area.valid.any():
            out[area.valid] = np.log(np.maximum(self.predict_proba(area.vectors[area.valid]), _LEAST))
        return out


def _softmax(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    raised = np.exp(scores - scores.max(axis=2, keepdims=True))
    shares: npt.NDArray[np.float32] = raised / raised.sum(axis=2, keepdims=True)
    return shares
