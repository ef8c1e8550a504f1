"""From scenes or pixel vectors to parcels: fields found in windows, drawn as polygons, named, and written as fiboa."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surco.adapters import load_adapter
from surco.adapters.boundaries import BoundaryAdapter, FieldObjects, PixelVectors, gradient_objects
from surco.adapters.boundaries.field_polygons import FieldPolygons, field_polygons
from surco.adapters.boundaries.parcel_ids import Lineage, new_ids, persistent_ids
from surco.adapters.boundaries.windows import objects_in_windows
from surco.api.found_parcels import FoundParcels, checked_parcel_file, write_found_parcels
from surco.api.pixel_areas import PixelArea, PixelRequest, open_pixels
from surco.api.refusals import SettingsError, UnknownError
from surco.embedstore import Store
from surco.encoder.parcels import Parcels, in_degrees, read_parcels

__all__ = [
    "METHODS",
    "BoundaryReport",
    "BoundaryRequest",
    "describe_boundaries",
    "find_parcels",
    "found_objects",
    "shipped_finder",
]

METHODS = ("network", "gradient")
Find = Callable[[PixelVectors], FieldObjects]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class BoundaryRequest:
    """What to find fields in, how, and where to write them.

    Attributes:
        pixels: where the vectors come from.
        out: the GeoParquet file.
        method: "network", or "gradient": the vectors' own edges, nothing learned.
        adapter: name of a boundary adapter of `store`; the one that is shipped if None.
        store: that holds it.
        previous: parcels of an earlier season, whose ids are kept where they overlap.
        min_area: m², smaller fields go to their neighbours, or away.
        window: pixels a side that are looked at in one go, without `margin`.
        margin: pixels by which windows overlap.
    """

    pixels: PixelRequest
    out: Path
    method: str = "network"
    adapter: str | None = None
    store: Path | None = None
    previous: Path | None = None
    min_area: float = 500.0
    window: int = 512
    margin: int = 64


@dataclass(frozen=True, slots=True)
class BoundaryReport:
    """What was found, and how: `kept` have an earlier id, `descended` name parents, `gone` earlier ids nobody has."""

    out: Path
    parcels: int
    hectares: float
    method: str
    model_id: str
    season: str
    kept: int
    descended: int
    gone: int
    seconds: float


def find_parcels(request: BoundaryRequest, progress: Progress | None = None) -> BoundaryReport:
    """Find the fields of an area and write them as parcels, whole or not at all.

    Args:
        request: what, how and where to.
        progress: called as `progress(done, total, text)`: tiles while scenes are encoded, then windows.

    Raises:
        ApiError: settings, a season, an area or a file to write that cannot be.
        AdapterError: an adapter of another task or model.
        EncoderError: scenes, a raster or earlier parcels that cannot be used.
        EmbedstoreError: a store without that adapter.
    """
    began = time.monotonic()
    checked_parcel_file(request.out)
    _check_method(request)
    earlier = None if request.previous is None else read_parcels(request.previous)
    with open_pixels(request.pixels, request.out.parent, progress) as pixels:
        fields = _fields(request, pixels, progress)
        geometry = in_degrees(request.out, fields.geometry, pixels.crs)
        lineage = _lineage(geometry, earlier, pixels.season)
        found = FoundParcels(
            geometry,
            fields.confidence,
            lineage,
            pixels.observed,
            f"fields found by the {_finder_name(request)} on vectors of {pixels.model_id}, season {pixels.season}",
            _origin(request, pixels, earlier),
        )
    area = write_found_parcels(found, request.out)
    return BoundaryReport(
        request.out, len(geometry), float(area.sum()) / 1e4, _finder_name(request), pixels.model_id, pixels.season,
        int(lineage.kept.sum()), sum(bool(each) for each in lineage.parents),
        0 if earlier is None else len(earlier.id) - int(lineage.kept.sum()), time.monotonic() - began,
    )  # fmt: skip


def describe_boundaries(report: BoundaryReport) -> str:
    """What was found, for people."""
    lines = [
        f"{report.parcels:,} parcels, {report.hectares:,.1f} ha, season {report.season}, by the {report.method} on "
        f"{report.model_id} in {report.seconds:.0f} s -> {report.out}"
    ]
    if report.kept or report.gone:
        lines.append(
            f"{report.kept:,} keep the id of the season before, {report.descended:,} new ones name parents, "
            f"{report.gone:,} earlier ids are gone"
        )
    return "\n".join([*lines, f"Embed them: surco encode --parcels {report.out} ..."])


def _check_method(request: BoundaryRequest) -> None:
    if request.method not in METHODS:
        raise UnknownError(
            f"Expected a method out of {', '.join(METHODS)}; got {request.method!r}. Use one of them."
        )
    if (request.adapter is None) != (request.store is None):
        raise SettingsError(
            "Expected --adapter and the --store that holds it together; got one of them. Name both, or neither."
        )
    if request.adapter is not None and request.method != "network":
        raise SettingsError(
            "Expected --method network with an adapter; got gradient, which learns nothing. Drop one."
        )


def found_objects(
    pixels: PixelArea, find: Find, *, window: int = 512, margin: int = 64, progress: Progress | None = None
) -> FieldObjects:
    """The fields of an area as objects, found window by window; arguments as of `BoundaryRequest`."""
    return objects_in_windows(
        lambda place: pixels.read(place.outer),
        find,
        pixels.shape,
        pixels.transform,
        pixels.crs,
        size=window,
        margin=margin,
        progress=progress,
    )


def shipped_finder(method: str) -> Find:
    """What finds fields without anything of the user's: the shipped network, or the vectors' gradient.

    Raises:
        UnknownError: a method that is neither.
    """
    if method not in METHODS:
        raise UnknownError(f"Expected a method out of {', '.join(METHODS)}; got {method!r}. Use one of them.")
    return gradient_objects if method == "gradient" else _asked(BoundaryAdapter.pretrained())


def _fields(request: BoundaryRequest, pixels: PixelArea, progress: Progress | None) -> FieldPolygons:
    find = _finder(request, pixels)
    objects = found_objects(pixels, find, window=request.window, margin=request.margin, progress=progress)
    return field_polygons(objects, min_area=request.min_area)


def _finder(request: BoundaryRequest, pixels: PixelArea) -> Find:
    if request.adapter is None or request.store is None:
        return shipped_finder(request.method)
    folder = Store.open(request.store).adapter_dir(request.adapter)
    return _asked(load_adapter(folder, model_id=pixels.model_id, task="boundary"))


def _asked(adapter: Any) -> Find:
    predict: Find = adapter.predict
    return predict


def _finder_name(request: BoundaryRequest) -> str:
    return f"adapter {request.adapter}" if request.adapter else request.method


def _lineage(geometry: np.ndarray[Any, Any], earlier: Parcels | None, season: str) -> Lineage:
    fresh = new_ids(geometry, season)
    if earlier is None:
        return Lineage(fresh, ((),) * len(fresh), np.full(len(fresh), np.nan))
    return persistent_ids(earlier.id.tolist(), earlier.geometry, geometry, fresh)


def _origin(request: BoundaryRequest, pixels: PixelArea, earlier: Parcels | None) -> dict[str, object]:
    """What the file says of how it was made; of local files only names, not where they lie."""
    source = request.pixels.source
    return {
        "source": source if "://" in source else Path(source).resolve().name,
        "model": pixels.model_id,
        "season": pixels.season,
        "method": request.method,
        "adapter": request.adapter,
        "min_area": request.min_area,
        "previous": None if request.previous is None else request.previous.name,
        "previous_sha256": None if earlier is None else earlier.digest,
    }
