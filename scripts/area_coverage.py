"""How often area intervals hold the truth, on a map of the synthetic country whose crops are known.

    python scripts/area_coverage.py demo/store demo/scenes --adapter crops --size 600

Draws many stratified samples of the store's cells, fills them in with what truly grows there, and prints by method: the
share of intervals that hold the true hectares, their mean width against the stratified estimator's, how many were
withheld, and the mean error of the estimate beside that of counting the map.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import shapely

from surco.adapters import AreaMap, ReferenceSample, draw_sample, estimate_areas, plan_sample
from surco.api.area_domains import divide
from surco.api.area_frames import AreaQuestion, Frame, read_frame

METHODS = ("stratified", "assisted")


def true_crops(frame: Frame, scenes: Path) -> np.ndarray:
    """(N,) crop of the true parcel that holds each place's centre; "no field" where there is none."""
    features = [
        feature
        for path in sorted(scenes.glob("*/parcels.geojson"))
        for feature in json.loads(path.read_text(encoding="utf-8"))["features"]
    ]
    shapes = np.array([shapely.geometry.shape(feature["geometry"]) for feature in features], object)
    crops = np.array([feature["properties"]["crop"] for feature in features])
    found = np.full(len(frame.area_map), "no field", dtype="U40")
    place, parcel = shapely.STRtree(shapes).query(
        shapely.centroid(frame.places.polygons()), predicate="within"
    )
    found[place] = crops[parcel]
    return found


def one_draw(
    area_map: AreaMap, truth: np.ndarray, domain: np.ndarray, names: tuple[str, ...], size: int, seed: int
) -> dict[str, list[tuple[str, str, float | None, float | None, float | None, float]]]:
    """By method: domain, class, estimate, low, high and mapped hectares of each class of each domain."""
    plan = plan_sample(area_map, area_map.mapped, area_map.classes, size=size, least=20)
    rows, chances = draw_sample(plan, area_map.mapped, area_map.classes, seed=seed)
    strata = np.array(area_map.classes)[area_map.mapped[rows]]
    sample = ReferenceSample(rows, truth[rows], chances, strata)
    return {
        method: [
            (found.domain, each.label, each.area, each.low, each.high, each.mapped)
            for found in estimate_areas(area_map, sample, domain=domain, names=names, method=method)
            for each in found.classes
        ]
        for method in METHODS
    }


def main() -> None:
    """Print a row a method."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--adapter", default="crops")
    parser.add_argument("--size", type=int, default=600)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--by", choices=("none", "region"), default="none")
    asked = parser.parse_args()
    frame = read_frame(AreaQuestion(asked.store, asked.adapter, unit="cells"))
    truth, area_map = true_crops(frame, asked.scenes), frame.area_map
    parts = divide(frame.places, asked.by)
    right = truth == np.array(area_map.classes)[area_map.mapped]
    print(
        f"{len(area_map):,} cells, {len(area_map.classes)} classes, {100 * right.mean():.1f} % right, "
        f"{asked.draws} samples of {asked.size}"
    )
    hectares = {
        (name, label): float(area_map.hectares[(parts.code == i) & (truth == label)].sum())
        for i, name in enumerate(parts.names)
        for label in {*area_map.classes, *truth.tolist()}
    }
    draws = [one_draw(area_map, truth, parts.code, parts.names, asked.size, s) for s in range(asked.draws)]
    width = {}
    for method in METHODS:
        rows = [row for draw in draws for row in draw[method]]
        both = [
            (row, other)
            for draw in draws
            for row, other in zip(draw[method], draw["stratified"], strict=True)
            if row[3] is not None and other[3] is not None
        ]
        held = [row[3] <= hectares[row[:2]] <= row[4] for row in rows if row[3] is not None]
        width[method] = np.mean([(a[4] - a[3]) / (b[4] - b[3]) for a, b in both])
        error = np.mean([abs(row[2] - hectares[row[:2]]) for row in rows if row[2] is not None])
        counted = np.mean([abs(row[5] - hectares[row[:2]]) for row in rows if row[2] is not None])
        print(
            f"{method:11} holds {100 * np.mean(held):.1f} % of {len(held):,} ({len(rows) - len(held):,} withheld), "
            f"width {width[method]:.2f}, mean error {error:.2f} ha, counting {counted:.2f} ha"
        )


if __name__ == "__main__":
    main()
