"""The map that areas are estimated of: its observed places, their classes and hectares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from surco.adapters import AreaMap, read_card
from surco.api.area_domains import shares_within
from surco.api.maps import Places, Predicted, predict_table
from surco.api.refusals import UnknownError
from surco.embedstore import Store
from surco.encoder.area import read_area

__all__ = ["AreaQuestion", "Frame", "read_frame"]


@dataclass(frozen=True, slots=True)
class AreaQuestion:
    """Which map is meant: a store's adapter, season, unit and H3 resolution, and an area that limits it.

    `season`, `resolution` and `aoi` (west,south,east,north, or a GeoJSON file of polygons) may be None: the latest, the
    finest, and all. `unit` "auto" is that of the sample, else parcels where the store has them.
    """

    store: Path
    adapter: str
    season: str | None = None
    unit: str = "auto"
    resolution: int | None = None
    aoi: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The observed places of a map.

    Attributes:
        places: those with an observation, in the table's order; `area_ha` is all of each.
        area_map: their classes, probabilities and hectares, the latter within the area asked about.
        share: (N,) of each place within that area.
        unseen: hectares within the area that were never observed.
        card: the adapter's.
        population: how many places the map has, and how many of them touch the area; None where each is a row. A frame
            may take places together that no sample has: as one row of a class and comuna, with their hectares and the
            mean of their probabilities, which leaves every sum as it is.
    """

    places: Places
    area_map: AreaMap
    share: npt.NDArray[np.float64]
    unseen: float
    card: Mapping[str, object]
    population: tuple[int, int] | None = None

    def where(self, kept: npt.NDArray[np.bool_]) -> Frame:
        """The frame of some of its places."""
        old = self.area_map
        area_map = AreaMap(old.classes, old.mapped[kept], old.probabilities[kept], old.hectares[kept])
        return replace(self, places=_kept(self.places, kept), area_map=area_map, share=self.share[kept])


def read_frame(question: AreaQuestion) -> Frame:
    """Predict a table and find what counts of each place.

    Raises:
        UnknownError: nothing of the map lies in the area.
        AreaError, EmbedstoreError, AdapterError: an area, store, table or adapter that cannot be used.
    """
    store = Store.open(question.store)
    area = None if question.aoi is None else read_area(question.aoi)
    predicted = predict_table(store, question.adapter, question.season, question.unit, question.resolution)
    places = predicted.places
    share = np.ones(len(places.id)) if area is None else shares_within(places, area)
    seen: npt.NDArray[np.bool_] = np.isfinite(predicted.probabilities).min(axis=1)
    if not (share[seen] > 0).any():
        raise UnknownError(
            f"Expected observed {places.unit} of {places.season} within {question.aoi or question.store}, got none. "
            "Choose another area, season or unit."
        )
    return Frame(
        places=_kept(places, seen),
        area_map=_area_map(predicted, seen, places.area_ha * share),
        share=share[seen],
        unseen=float((places.area_ha * share)[~seen].sum()),
        card=read_card(store.adapter_dir(question.adapter)),
    )


def _kept(places: Places, seen: npt.NDArray[np.bool_]) -> Places:
    return replace(places, table=places.table.filter(seen), id=places.id[seen], area_ha=places.area_ha[seen])


def _area_map(
    predicted: Predicted, seen: npt.NDArray[np.bool_], hectares: npt.NDArray[np.float64]
) -> AreaMap:
    chances = predicted.probabilities[seen]
    return AreaMap(predicted.classes, chances.argmax(axis=1), chances, hectares[seen])
