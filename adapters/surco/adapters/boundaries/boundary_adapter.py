"""Fields from pixel vectors by the shipped network, or by one that a few drawn fields have adapted to their country."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from surco.adapters.boundaries.drawn_fields import drawn_fields
from surco.adapters.boundaries.field_decoding import FieldHeads, decode_fields
from surco.adapters.boundaries.field_objects import FieldObjects
from surco.adapters.boundaries.field_targets import UNKNOWN, field_targets
from surco.adapters.boundaries.field_tuning import scored_where_known, tuned_head
from surco.adapters.boundaries.fields_net import FieldsNet
from surco.adapters.boundaries.network_input import Cropness, fit_cropness, network_input
from surco.adapters.boundaries.object_scores import ObjectScores
from surco.adapters.boundaries.pixel_vectors import PixelVectors
from surco.adapters.boundaries.prior import Prior, load_prior
from surco.adapters.contract import Learned, require_sound
from surco.adapters.errors import SettingsError, UnfittedError, VectorsError

__all__ = ["BoundaryAdapter"]

Labels = npt.NDArray[np.int32]
_HEIGHTS = tuple(np.round(np.arange(0.3, 0.95, 0.05), 2).tolist())
_FIELDS_FOR_HEIGHT = 5
_PIXELS_FOR_CROPNESS = 100
"""Of each kind, below which the pixels that were drawn do not say what a field looks like."""


class BoundaryAdapter(BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Draws fields from the vectors of an area's pixels.

    The network is given the area's own principal components, so that vectors of any encoder serve. What a pixel's
    vector says alone (crop or wood) is known for the encoder that the network was trained with; for another one the
    network goes without, until `fit` is told where fields are and where none are.

    Args:
        height: mean probability of a border from which it parts two fields; None takes the shipped one, or what suits
            the drawn fields best where there are five or more.
        extent: probability from which a pixel is a field's.
        min_pixels: smaller fields join a neighbour; those without one are dropped.
        prior_strength: how many drawn pixels the shipped network counts as.

    Attributes:
        network_: the network.
        cropness_: a logistic regression for the vectors of one model, or None.
        height_: as it is used.
        n_features_in_: dimension of the vectors it was fitted on; the shipped encoder's without any.
    """

    task: ClassVar[str] = "boundary"
    n_features_in_: int

    def __init__(
        self,
        height: float | None = None,
        extent: float = 0.5,
        min_pixels: int = 10,
        prior_strength: float = 2000.0,
    ) -> None:
        self.height = height
        self.extent = extent
        self.min_pixels = min_pixels
        self.prior_strength = prior_strength

    @classmethod
    def pretrained(cls) -> Self:
        """The adapter as it is shipped; raises CardError where its weights are damaged."""
        return cls().fit()

    def fit(self, X: Sequence[PixelVectors] = (), y: Sequence[Any] = (), groups: Any = None) -> Self:
        """Adapt the shipped network to drawn fields; to none, take it as it is.

        Args:
            X: areas, of one encoder.
            y: of each area the polygons of some fields, in its CRS, or a raster (H, W) of whole numbers: the number of
                the field, 0 = no field, -1 = not said. Of polygons, nothing is said about the ground outside.
            groups: not used; part of the contract.

        Raises:
            SettingsError: a parameter out of its range.
            VectorsError: areas of several encoders.
            LabelsError: not one entry of `y` an area, polygons that are none, a raster of another shape, no field.
            CardError: the shipped weights are damaged.
        """
        self._check_settings()
        areas = list(X)
        _require_one_model(areas)
        fields = drawn_fields(areas, y)
        prior = load_prior()
        self.network_, self.cropness_, self.height_ = prior.network, prior.cropness, prior.height
        dimension = (
            areas[0].dimension if areas else None if prior.cropness is None else len(prior.cropness.weights)
        )
        self.n_features_in_ = int(dimension or 0)
        if areas:
            self._learn(areas, fields)
        if self.height is not None:
            self.height_ = float(self.height)
        return self

    def predict(self, area: PixelVectors) -> FieldObjects:
        """Fields of an area.

        Raises:
            UnfittedError: before `fit`.
            VectorsError: vectors of the encoder it was fitted on, with another dimension.
        """
        labels, confidence = self._decoded(self.predict_heads(area), area, self.height_)
        return FieldObjects(labels, confidence, area.transform, area.crs)

    def predict_heads(self, area: PixelVectors) -> FieldHeads:
        """Extent, boundary and distance, each (H, W) float32, 0 to 1; raises as `predict`."""
        if not hasattr(self, "network_"):
            raise UnfittedError(
                "expected an adapter that has learned; got one that is not fitted: call fit, without anything for the "
                "shipped one"
            )
        return _heads(self.network_, self._features(area), area)

    def score(self, X: Sequence[PixelVectors], y: Sequence[Any]) -> float:
        """F1 over the drawn fields of some areas at an intersection over union above 0.5; see `fit` and `predict`."""
        fields = drawn_fields(list(X), y)
        found = [self.predict(area).labels for area in X]
        return ObjectScores.joined([scored_where_known(*pair) for pair in zip(found, fields, strict=True)]).f1

    def learned(self) -> Learned:
        """Network and cropness as tensors; raises UnfittedError before `fit`."""
        if not hasattr(self, "network_"):
            raise UnfittedError(
                "expected a fitted adapter; got one that is not fitted: call fit before saving"
            )
        return Prior(self.network_, self.cropness_, self.height_, {}).learned()

    @classmethod
    def restored(cls, parameters: Mapping[str, Any], learned: Learned, dimension: int) -> Self:
        """The adapter that `learned()` was asked of; raises CardError for anything unsound."""
        adapter = cls(**parameters)
        require_sound(dimension >= 1 and adapter._settings_are_sound())
        prior = Prior.restored(learned)
        adapter.network_, adapter.cropness_, adapter.height_ = prior.network, prior.cropness, prior.height
        adapter.n_features_in_ = dimension
        return adapter

    def _learn(self, areas: list[PixelVectors], fields: list[Labels]) -> None:
        self.cropness_ = _cropness_for(areas, fields, self.cropness_)
        features = [self._features(area) for area in areas]
        self.network_ = tuned_head(
            self.network_, features, [field_targets(f) for f in fields], self.prior_strength
        )
        if sum(len(np.unique(f[f > 0])) for f in fields) >= _FIELDS_FOR_HEIGHT:
            self.height_ = self._best_height(areas, features, fields)

    def _best_height(
        self, areas: list[PixelVectors], features: list[npt.NDArray[np.float32]], fields: list[Labels]
    ) -> float:
        """The height whose fields fit the drawn ones best; one 0.1 away from the shipped has to gain 0.01 of F1."""
        heads = [_heads(self.network_, f, a) for f, a in zip(features, areas, strict=True)]

        def worth(height: float) -> float:
            found = [self._decoded(h, a, height)[0] for h, a in zip(heads, areas, strict=True)]
            both = ObjectScores.joined(
                [scored_where_known(*pair) for pair in zip(found, fields, strict=True)]
            )
            return both.f1 + 0.1 * both.mean_iou - 0.1 * abs(height - self.height_)

        return float(max(_HEIGHTS, key=worth))

    def _features(self, area: PixelVectors) -> npt.NDArray[np.float32]:
        cropness = self.cropness_
        if (
            cropness is not None
            and cropness.model_id == area.model_id
            and len(cropness.weights) != area.dimension
        ):
            raise VectorsError(
                f"expected vectors of {area.model_id} with {len(cropness.weights)} dimensions; got {area.dimension}: "
                "read them as the model wrote them, not shortened"
            )
        return self.network_.features(network_input(area, self.network_.components, cropness))

    def _decoded(
        self, heads: FieldHeads, area: PixelVectors, height: float
    ) -> tuple[Labels, npt.NDArray[np.float32]]:
        return decode_fields(heads, area.valid, height=height, extent=self.extent, min_pixels=self.min_pixels)

    def _check_settings(self) -> None:
        if not self._settings_are_sound():
            raise SettingsError(
                "expected height (or None) and extent between 0 and 1, min_pixels of 1 or more, prior_strength not "
                f"negative; got {self.get_params()}: leave them out to take the usual ones"
            )

    def _settings_are_sound(self) -> bool:
        numbers = (self.extent, self.min_pixels, self.prior_strength, self.height or 0.0)
        return (
            all(isinstance(n, int | float) and np.isfinite(n) for n in numbers)
            and 0 <= (self.height or 0.0) <= 1
            and 0 <= self.extent <= 1
            and self.min_pixels >= 1
            and self.prior_strength >= 0
        )


