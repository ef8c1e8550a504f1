"""A class for every pixel of an area, and for parcels by their pixels' votes: from scenes or vectors to a map."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surco.adapters import (
    CropTypeAdapter,
    CrossValidation,
    LocalScatter,
    cross_validate,
    load_adapter,
    read_card,
    save_adapter,
)
from surco.adapters.boundaries import overlapping_windows
from surco.adapters.segmentation_adapter import PixelClasses, SegmentationAdapter
from surco.api.boundaries import found_objects, shipped_finder
from surco.api.exports import write_map
from surco.api.fit_reports import describe_scores
from surco.api.pixel_areas import PixelArea, PixelRequest, open_pixels
from surco.api.pixel_labels import PixelSample, labelled_pixels, sample_pixels
from surco.api.pixel_maps import write_pixel_map
from surco.api.pixel_voting import Classified, Coded, parcel_map, voted
from surco.api.refusals import ExportError, SettingsError
from surco.embedstore import Store, read_labels
from surco.encoder.parcels import read_parcels

__all__ = ["SegmentReport", "SegmentRequest", "describe_segments", "segment"]

_SIDE = 256
"""Rows that `LocalScatter` asks for."""
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """What to classify, by whom, and where to write it.

    Attributes:
        pixels: where the vectors come from.
        out: `.tif` for pixels; `.parquet` or `.geojson` for `parcels`.
        adapter: of `store`: a segmentation or crop-type adapter to ask; with `labels` the name to keep the new one by.
        store: that holds it.
        labels: GeoJSON of points and polygons with a class, to fit on.
        class_column: of the class; found by its usual names if None.
        parcels: GeoJSON or GeoParquet, to classify by their pixels.
        context: how much pixels take from their neighbours; the adapter's own if None.
        fields: "network" or "gradient": fields are found, and the pixels of one vote together; None for no vote.
    """

    pixels: PixelRequest
    out: Path
    adapter: str | None = None
    store: Path | None = None
    labels: Path | None = None
    class_column: str | None = None
    parcels: Path | None = None
    context: float | None = None
    fields: str | None = None


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What was classified: rows (pixels or parcels) by class, their hectares, and how it went on labels held out."""

    out: Path
    unit: str
    season: str
    classes: tuple[str, ...]
    rows: tuple[int, ...]
    hectares: tuple[float, ...]
    validation: CrossValidation | None
    unmatched: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    adapter: SegmentationAdapter
    name: str
    sample: PixelSample
    validation: CrossValidation | None = None
    unmatched: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.adapter.classes_)


def segment(request: SegmentRequest, progress: Progress | None = None) -> SegmentReport:
    """Classify the pixels of an area, or parcels by them, and write the map, whole or not at all.

    Raises:
        ApiError: settings, a season, an area or a file to write that cannot be.
        AdapterError: labels that nothing can be learned from, an adapter of another task or model.
        EncoderError: scenes, a raster or parcels that cannot be used.
        EmbedstoreError: a store or labels that cannot be read.
    """
    began = time.monotonic()
    _check(request)
    parcels = None if request.parcels is None else read_parcels(request.parcels)
    with open_pixels(request.pixels, request.out.parent, progress) as pixels:
        ready = _fitted(request, pixels) if request.labels is not None else _loaded(request, pixels)
        if request.context is not None:
            ready.adapter.set_params(context=request.context)
        classified = _classified(ready, pixels, progress)
        if parcels is None:
            tags = {
                "adapter": ready.name,
                "model": pixels.model_id,
                "season": pixels.season,
                "unit": "pixels",
            }
            codes = _codes(classified, ready, pixels, request.fields)
            rows = write_pixel_map(codes, pixels, ready.classes, request.out, tags)
            areas = rows * abs(pixels.transform.a * pixels.transform.e) / 1e4
        else:
            predicted = parcel_map(classified, pixels, parcels, ready.name, ready.classes)
            write_map(predicted, request.out)
            known = predicted.class_index[predicted.class_index >= 0]
            rows, areas = np.bincount(known, minlength=len(ready.classes)), predicted.hectares()
        season = pixels.season
    return SegmentReport(
        request.out, "pixels" if parcels is None else "parcels", season, ready.classes, tuple(rows.tolist()),
        tuple(areas.tolist()), ready.validation, ready.unmatched, time.monotonic() - began,
    )  # fmt: skip


