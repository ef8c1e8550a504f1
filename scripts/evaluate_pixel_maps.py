"""Parcels drawn from objects, and classes of pixels, on synthetic valleys with known truth and the Flanders patch.

    python scripts/boundary_valleys.py --out scratch/valleys
    python scripts/evaluate_pixel_maps.py --valleys scratch/valleys [--only parcels|pixels|flanders]

`parcels`: what drawing polygons does to the objects that were found (object F1 before and after), and how far finding
them in windows gives what one go gives. `pixels`: macro-F1 of pixels of parcels without labels, alone and with context;
at the parcels' borders; and of parcels by vote beside the class of their mean vector. One pixel of each labelled parcel
is a label; at most half of a class's parcels are. `flanders`: each declared parcel held out in turn.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from boundary_valleys import FLANDERS, SHARED, VALLEYS, Valley, load_valley, valleys_of
from rasterio.features import rasterize
from scipy import ndimage
from sklearn.metrics import f1_score

from surco.adapters import LocalScatter
from surco.adapters.boundaries import PixelVectors
from surco.adapters.boundaries.boundary_adapter import BoundaryAdapter
from surco.adapters.boundaries.field_polygons import field_polygons
from surco.adapters.boundaries.gradient_fallback import gradient_objects
from surco.adapters.boundaries.object_scores import score_objects
from surco.adapters.boundaries.windows import OverlappingWindow, objects_in_windows
from surco.adapters.pixel_votes import Votes
from surco.adapters.segmentation_adapter import SegmentationAdapter
from surco.embedstore import Season
from surco.encoder.area import project
from surco.encoder.simulate import orchard_hectares, place_at, simulate_scenes

Labels = npt.NDArray[np.int32]
SEEDS, LABELLED = (0, 1, 2), (1, 5)


def crops_of(folder: Path, valley: Valley) -> tuple[Labels, Labels]:
    """Number of the parcel and crop of each pixel of a valley, all land counted: drawn again from its seed, kept."""
    area, _ = load_valley(folder, valley.name)
    kept = folder / f"{valley.name}.crops.json"
    if not kept.exists():
        place, season = place_at(*valley.center), Season(valley.year)
        with tempfile.TemporaryDirectory() as work:
            drawn = simulate_scenes(
                Path(work) / "scenes", start=season.start, end=season.start + timedelta(days=9),
                center=valley.center, size_m=(valley.size, valley.size), seed=valley.seed, climate=place.climate,
                elevation_m=place.elevation, orchards=orchard_hectares(place.code) or None,
            )  # fmt: skip
            kept.write_bytes(drawn.parcels.read_bytes())
    features = json.loads(kept.read_text())["features"]
    shapes = [project(shapely.geometry.shape(f["geometry"]), "OGC:CRS84", area.crs) for f in features]
    number = rasterize(
        [(s, i) for i, s in enumerate(shapes, 1)], area.shape, transform=area.transform, dtype="int32"
    )
    names = sorted({f["properties"]["crop"] for f in features})
    code = np.array([-1, *[names.index(f["properties"]["crop"]) for f in features]], np.int32)
    return number, code[number]


def window_of(area: PixelVectors, window: OverlappingWindow) -> PixelVectors:
    """A window's outer part."""
    top, left, bottom, right = window.outer
    place = (slice(top, bottom), slice(left, right))
    return PixelVectors(
        area.vectors[place], area.valid[place], window.transform(area.transform), area.crs, area.model_id
    )


