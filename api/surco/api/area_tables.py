"""Hectares by class and domain of a map, counted or estimated from a sample: `surco areas`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from surco.adapters import (
    LEAST_UNITS,
    AreaAccuracy,
    AreaEstimates,
    AreaMethod,
    ReferenceSample,
    area_accuracy,
    count_areas,
    estimate_areas,
)
from surco.api.area_domains import Division, Domains, divide
from surco.api.area_frames import AreaQuestion, Frame, read_frame
from surco.api.area_placing import locate, training_note
from surco.api.area_results import AreaAnswer, AreaRow
from surco.api.area_samples import FilledSample, read_sample
from surco.embedstore import Sentence

__all__ = ["area_answer", "as_sampled", "frame_answer"]

_TOTAL = "total"
_COUNTED = (
    "Hectares are counted from the map: biased where it errs, and no interval can be given without a probability "
    "sample."
)
_METHODS = {
    "counted": Sentence("counted from the map; no estimate", "method-counted"),
    "stratified": Sentence("stratified estimator (Olofsson et al. 2014; Stehman 2014)", "method-stratified"),
    "assisted": Sentence(
        "model-assisted estimator (prediction-powered inference, Angelopoulos et al. 2023)", "method-assisted"
    ),
}


def area_answer(
    question: AreaQuestion,
    *,
    by: Division = "none",
    sample: Path | None = None,
    method: AreaMethod = "assisted",
    confidence: float = 0.95,
) -> AreaAnswer:
    """Hectares by class, and by comuna, province or region, with intervals where there is a probability sample.

    Args:
        question: the map.
        by: domains beside the total.
        sample: a filled-in file of `surco areas plan`, or one like it; None counts the map and says so.
        method: "assisted" by the map's probabilities, or "stratified": the sample and the map's total alone.
        confidence: of the intervals, 0..1.

    Raises:
        SampleError, LabelError: a sample that cannot be used.
        AreasError: one that no estimate can be made from.
        EmbedstoreError, AdapterError, EncoderError, UnknownError: a store, adapter or area that cannot be used.
    """
    filled = None if sample is None else read_sample(sample)
    frame = read_frame(as_sampled(question, filled))
    return frame_answer(frame, question, by=by, sample=filled, method=method, confidence=confidence)


def frame_answer(
    frame: Frame,
    question: AreaQuestion,
    *,
    by: Division = "none",
    sample: FilledSample | None = None,
    method: AreaMethod = "assisted",
    confidence: float = 0.95,
    no_sample: str | None = None,
) -> AreaAnswer:
    """As `area_answer`, of a map and a sample that were read; `no_sample` says how to come by one."""
    layers = _layers(by, divide(frame.places, by))
    notes: list[str] = []
    if frame.unseen:
        words = f"{frame.unseen:,.1f} ha were never observed and are in no figure."
        notes.append(Sentence(words, "area-unseen", hectares=frame.unseen))
    accuracy = None
    if sample is None:
        found = [
            each for names, code in layers for each in count_areas(frame.area_map, domain=code, names=names)
        ]
        notes.append(Sentence(f"{_COUNTED} {no_sample or _draw_one(question)}", "area-counted"))
    else:
        drawn, more = locate(sample, frame)
        notes += [*more, *training_note(sample, frame)]
        found = [
            each
            for names, code in layers
            for each in estimate_areas(
                frame.area_map, drawn, domain=code, names=names, method=method, confidence=confidence
            )
        ]
        accuracy = _accuracy(frame, drawn, confidence)
    places = frame.places
    return AreaAnswer(
        question=question,
        by=by,
        season=places.season,
        unit=places.unit,
        resolution=places.resolution,
        model_id=places.model_id,
        store_version=places.version,
        method=_METHODS[found[0].method],
        confidence=confidence,
        rows=tuple(row for each in found for row in _rows(each)),
        accuracy=accuracy,
        notes=tuple(notes),
    )


def as_sampled(question: AreaQuestion, sample: FilledSample | None) -> AreaQuestion:
    """The question with the unit and resolution that the sample was drawn from, where it leaves them open."""
    origin = {} if sample is None else sample.origin
    unit, resolution = origin.get("unit"), origin.get("resolution")
    if question.unit == "auto" and unit in ("cells", "parcels"):
        question = replace(question, unit=str(unit))
    if question.unit == "cells" and question.resolution is None and type(resolution) is int:
        question = replace(question, resolution=resolution)
    return question


def _draw_one(question: AreaQuestion) -> str:
    return (
        f"Draw one: surco areas plan {question.store} --adapter {question.adapter} --out sample.geojson; fill in "
        "`class` of each place; then pass --sample sample.geojson."
    )


def _layers(by: Division, domains: Domains) -> list[tuple[tuple[str, ...], npt.NDArray[np.int64]]]:
    """The total, then the domains where any are asked for: names and (N,) positions."""
    total = ((_TOTAL,), np.zeros(len(domains.code), np.int64))
    return [total] if by == "none" else [total, (domains.names, domains.code)]


def _rows(found: AreaEstimates) -> list[AreaRow]:
    return [
        AreaRow(
            domain=found.domain,
            label=each.label,
            mapped_ha=each.mapped,
            expected_ha=each.expected,
            area_ha=each.area,
            standard_error_ha=each.standard_error,
            low_ha=each.low,
            high_ha=each.high,
            sampled=each.units,
            note=each.note,
        )
        for each in found.classes
    ]


def _accuracy(frame: Frame, sample: ReferenceSample, confidence: float) -> AreaAccuracy | None:
    """The accuracy table of all the area; None where too few sampled places lie in it."""
    names, hectares = np.array(frame.area_map.classes), frame.area_map.hectares[sample.row]
    if (hectares > 0).sum() < LEAST_UNITS:
        return None
    mapped = names[frame.area_map.mapped[sample.row]]
    total = count_areas(frame.area_map)[0].classes
    return area_accuracy(
        sample,
        mapped,
        hectares,
        frame.area_map.classes,
        mapped_hectares={each.label: each.mapped for each in total},
        confidence=confidence,
    )