def _heads(network: FieldsNet, features: npt.NDArray[np.float32], area: PixelVectors) -> FieldHeads:
    with np.errstate(over="ignore"):
        said = 1 / (1 + np.exp(-network.logits(features))) * area.valid[..., None]
    return FieldHeads(*(np.ascontiguousarray(said[..., k], np.float32) for k in range(3)))


def _cropness_for(areas: list[PixelVectors], fields: list[Labels], known: Cropness | None) -> Cropness | None:
    """That of the areas' model: the shipped one, or one from pixels where somebody said what they are."""
    model_id = areas[0].model_id
    if known is not None and known.model_id == model_id:
        return known
    said = [(f != UNKNOWN) & a.valid for a, f in zip(areas, fields, strict=True)]
    vectors = np.concatenate([a.vectors[s] for a, s in zip(areas, said, strict=True)])
    is_field = np.concatenate([f[s] > 0 for f, s in zip(fields, said, strict=True)])
    fewest = min(int(is_field.sum()), int((~is_field).sum()))
    return fit_cropness(vectors, is_field, model_id) if fewest >= _PIXELS_FOR_CROPNESS else None


def _require_one_model(areas: list[PixelVectors]) -> None:
    kinds = {(a.model_id, a.dimension) for a in areas}
    if len(kinds) > 1:
        raise VectorsError(
            f"expected areas of one encoder; got {', '.join(f'{m} ({d})' for m, d in sorted(kinds))}: "
            "encode them with one model"
        )