def describe_segments(report: SegmentReport) -> str:
    """What was classified, for people."""
    lines = [
        f"{sum(report.rows):,} {report.unit} of season {report.season} in {report.seconds:.0f} s -> {report.out}"
    ]
    if report.validation is not None:
        scores, split = report.validation.scores, report.validation.split
        said = f"not known: {split}" if scores is None else f"{describe_scores(scores)} ({split})"
        lines.append(f"Pixels alone, on held-out labels: {said}")
    if report.unmatched:
        lines.append(
            f"{len(report.unmatched)} labels lie on no pixel that was seen, such as {report.unmatched[0]}."
        )
    order = np.argsort(report.hectares, kind="stable")[::-1]
    lines += [f"  {report.classes[i]:32} {report.hectares[i]:12,.1f} ha" for i in order]
    return "\n".join(
        [*lines, "Hectares are counted from the map: biased where it errs, and no survey estimate."]
    )


def _check(request: SegmentRequest) -> None:
    endings = (".tif",) if request.parcels is None else (".parquet", ".geojson")
    if request.out.suffix.lower() not in endings or not request.out.parent.is_dir():
        what = "pixels" if request.parcels is None else "parcels"
        raise ExportError(
            f"Expected to write {what} to a file ending in {' or '.join(endings)} in a folder that is there; got "
            f"{request.out}. Rename it; pixels go to .tif, --parcels to .parquet or .geojson."
        )
    if request.fields is not None and request.parcels is not None:
        raise SettingsError(
            "Expected --fields or --parcels, whose pixels vote together; got both. Drop one of them."
        )
    if (request.adapter is None) != (request.store is None) or (
        request.labels is None and request.adapter is None
    ):
        raise SettingsError(
            "Expected --labels to learn from, or an --adapter with its --store, or all three to keep what is learned; "
            "got others. Name the file of labels, or adapter and store."
        )


def _loaded(request: SegmentRequest, pixels: PixelArea) -> _Ready:
    if request.store is None or request.adapter is None:
        raise RuntimeError("an adapter without a name or a store, after they were checked")
    folder = Store.open(request.store).adapter_dir(request.adapter)
    of_rows = read_card(folder)["task"] == CropTypeAdapter.task
    task = CropTypeAdapter.task if of_rows else SegmentationAdapter.task
    loaded = load_adapter(folder, model_id=pixels.model_id, task=task)
    adapter = SegmentationAdapter.of(loaded) if of_rows else loaded
    return _Ready(adapter, request.adapter, sample_pixels(pixels))


def _fitted(request: SegmentRequest, pixels: PixelArea) -> _Ready:
    """Fit on the pixels of labels; kept in the store where one is named."""
    if request.labels is None:
        raise RuntimeError("a fit without labels, after they were checked")
    found = labelled_pixels(pixels, read_labels(request.labels, request.class_column))
    sample = sample_pixels(pixels)
    pool = LocalScatter.where_enough(sample.vectors)
    adapter = SegmentationAdapter().fit(found.X, found.y, groups=found.groups, pool=pool)
    validation = cross_validate(
        SegmentationAdapter(), found.X, found.y, found.groups, pool=pool, baselines=False
    )
    if request.store is not None and request.adapter is not None:
        training = {
            "labels": request.labels.name,
            "unit": "pixels",
            "season": pixels.season,
            "cross_validation": validation.as_dict(),
        }
        files = save_adapter(
            adapter, name=request.adapter, model_id=pixels.model_id, task=adapter.task, training=training
        )
        with Store.open(request.store).transaction() as transaction:
            transaction.put_adapter(request.adapter, files)
    return _Ready(adapter, request.adapter or request.labels.stem, sample, validation, found.unmatched)


def _classified(ready: _Ready, pixels: PixelArea, progress: Progress | None) -> Classified:
    """The classes of each window's inner part; windows overlap by what pixels hear."""
    windows = list(overlapping_windows(*pixels.shape, _SIDE, min(ready.adapter.around.reach, _SIDE - 1)))
    for number, window in enumerate(windows):
        if progress is not None:
            progress(number, len(windows), "classes")
        found = ready.adapter.predict_area(pixels.read(window.outer), ready.sample.scale)
        top, left = window.outer[:2]
        inner = (
            slice(window.inner[0] - top, window.inner[2] - top),
            slice(window.inner[1] - left, window.inner[3] - left),
        )
        yield window, PixelClasses(found.codes[inner], found.probabilities[inner], found.classes)


def _codes(classified: Classified, ready: _Ready, pixels: PixelArea, method: str | None) -> Coded:
    if method is None:
        return ((window, found.codes) for window, found in classified)
    return voted(classified, found_objects(pixels, shipped_finder(method)), len(ready.classes))
