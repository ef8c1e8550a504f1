"""What a crop map is worth before the season is over: a simulated valley, encoded month by month.

    python scripts/evaluate_in_season.py --out scratch/in_season [--size 4800] [--draws 20]

Encodes one valley as of the end of each month from September to April, each into a new version of one store, and fits
the crop adapter on parcels of one half of a checkerboard of blocks of 1.2 km; the other half's parcels are the test.
Beside it logistic regression and a random forest on the monthly bands of the same parcels, seen until the same day.
`full`: the adapter fitted on the whole season's vectors of the same labels, asked of what was seen so far. Prints a
Markdown table and writes accuracy.png and scores.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import shapely
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surco.adapters import CropTypeAdapter
from surco.api.crop_fits import crop_adapter, pool_of
from surco.api.demo import VALLEYS
from surco.api.maps import vectors
from surco.embedstore import Season, Store
from surco.encoder import encode_store, load_encoder
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import compose
from surco.encoder.grid import make_grid
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.parcels import read_parcels
from surco.encoder.rasters import raster_settings
from surco.encoder.simulate import place_at, simulate_scenes

SEASON, SEED, BLOCK_M, FIRST = Season(2024), 7, 1200.0, 4
SHOTS = (5, 20)
HEADS = ("adapter", "logistic regression", "random forest", "full")
VALLEY = next(valley for valley in VALLEYS if valley.name == "maule")


def days() -> list[date]:
    """The last day of each month from September on."""
    return [last for _, last in SEASON.months()[FIRST:]]


def simulated(folder: Path, size: float) -> Path:
    """The valley's catalogue."""
    place = place_at(*VALLEY.center)
    return simulate_scenes(
        folder / "scenes", start=SEASON.start, end=SEASON.end, center=VALLEY.center, size_m=(size, size), seed=SEED,
        climate=place.climate, classes=VALLEY.classes, elevation_m=place.elevation,
    ).path  # fmt: skip


def bands_of(catalog: Path) -> np.ndarray:
    """Mean of each month and channel over each parcel, (N, 12, 14), NaN where nothing was seen."""
    parcels = read_parcels(catalog / "parcels.geojson")
    scenes = read_scenes(str(catalog), SEASON.start, SEASON.end, None)
    grid = make_grid(scenes)
    index = ParcelIndex(parcels, grid.crs)
    total, weight = np.zeros((2, len(parcels.id), 12 * 14))
    with raster_settings():
        for window in grid.windows():
            tile = compose(scenes, window, SEASON).tile
            keys, rows, shares = index.locate(window)
            values = tile.values.reshape(12 * 14, -1).T[rows].astype(float)
            seen = tile.valid.reshape(12 * 14, -1).T[rows] * shares[:, None].astype(float)
            np.add.at(total, keys.astype(int), values * seen)
            np.add.at(weight, keys.astype(int), seen)
    mean = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
    return mean.reshape(-1, 12, 14)


def encoded(catalog: Path, path: Path) -> Store:
    """The store with one version for each day, and seconds printed."""
    store, encoder = Store.open_or_create(path), load_encoder()
    for number, day in enumerate(days(), 1):
        if store.version < number:
            began = time.monotonic()
            encode_store(
                catalog, Season(SEASON.year, as_of=day), store, encoder,
                parcels=catalog / "parcels.geojson", resolutions=(9,),
            )  # fmt: skip
            print(f"as of {day}: version {store.version}, {time.monotonic() - began:.0f} s", flush=True)
    return store