def parcels(folder: Path) -> None:
    """Print what drawing and windows do to objects."""
    finders = {"network": BoundaryAdapter.pretrained().predict, "gradient": gradient_objects}
    for name in valleys_of("test"):
        area, truth = load_valley(folder, name)
        for method, find in finders.items():
            found = find(area)
            drawn = field_polygons(found)
            again = rasterize(
                [(s, i) for i, s in enumerate(drawn.geometry, 1)],
                area.shape,
                transform=area.transform,
                dtype="int32",
            )
            in_windows = objects_in_windows(
                lambda window, area=area: window_of(area, window), find, area.shape, area.transform, area.crs,
                size=128, margin=48,
            )  # fmt: skip
            scores = [
                score_objects(labels, truth).f1 for labels in (found.labels, _dense(again), in_windows.labels)
            ]
            same = score_objects(in_windows.labels, found.labels)
            points = shapely.get_num_coordinates(drawn.geometry).mean()
            print(
                f"{name:11} {method:9} {len(found):4} objects, {len(drawn):4} polygons of {points:4.1f} points, "
                f"coverage {shapely.coverage_is_valid(drawn.geometry)}; F1 {scores[0]:.3f}, drawn {scores[1]:.3f}, "
                f"in windows {scores[2]:.3f} ({len(in_windows)} objects, F1 {same.f1:.3f} with the whole)",
                flush=True,
            )


def _dense(labels: Labels) -> Labels:
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def pixels(folder: Path) -> None:
    """Print scores of pixels and parcels, by labelled parcels a class, over valleys and draws of labels."""
    rows: dict[int, list[list[float]]] = {each: [] for each in LABELLED}
    for valley in (v for v in VALLEYS if v.use == "test"):
        area, _ = load_valley(folder, valley.name)
        number, code = crops_of(folder, valley)
        fields = BoundaryAdapter.pretrained().predict(area).labels
        for seed in SEEDS:
            for each in LABELLED:
                rows[each].append(_scores(area, number, code, fields, each, seed))
        print(
            valley.name,
            len(np.unique(code[code >= 0])),
            "classes",
            np.round(rows[5][-1], 3).tolist(),
            flush=True,
        )
    names = (
        "pixels alone", "pixels", "border alone", "border", "log loss alone", "log loss",
        "parcels by mean vector", "by votes alone", "by votes", "pixels by found field", "border by found field",
    )  # fmt: skip
    for each, found in rows.items():
        table = np.array(found)
        print(f"{each} a class, {len(table)} draws:")
        for name, column in zip(names, table.T, strict=True):
            print(f"  {name:24} {column.mean():.3f}")
        for what, column in (("context", 1), ("found fields", 9)):
            gain = table[:, column] - table[:, 0]
            above = f"{(gain > 0).sum()} of {len(gain)} draws above zero"
            print(f"  pixels, gain by {what:12} {gain.mean():+.3f}, {above}")


def _scores(
    area: PixelVectors, number: Labels, code: Labels, fields: Labels, each: int, seed: int
) -> list[float]:
    known, rows = _labelled(number, code, area.valid, each, np.random.default_rng(seed))
    X, y = area.vectors.reshape(-1, area.dimension)[rows], code.ravel()[rows]
    pool = LocalScatter.of(area.vectors[area.valid][::7])
    heard = SegmentationAdapter().fit(X, y, pool=pool)
    alone = SegmentationAdapter.of(heard).set_params(context=0.0)
    asked = area.valid & (number > 0) & ~np.isin(number, known)
    border = asked & (ndimage.maximum_filter(number, 3) != ndimage.minimum_filter(number, 3))
    parts = [adapter.predict_area(area) for adapter in (alone, heard)]
    found = [heard.classes_[part.codes] for part in parts]
    out = [_macro(code[asked], one[asked]) for one in found] + [
        _macro(code[border], one[border]) for one in found
    ]
    out += [_log_loss(heard.classes_, part.probabilities[asked], code[asked]) for part in parts]
    ids = np.setdiff1d(np.unique(number[asked]), known)
    truth = np.array([code[number == i][0] for i in ids])
    means = np.stack([area.vectors[(number == i) & area.valid].mean(axis=0) for i in ids])
    voted = [_voted(part.probabilities, number)[ids - 1] for part in parts]
    out.append(_macro(truth, heard.predict(means / np.linalg.norm(means, axis=1, keepdims=True))))
    out += [_macro(truth, heard.classes_[votes]) for votes in voted]
    field = _voted(parts[1].probabilities, fields)[fields - 1]
    by_field = heard.classes_[np.where(fields > 0, field, parts[1].codes)]
    return [*out, _macro(code[asked], by_field[asked]), _macro(code[border], by_field[border])]


