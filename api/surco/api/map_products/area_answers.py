"""Hectares of a map of any size, counted or estimated from a sample, from sums that are kept with the version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from surco.adapters import AreaMethod
from surco.api.area_domains import Division
from surco.api.area_frames import AreaQuestion
from surco.api.area_placing import training_ids
from surco.api.area_results import AreaAnswer
from surco.api.area_samples import FilledSample
from surco.api.area_tables import frame_answer
from surco.api.kept import Kept
from surco.api.map_products.area_frames_summed import picked_rows, summed_frame
from surco.api.map_products.area_sums import MapSums, observed_places, sum_map
from surco.api.map_products.maps_asked import OpenMap
from surco.api.map_products.streaming import Slots
from surco.api.map_products.within import Within

__all__ = ["AreaAnswers"]

_KEPT = 32


class AreaAnswers:
    """Answers about areas; sums of a map are made once for a version of the store, within a slot."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._sums: Kept[MapSums] = Kept(_KEPT)

    def sums(self, asked: OpenMap, within: Within) -> MapSums:
        """The sums of a map, or part of it.

        Raises:
            BusyError: no slot is free.
            InvalidError, UnknownError, StoreError: as `sum_map`.
        """

        def made() -> MapSums:
            with self._slots.take():
                return sum_map(asked, within)

        return self._sums.get((asked.version, asked.asked, asked.info.season, within), made)

    def answer(
        self,
        asked: OpenMap,
        within: Within,
        *,
        by: Division = "none",
        sample: FilledSample | None = None,
        method: AreaMethod = "assisted",
        confidence: float = 0.95,
    ) -> AreaAnswer:
        """Hectares by class, as `surco areas` gives them.

        Raises:
            SampleError, AreasError: a sample that cannot be used.
            BusyError, InvalidError, UnknownError, StoreError: as `sums`.
        """
        sums = self.sums(asked, within)
        wanted = (
            set() if sample is None else {*_texts(sample, asked.unit), *training_ids(asked.card, asked.unit)}
        )
        picked = picked_rows(asked, within, wanted)
        observed = int(sums.places.sum()) if sample is None or within.everywhere else observed_places(asked)
        frame = summed_frame(asked, sums, picked, observed)
        info = asked.info
        question = AreaQuestion(
            Path(), asked.asked.adapter, info.season, asked.unit, info.resolution, within.name
        )
        here = f"/maps/{asked.asked.adapter}/{info.season}/areas"
        answer = frame_answer(
            frame,
            question,
            by=by,
            sample=sample,
            method=method,
            confidence=confidence,
            no_sample=f"Draw one: GET {here}/plan; fill in `class` of each place; then POST it to {here}.",
        )
        return replace(answer, notes=(*answer.notes, *asked.notes))


def _texts(sample: FilledSample, unit: str) -> list[str]:
    return [each.lower() for each in sample.id] if unit == "cells" else list(sample.id)