def draws(crop: np.ndarray, train: np.ndarray, shots: int, count: int) -> Iterator[np.ndarray]:
    """Rows of labels: so many of each class of the training half, drawn by chance."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        chosen = [
            rng.permutation(np.flatnonzero(train & (crop == name)))[:shots] for name in np.unique(crop[train])
        ]
        yield np.concatenate(chosen)


def answers(
    rows: np.ndarray,
    crop: np.ndarray,
    test: np.ndarray,
    now: np.ndarray,
    whole: np.ndarray,
    bands: np.ndarray,
) -> Iterator[np.ndarray]:
    """What each head of HEADS says of the test rows."""
    heads = (
        (StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)),
        (RandomForestClassifier(300, random_state=0),),
    )
    yield _adapter(now, rows, crop).predict(now[test])
    for head in heads:
        filled = make_pipeline(SimpleImputer(keep_empty_features=True), *head)
        yield filled.fit(bands[rows], crop[rows]).predict(bands[test])
    yield _adapter(whole, rows, crop).predict(now[test])


def _adapter(learned: np.ndarray, rows: np.ndarray, crop: np.ndarray) -> CropTypeAdapter:
    pool = pool_of(learned)
    return crop_adapter("surco-nano-5", pool).fit(learned[rows], crop[rows], pool=pool)


def scores(catalog: Path, store: Store, count: int) -> list[dict[str, object]]:
    """One row for each day, number of labels and head."""
    parcels = read_parcels(catalog / "parcels.geojson")
    features = json.loads((catalog / "parcels.geojson").read_text())["features"]
    crop = np.array([f["properties"]["crop"] for f in features])
    middle = shapely.get_coordinates(shapely.centroid(parcels.geometry))
    metres = middle * (111_320 * np.cos(np.radians(middle[:, 1].mean())), 110_900)
    side = np.floor(metres / BLOCK_M).astype(int).sum(axis=1) % 2 == 0
    held = [_rows(Store.open(store.path, n), [str(i) for i in parcels.id]) for n in range(1, len(days()) + 1)]
    bands = bands_of(catalog)
    kept = np.isin(crop, [name for name in np.unique(crop) if (side & (crop == name)).sum() >= 3])
    train, test = side & kept, np.flatnonzero(~side & kept)
    found: list[dict[str, object]] = []
    for month, day in enumerate(days()):
        seen = bands[:, : FIRST + month + 1, :12].reshape(len(bands), -1)
        for shots in SHOTS:
            for rows in draws(crop, train, shots, count):
                for head, answer in zip(
                    HEADS, answers(rows, crop, test, held[month], held[-1], seen), strict=True
                ):
                    found.append({
                        "day": day.isoformat(), "shots": shots, "head": head, "labels": len(rows), "test": len(test),
                        "accuracy": accuracy_score(crop[test], answer),
                        "macro_f1": f1_score(crop[test], answer, average="macro", zero_division=0),
                    })  # fmt: skip
        print(f"scored {day}", flush=True)
    return found


def _rows(store: Store, ids: list[str]) -> np.ndarray:
    table = store.read("parcels")
    place = {name: row for row, name in enumerate(table["id"].to_pylist())}
    return vectors(table)[[place[name] for name in ids]]


def mean(
    found: list[dict[str, object]], day: date, shots: int, head: str, score: str = "accuracy"
) -> tuple[float, float]:
    """Mean of the draws and its standard deviation."""
    values = [f[score] for f in found if (f["day"], f["shots"], f["head"]) == (day.isoformat(), shots, head)]
    return float(np.mean(values)), float(np.std(values))  # type: ignore[arg-type]


def draw(found: list[dict[str, object]], out: Path) -> None:
    """Accuracy by day, one panel for each number of labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained", facecolor="#fcfcf9")
    names = {"adapter": "surco adapter", "full": "adapter fitted on the whole season"}
    colours = dict(zip(HEADS, ("#3f7d58", "#8a6d3b", "#b5452c", "#9aa79c"), strict=True))
    for axes, shots in zip(figure.subplots(1, 2, sharey=True), SHOTS, strict=True):
        for head in HEADS:
            middle, spread = np.array([mean(found, day, shots, head) for day in days()]).T
            x = np.arange(len(middle))
            axes.plot(
                x,
                middle,
                "--" if head == "full" else "-",
                marker="o",
                ms=4,
                color=colours[head],
                label=names.get(head, f"{head}, monthly bands"),
            )
            axes.fill_between(x, middle - spread, middle + spread, color=colours[head], alpha=0.12, lw=0)
        axes.set_xticks(x, [f"{day:%b}" for day in days()])
        axes.set_title(f"{shots} labels a class", loc="left")
        axes.set_xlabel("seen until the end of")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    axes = figure.axes[0]
    axes.set_ylabel("accuracy on the other half's parcels")
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(out, dpi=110)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=float, default=4800.0)
    parser.add_argument("--draws", type=int, default=20)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    catalog = simulated(asked.out, asked.size)
    store = encoded(catalog, asked.out / "valley.store")
    found = scores(catalog, store, asked.draws)
    (asked.out / "scores.json").write_text(json.dumps(found))
    draw(found, asked.out / "accuracy.png")
    labels = {f["shots"]: f["labels"] for f in found}
    print(f"{found[0]['test']} parcels tested; labels by number a class: {labels}")
    print("| seen until | " + " | ".join(f"{head}, {shots}" for shots in SHOTS for head in HEADS) + " |")
    print("|---" * (1 + len(SHOTS) * len(HEADS)) + "|")
    for day in days():
        cells = [
            "{:.2f} ± {:.2f}".format(*mean(found, day, shots, head)) for shots in SHOTS for head in HEADS
        ]
        print(f"| {day} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