def _labelled(
    number: Labels, code: Labels, valid: npt.NDArray[np.bool_], each: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Parcels that are labelled, at most half of a class's, and a pixel of each."""
    known: list[int] = []
    for crop in np.unique(code[code >= 0]):
        own = rng.permutation(np.unique(number[(code == crop) & valid]))
        known += own[: min(each, max(1, len(own) // 2))].tolist()
    rows = [rng.choice(np.flatnonzero((number == i) & valid)) for i in known]
    return np.array(known), np.array(rows)


def _voted(probabilities: npt.NDArray[np.float32], number: Labels) -> npt.NDArray[np.int32]:
    votes = Votes(int(number.max()), probabilities.shape[2])
    votes.add(probabilities.reshape(-1, probabilities.shape[2]), number.ravel() - 1)
    return votes.result().codes


def _macro(truth: npt.NDArray[np.int32], found: npt.NDArray[np.int32]) -> float:
    return float(f1_score(truth, found, average="macro", labels=np.unique(truth), zero_division=0))


def _log_loss(
    classes: npt.NDArray[np.int32], chances: npt.NDArray[np.float32], truth: npt.NDArray[np.int32]
) -> float:
    chance = chances[np.arange(len(truth)), np.searchsorted(classes, truth)]
    return float(-np.log(np.maximum(chance, 1e-6)).mean())


def flanders(folder: Path) -> None:
    """Print how many declared parcels get their crop, each held out in turn, of crops that occur twice."""
    area, number = load_valley(folder, FLANDERS)
    features = json.loads((SHARED / "stac/flanders_2019/parcels.geojson").read_text())["features"]
    crop = np.array([-1, *[int(f["properties"]["crop_code"]) for f in features]])
    code = np.where(area.valid, crop[number], -1).astype(np.int32)
    right = np.zeros(3)
    pixel = np.zeros(2)
    held = [i for i in range(1, len(crop)) if (crop == crop[i]).sum() > 1 and (number == i).any()]
    for one in held:
        rows = np.concatenate([_some(code, number, i) for i in range(1, len(crop)) if i != one])
        vectors = area.vectors.reshape(-1, area.dimension)
        heard = SegmentationAdapter().fit(vectors[rows], code.ravel()[rows], groups=number.ravel()[rows])
        own = (number == one) & area.valid
        mean = area.vectors[own].mean(axis=0, keepdims=True)
        right[0] += heard.predict(mean / np.linalg.norm(mean))[0] == crop[one]
        for k, adapter in enumerate((SegmentationAdapter.of(heard).set_params(context=0.0), heard)):
            part = adapter.predict_area(area)
            pixel[k] += (heard.classes_[part.codes[own]] == crop[one]).mean()
            right[k + 1] += heard.classes_[_voted(part.probabilities, number)[one - 1]] == crop[one]
    print(
        f"flanders: {len(features)} parcels, {len(held)} of crops that occur twice or more; right by mean vector "
        f"{right[0]:.0f}, by votes alone {right[1]:.0f}, by votes {right[2]:.0f}; share of a parcel's pixels right "
        f"{pixel[0] / len(held):.3f} alone, {pixel[1] / len(held):.3f} with context"
    )


def _some(code: Labels, number: Labels, parcel: int) -> npt.NDArray[np.int64]:
    """At most 25 pixels of a parcel that were seen, evenly."""
    rows = np.flatnonzero((number.ravel() == parcel) & (code.ravel() >= 0))
    return rows[np.unique(np.linspace(0, len(rows) - 1, 25).astype(int))] if len(rows) else rows


def main() -> None:
    """Run all parts, or one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--valleys", type=Path, default=Path("scratch/valleys"))
    parser.add_argument("--only", choices=["parcels", "pixels", "flanders"])
    arguments = parser.parse_args()
    for name, part in (("parcels", parcels), ("pixels", pixels), ("flanders", flanders)):
        if arguments.only in (None, name):
            part(arguments.valleys)


if __name__ == "__main__":
    main()
