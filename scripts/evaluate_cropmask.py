"""Crop or not in eight regions of Africa, each left out in turn: the adapter beside plain classifiers, as a report.

    python scripts/evaluate_cropmask.py ../shared/data/samples_africa_cropmask --out cropmask.html --json cropmask.json

The tables (Digital Earth Africa, Apache-2.0) have two half-yearly geomedians of Sentinel-2 with indices, rainfall and
slope, and no places. The encoder reads the bands of both half-years as a series of two dates; the adapter and every
plain head read its vectors, and beside them the features as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from surco.adapters import CropTypeAdapter, Estimate
from surco.adapters.evaluation import (
    BASELINES,
    SHOTS,
    About,
    Evaluation,
    Labelled,
    leave_each_out,
    number,
    signed_points,
)
from surco.adapters.evaluation.held_out import Contender, contenders, hold_out
from surco.adapters.evaluation.judging import COVERAGES, FLOOR, judge
from surco.adapters.evaluation.label_curves import label_curves
from surco.api.evaluating import Report, write_report
from surco.api.progress import progress_bar
from surco.encoder import load_encoder
from surco.encoder.channels import CHANNELS, INDEX

DATES = np.array(["2019-04-01", "2019-10-01"], "datetime64[D]")
"""The middles of the half-years that the geomedians are of."""
BANDS = {
    "blue": "blue",
    "green": "green",
    "red": "red",
    "nir": "nir",
    "swir_1": "swir16",
    "swir_2": "swir22",
    "red_edge_1": "rededge1",
    "red_edge_2": "rededge2",
    "red_edge_3": "rededge3",
}
FEATURES = "half-yearly features"
BATCH = 2048


def read_regions(
    folder: Path, most: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Features (N, F), crop or not (N,), region (N,), and the features' names; at most `most` rows a region."""
    rng = np.random.default_rng(seed)
    features, labels, regions, columns = [], [], [], []
    for file in sorted(folder.glob("*_training_data.txt")):
        with file.open() as lines:
            columns = lines.readline().removeprefix("#").split()
        rows = np.loadtxt(file)
        rows = rows[np.isfinite(rows).all(axis=1)]
        rows = rows[rng.permutation(len(rows))[:most]]
        features.append(rows[:, 1:])
        labels.append(np.where(rows[:, 0] > 0, "crop", "no crop"))
        regions.append(np.full(len(rows), file.name.removesuffix("_training_data.txt").replace("_", " ")))
    if not features:
        raise SystemExit(f"Expected *_training_data.txt in {folder}, found none. Check the folder.")
    return np.concatenate(features), np.concatenate(labels), np.concatenate(regions), columns[1:]


def encode(features: np.ndarray, columns: Sequence[str], model: str) -> tuple[str, np.ndarray]:
    """The encoder's id and its vectors (N, D) of the two half-years' bands, without place or terrain."""
    encoder = load_encoder(model)
    values = np.zeros((len(features), 2, len(CHANNELS)), np.float32)
    valid = np.zeros(values.shape, bool)
    for half in (0, 1):
        for theirs, ours in BANDS.items():
            values[:, half, INDEX[ours]] = features[:, columns.index(f"{theirs}_S{half + 1}")]
            valid[:, half, INDEX[ours]] = True
    nowhere = np.full((len(features), 2), np.nan, np.float32)
    parts = [
        encoder.encode(values[s], valid[s], DATES, nowhere[s], nowhere[s])
        for s in (slice(i, i + BATCH) for i in range(0, len(features), BATCH))
    ]
    return encoder.model_id, np.concatenate(parts)


def on_features() -> tuple[Contender, ...]:
    """The adapter and k-nearest neighbours on the features as they are, each standardised."""

    def adapter(data: Labelled, train: np.ndarray) -> CropTypeAdapter:
        rows = data.features[FEATURES][train]
        return CropTypeAdapter(scaling="each").fit(rows, data.codes[train], groups=data.groups[train])

    def neighbours(data: Labelled, train: np.ndarray) -> object:
        return BASELINES["k-nearest neighbours"](len(train)).fit(
            data.features[FEATURES][train], data.codes[train]
        )

    return (
        Contender(f"crop-type adapter, {FEATURES}", FEATURES, adapter),
        Contender(f"k-nearest neighbours, {FEATURES}", FEATURES, neighbours),
    )


def main() -> None:
    """Read, hold out, write the report, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model", default="surco-nano")
    parser.add_argument("--most", type=int, help="rows a region at most, drawn at random")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    features, labels, regions, columns = read_regions(args.folder, args.most, args.seed)
    model_id, vectors = encode(features, columns, args.model)
    data = Labelled.of(vectors, labels, regions, regions=regions, features={FEATURES: features}, pool=vectors)
    entries = (*contenders(CropTypeAdapter(), data), *on_features())
    split = leave_each_out(data)
    with progress_bar("regions") as bar:
        held = hold_out(entries, data, split, coverages=COVERAGES, progress=bar)
    with progress_bar("curves") as bar:
        compared = [entry for entry in entries if entry.name != FLOOR]
        curves = label_curves(compared, data, shots=SHOTS, draws=args.draws, seed=args.seed, progress=bar)
    found = judge(held, data, split, curves=curves)
    facts = (
        ("features", f"{len(columns)} of two half-years: {', '.join(columns)}"),
        ("labels", f"{len(labels):,}, {int((labels == 'crop').sum()):,} of them crop"),
        ("places", "unknown, so a region is one block; the intervals of regions take labels for independent"),
        (
            f"vectors of {model_id}",
            "the nine bands of both half-years as a series of two dates, without place and terrain",
        ),
    )
    about = About(
        "Crop or not in eight regions of Africa",
        "the crop-type adapter",
        facts,
        credits="Samples: Digital Earth Africa, cropland mask training data (Apache-2.0).",
    )
    write_report(Report(found, about), args.out, args.json)
    print_tables(found)


def print_tables(found: Evaluation) -> None:
    """Scores, regions and curves as Markdown."""
    print("| classifier | macro-F1 | accuracy | adapter − it, points | ECE |\n|---|---|---|---|---|")
    for e in found.entries:
        s = e.scores
        gap = "" if e.difference is None else signed_points(e.difference.macro_f1)
        print(f"| {e.name} | {interval(s.macro_f1)} | {interval(s.accuracy)} | {gap} | {s.ece.value:.3f} |")
    print(
        f"\nbest baseline {found.best}; spread of accuracy {found.fairness.spread:.3f}, worst {found.fairness.worst}"
    )
    for r in found.fairness.regions:
        print(f"- {r.name}: n {r.n}, accuracy {interval(r.accuracy)}, {found.best} {r.baseline_accuracy:.3f}")
    print("\n| labels a class | classifier | macro-F1 | adapter − it | ECE |\n|---|---|---|---|---|")
    for p in found.curves.points:
        for name, f1 in p.macro_f1.items():
            gap = signed_points(p.gain[name]) if name in p.gain else ""
            print(f"| {p.shots} | {name} | {interval(f1)} | {gap} | {p.ece[name].value:.3f} |")
    for c in found.coverages:
        print(f"\nsets promised {c.nominal}: hold {interval(c.covered)}, {c.mean_size:.2f} classes")


def interval(estimate: Estimate) -> str:
    """A score with its interval."""
    return number(estimate, 3)


if __name__ == "__main__":
    main()
