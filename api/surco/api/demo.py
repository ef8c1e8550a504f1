"""`surco demo`: a synthetic valley walked from scenes to crop map by the same code as real scenes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from surco.adapters import BASELINES, Scores, holdout_report
from surco.api.encoding import EncodeRequest, describe_report, encode_into
from surco.api.fitting import describe_scores, fit_adapter
from surco.api.maps import Predicted, predict_table, vectors, write_map
from surco.api.progress import console, progress_bar
from surco.api.whole_file import write_json
from surco.embedstore import Examples, Season, Store
from surco.encoder.simulate import SimulatedArea, simulate_scenes

__all__ = ["LABELS_PER_CLASS", "DemoResult", "run_demo"]

SEASON = Season(2024)
SEED = 7
CENTER = (-71.25, -35.3)
CLASSES = (
    *("winter_wheat", "maize", "tomato", "rice", "alfalfa"),
    *("cherry", "apple", "wine_grape", "hazelnut", "pasture"),
)
LABELS_PER_CLASS = 5


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The store, how its map does on held-out parcels, and how simple heads on the same vectors and labels do there."""

    store: Path
    scores: Scores
    baselines: Mapping[str, Scores]


def run_demo(folder: Path, size_m: tuple[float, float] = (4000.0, 4000.0)) -> DemoResult:
    """Simulate a valley, encode it, fit five labels a class, map it, and say how well that went.

    Each step that is done already takes no time, so that a stopped demo goes on where it stopped.

    Raises:
        EncoderError, EmbedstoreError, AdapterError: `folder` holds something else, or cannot be written.
    """
    store = folder / "store"
    _say("1", "A synthetic valley of central Chile: a season of Sentinel-2 and Sentinel-1 scenes")
    area = _scenes(folder, size_m)
    _say("2", "Encoding: monthly composites, one vector a pixel, pooled to H3 cells and parcels")
    request = EncodeRequest(str(area.path), SEASON.name, store, folder / "parcels.geojson")
    parcels = json.loads(area.parcels.read_text(encoding="utf-8"))
    write_json(folder / "parcels.geojson", _without_crops(parcels))
    with progress_bar("encode") as report:
        done = encode_into(request, progress=report)
    console().print("   " + describe_report(done, store).replace("\n", "\n   "), highlight=False)
    _say("3", f"An adapter from {LABELS_PER_CLASS} labels a class")
    labelled = _draw_labels(parcels)
    labels = folder / "labels.geojson"
    write_json(labels, {"type": "FeatureCollection", "features": labelled})
    fitted = fit_adapter(store, labels, name="crops", season=SEASON.name, unit="parcels", baselines=False)
    console().print(
        f"   {len(labelled)} labels, {len(fitted.counts)} classes: {fitted.fit_ms:.0f} ms", highlight=False
    )
    _say("4", "The map")
    predicted = predict_table(Store.open(store), "crops", SEASON.name, "parcels")
    for name in ("map.parquet", "map.geojson"):
        write_map(predicted, folder / name)
    write_map(predict_table(Store.open(store), "crops", SEASON.name, "cells"), folder / "map.tif")
    result = _score(store, fitted.examples, predicted, parcels)
    _print_result(result, predicted, area.hectares)
    return result


def _say(number: str, text: str) -> None:
    console().print(f"[bold cyan]{number}[/]  {text}", highlight=False)


def _scenes(folder: Path, size_m: tuple[float, float]) -> SimulatedArea:
    with progress_bar("scenes") as report:
        area = simulate_scenes(
            folder / "scenes",
            start=SEASON.start,
            end=SEASON.end,
            center=CENTER,
            size_m=size_m,
            seed=SEED,
            classes=CLASSES,
            progress=report,
        )
    console().print(f"   {area.optical} optical and {area.radar} radar dates -> {area.path}", highlight=False)
    return area


def _without_crops(parcels: Mapping[str, Any]) -> dict[str, Any]:
    """The parcels as an agency's cadastre has them: what grows there is not told to the store."""
    features = [{**f, "properties": {"id": f["properties"]["id"]}} for f in parcels["features"]]
    return {"type": "FeatureCollection", "features": features}


def _draw_labels(parcels: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Five parcels of each class, drawn by chance; of a class with fewer than ten, half of them."""
    rng = np.random.default_rng(SEED)
    by_class: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for feature in parcels["features"]:
        by_class[feature["properties"]["crop"]].append(feature)
    drawn = []
    for _, features in sorted(by_class.items()):
        count = min(LABELS_PER_CLASS, len(features) // 2)
        drawn += [features[i] for i in rng.permutation(len(features))[:count]]
    return drawn


def _score(store: Path, labelled: Examples, predicted: Predicted, parcels: Mapping[str, Any]) -> DemoResult:
    """The map and simple heads against the truth on parcels that gave no label, of the classes that have labels."""
    truth = {f["properties"]["id"]: f["properties"]["crop"] for f in parcels["features"]}
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
    return DemoResult(
        store, holdout_report(true, predicted.probabilities[held], predicted.classes), baselines
    )


def _print_result(result: DemoResult, predicted: Predicted, true_hectares: Mapping[str, float]) -> None:
    scores = result.scores
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("crop")
    for name in ("held-out parcels", "recall", "mapped ha", "true ha"):
        table.add_column(name, justify="right")
    mapped = dict(zip(predicted.classes, predicted.hectares(), strict=True))
    for i, (name, row) in enumerate(zip(scores.classes, scores.confusion, strict=True)):
        recall = f"{row[i] / sum(row):.2f}" if sum(row) else "-"
        true = true_hectares.get(name, 0.0)
        table.add_row(name, f"{sum(row):.0f}", recall, f"{mapped[name]:,.0f}", f"{true:,.0f}")
    console().print(table)
    console().print(
        f"On {scores.n} held-out parcels, drawn by chance within one simulated valley (no evidence for real land):",
        highlight=False,
    )
    for name, each in [("this adapter", scores), *result.baselines.items()]:
        console().print(f"   {name:22} {describe_scores(each)}", highlight=False)
