"""Planning a sample of a store's map and writing it as a file to fill in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from surco.adapters import Allocation, SamplePlan, draw_sample, plan_sample
from surco.api.area_domains import Division, divide
from surco.api.area_frames import AreaQuestion, Frame, read_frame
from surco.api.area_samples import write_sample

__all__ = ["PlanRequest", "plan_text", "write_plan"]


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a sample is wanted for; the fields are those of `surco.adapters.plan_sample`.

    `by` crosses the map's classes with comunas, provinces or regions; `expected` are user's accuracies by class.
    """

    standard_error: float = 0.01
    target: str | None = None
    size: int | None = None
    allocation: Allocation = "rare"
    least: int = 50
    by: Division = "none"
    expected: Mapping[str, float] | None = None
    seed: int = 0


def write_plan(question: AreaQuestion, request: PlanRequest, out: Path) -> SamplePlan:
    """Plan a stratified sample of a map, draw it, and write it as GeoJSON with an empty `class` to fill in.

    Raises:
        AreasError: a target or setting that makes no plan.
        ExportError: a file that cannot be written.
        EmbedstoreError, AdapterError, EncoderError, UnknownError: a store, adapter or area that cannot be used.
    """
    frame = _within(read_frame(question))
    stratum, names = _strata(frame, request.by)
    plan = plan_sample(
        frame.area_map,
        stratum,
        names,
        standard_error=request.standard_error,
        target=request.target,
        size=request.size,
        allocation=request.allocation,
        least=request.least,
        users=request.expected,
    )
    rows, chances = draw_sample(plan, stratum, names, seed=request.seed)
    places = frame.places
    origin = {
        "adapter": question.adapter,
        "season": places.season,
        "unit": places.unit,
        "resolution": places.resolution,
        "model_id": places.model_id,
        "aoi": question.aoi,
        "seed": request.seed,
        "allocation": request.allocation,
        "target": plan.target,
        "expected_standard_error": plan.standard_error,
    }
    write_sample(out, places, rows, chances, [names[i] for i in stratum[rows]], plan, origin)
    return plan


def plan_text(plan: SamplePlan) -> str:
    """The plan for people: a line a stratum, and what it is expected to reach."""
    width = max(len(stratum.name) for stratum in plan.strata)
    lines = [f"{'stratum':{width}}  {'places':>10}  {'hectares':>14}  {'drawn':>6}"]
    lines += [f"{s.name:{width}}  {s.places:10,}  {s.hectares:14,.1f}  {s.drawn:6,}" for s in plan.strata]
    what = (
        plan.target if plan.target == "overall accuracy" else f"the area of {plan.target}, as a share of it"
    )
    return "\n".join([*lines, f"Expected standard error of {what}: {plan.standard_error:.4f}."])


def _within(frame: Frame) -> Frame:
    """The places that the area touches: only they can be drawn."""
    inside = frame.share > 0
    return frame if inside.all() else frame.where(inside)


def _strata(frame: Frame, by: Division) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """(N,) stratum of each place and the names: its mapped class, crossed with its domain where one is asked for."""
    classes, mapped = frame.area_map.classes, frame.area_map.mapped
    if by == "none":
        return mapped, classes
    domains = divide(frame.places, by)
    names = tuple(f"{domain} / {label}" for domain in domains.names for label in classes)
    return domains.code * len(classes) + mapped, names
