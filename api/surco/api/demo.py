"""`surco demo`: synthetic valleys of three climates, from scenes to one crop map by the code of real scenes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from surco.adapters import BASELINES, Scores, holdout_report
from surco.api.encoding import EncodeRequest, describe_report, encode_into
from surco.api.fit_reports import describe_scores
from surco.api.fitting import fit_adapter
from surco.api.maps import Places, Predicted, predict_table, vectors, write_map
from surco.api.progress import console, progress_bar
from surco.api.whole_file import write_json
from surco.embedstore import Examples, Season, Store
from surco.encoder import load_encoder
from surco.encoder.simulate import CROPS, SimulatedArea, place_at, simulate_scenes

__all__ = ["LABELS_PER_CLASS", "VALLEYS", "DemoResult", "Valley", "ValleyResult", "run_demo"]

SEASON = Season(2024)
SEED = 7
LABELS_PER_CLASS = 5


@dataclass(frozen=True, slots=True)
class Valley:
    """A valley of the demo: its name, what it is, its middle in degrees, and what grows in its fields."""

    name: str
    title: str
    center: tuple[float, float]
    classes: tuple[str, ...]


VALLEYS = (
    Valley(
        "elqui", "a desert valley of the north", (-70.78, -29.98),
        ("table_grape", "wine_grape", "avocado", "citrus", "olive", "potato", "tomato", "alfalfa"),
    ),
    Valley(
        "maule", "the central valley", (-71.25, -35.3),
        ("winter_wheat", "maize", "tomato", "rice", "alfalfa", "cherry", "apple", "wine_grape", "hazelnut", "pasture"),
    ),
    Valley(
        "cautin", "the south", (-72.45, -38.75),
        ("winter_wheat", "oats", "rapeseed", "lupin", "potato", "hazelnut", "blueberry", "pasture"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ValleyResult:
    """How the map does on a valley's parcels that gave no label, and how simple heads on the same vectors do there."""

    scores: Scores
    baselines: Mapping[str, Scores]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The store, and the result of each valley by its name."""

    store: Path
    valleys: Mapping[str, ValleyResult]


def run_demo(folder: Path, size_m: tuple[float, float] = (2400.0, 2400.0)) -> DemoResult:
    """Simulate three valleys, encode them into one store, fit five labels a class, map it, and say how well that went.

    Each step that is done already takes no time, so that a stopped demo goes on where it stopped.

    Raises:
        EncoderError, EmbedstoreError, AdapterError: `folder` holds something else, or cannot be written.
    """
    store = folder / "store"
    _say("1", "Synthetic valleys of three climates: a season of Sentinel-2 and Sentinel-1 scenes each")
    areas = {valley.name: _scenes(folder, valley, size_m) for valley in VALLEYS}
    parcels = {name: _parcels(name, area) for name, area in areas.items()}
    _say("2", "Encoding: monthly composites, one vector a pixel, pooled to H3 cells and parcels of one store")
    for name, area in areas.items():
        _encode(folder, name, area, parcels[name])
    _say("3", f"An adapter from {LABELS_PER_CLASS} labels a class and valley")
    labelled = [feature for each in parcels.values() for feature in _draw_labels(each)]
    labels = folder / "labels.geojson"
    write_json(labels, {"type": "FeatureCollection", "features": labelled})
    # A demo of an earlier Surco left vectors of an earlier encoder beside these.
    model_id = load_encoder().model_id
    fitted = fit_adapter(
        store, labels, name="crops", season=SEASON.name, unit="parcels", model_id=model_id, baselines=False
    )
    console().print(
        f"   {len(labelled)} labels, {len(fitted.counts)} classes: {fitted.fit_ms:.0f} ms", highlight=False
    )
    _say("4", "The map")
    predicted = _map(folder, areas)
    results = {}
    for valley in VALLEYS:
        mine = _of(predicted, [f["properties"]["id"] for f in parcels[valley.name]])
        results[valley.name] = _score(fitted.examples, mine, parcels[valley.name])
        _print_result(valley, results[valley.name], mine, areas[valley.name].hectares)
    return DemoResult(store, results)


def _say(number: str, text: str) -> None:
    console().print(f"[bold cyan]{number}[/]  {text}", highlight=False)


def _scenes(folder: Path, valley: Valley, size_m: tuple[float, float]) -> SimulatedArea:
    place = place_at(*valley.center)
    with progress_bar(f"scenes of {valley.name}") as report:
        area = simulate_scenes(
            folder / "scenes" / valley.name,
            start=SEASON.start,
            end=SEASON.end,
            center=valley.center,
            size_m=size_m,
            seed=SEED,
            climate=place.climate,
            classes=valley.classes,
            elevation_m=place.elevation,
            progress=report,
        )
    console().print(
        f"   {valley.title} ({place.region}): {area.optical} optical and {area.radar} radar dates -> {area.path}",
        highlight=False,
    )
    return area


def _parcels(valley: str, area: SimulatedArea) -> list[dict[str, Any]]:
    """The true parcels, their ids with the valley's name before them: ids of a season's table are for one place."""
    features = json.loads(area.parcels.read_text(encoding="utf-8"))["features"]
    for feature in features:
        feature["id"] = feature["properties"]["id"] = f"{valley}-{feature['properties']['id']}"
    return list(features)


def _encode(folder: Path, name: str, area: SimulatedArea, parcels: Sequence[Mapping[str, Any]]) -> None:
    """Add a valley to the store; the store has the parcels as a cadastre has them, without what grows there."""
    plain = [{**f, "properties": {"id": f["properties"]["id"]}} for f in parcels]
    outlines = folder / f"parcels-{name}.geojson"
    write_json(outlines, {"type": "FeatureCollection", "features": plain})
    with progress_bar(f"encode {name}") as report:
        done = encode_into(
            EncodeRequest(str(area.path), SEASON.name, folder / "store", outlines), progress=report
        )
    text = describe_report(done, folder / "store")
    console().print(f"   {name}: " + text.replace("\n", "\n   "), highlight=False)


def _map(folder: Path, areas: Mapping[str, SimulatedArea]) -> Predicted:
    """The map of all parcels as files, and a raster of each valley's cells; the valleys lie 1,000 km apart."""
    store = Store.open(folder / "store")
    predicted = predict_table(store, "crops", SEASON.name, "parcels")
    for name in ("map.parquet", "map.geojson"):
        write_map(predicted, folder / name)
    cells = predict_table(store, "crops", SEASON.name, "cells")
    middle = np.array([polygon.centroid.coords[0] for polygon in cells.places.polygons()])
    for name, area in areas.items():
        west, south, east, north = area.bbox
        inside = (middle >= (west, south)).all(axis=1) & (middle <= (east, north)).all(axis=1)
        write_map(_rows(cells, np.flatnonzero(inside)), folder / f"map-{name}.tif")
    return predicted


def _of(predicted: Predicted, ids: Sequence[str]) -> Predicted:
    """The map of some parcels."""
    return _rows(predicted, np.flatnonzero(np.isin(predicted.places.id.astype(str), ids)))


def _rows(predicted: Predicted, rows: Any) -> Predicted:
    places: Places = replace(
        predicted.places,
        table=predicted.places.table.take(rows),
        id=predicted.places.id[rows],
        area_ha=predicted.places.area_ha[rows],
    )
    return replace(
        predicted,
        places=places,
        probabilities=predicted.probabilities[rows],
        class_index=predicted.class_index[rows],
    )


def _draw_labels(parcels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Five parcels of each class, drawn by chance; of a class with fewer than ten, half of them."""
    rng = np.random.default_rng(SEED)
    by_class: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for feature in parcels:
        by_class[feature["properties"]["crop"]].append(feature)
    drawn = []
    for _, features in sorted(by_class.items()):
        count = min(LABELS_PER_CLASS, len(features) // 2)
        drawn += [features[i] for i in rng.permutation(len(features))[:count]]
    return drawn


def _score(labelled: Examples, predicted: Predicted, parcels: Sequence[Mapping[str, Any]]) -> ValleyResult:
    """The map and simple heads against the truth on parcels that gave no label, of the classes that have labels."""
    truth = {f["properties"]["id"]: f["properties"]["crop"] for f in parcels}
    used = set(labelled.ids)
    held = [
        i
        for i, name in enumerate(predicted.places.id)
        if name not in used and truth[name] in predicted.classes and predicted.class_index[i] >= 0
    ]
    true = [truth[predicted.places.id[i]] for i in held]
    rows = vectors(predicted.places.table)[held]
    baselines = {}
    for name, make in BASELINES.items():
        head = make(len(labelled.y)).fit(labelled.X, labelled.y)
        baselines[name] = holdout_report(true, head.predict_proba(rows), head.classes_.tolist())
    return ValleyResult(holdout_report(true, predicted.probabilities[held], predicted.classes), baselines)


def _print_result(
    valley: Valley, result: ValleyResult, predicted: Predicted, true_hectares: Mapping[str, float]
) -> None:
    scores = result.scores
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = f"{valley.name}, {valley.title}"
    table.add_column("crop", no_wrap=True, min_width=24)
    table.add_column("INE level 3", no_wrap=True, min_width=20)
    for name in ("held out", "recall", "mapped", "true ha"):
        table.add_column(name, justify="right", no_wrap=True)
    mapped = dict(zip(predicted.classes, predicted.hectares(), strict=True))
    for i, (name, row) in enumerate(zip(scores.classes, scores.confusion, strict=True)):
        if sum(row) or name in true_hectares:
            recall = f"{row[i] / sum(row):.2f}" if sum(row) else "-"
            hectares = f"{mapped[name]:,.0f}", f"{true_hectares.get(name, 0.0):,.0f}"
            table.add_row(name, CROPS[name].ine or "-", f"{sum(row):.0f}", recall, *hectares)
    console().print(table)
    console().print(
        f"On {scores.n} held-out parcels, drawn by chance within one simulated valley (no evidence for real land):",
        highlight=False,
    )
    for name, each in [("this adapter", scores), *result.baselines.items()]:
        console().print(f"   {name:22} {describe_scores(each)}", highlight=False)
