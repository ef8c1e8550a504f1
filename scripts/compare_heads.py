"""Compare the crop-type adapter with the plain heads on few-label tasks of the real labelled series.

    python scripts/compare_heads.py --vectors raw --draws 20
    python scripts/compare_heads.py --vectors surco-nano --draws 40

Prints, by labels a class: mean macro-F1 over sets, expected calibration error (15 bins of equal mass, all draws of a
set together), and the adapter's paired macro-F1 difference to each head with a 95 % interval over draws and the number
of sets in which it is ahead. The interval holds for these sets; it says nothing of how sets differ.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from head_episodes import SETS, SHOTS, Episode, LabelledSet, draws, read_set
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surco.adapters import CropTypeAdapter, LocalScatter, holdout_report

Predict = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def prototypes(train: np.ndarray, codes: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Softmax of ten times the cosine to each class mean, of standardised vectors."""
    scaler = StandardScaler().fit(train)
    vectors, asked = scaler.transform(train), scaler.transform(test)
    means = np.stack([vectors[codes == c].mean(axis=0) for c in range(codes.max() + 1)])
    sizes = np.linalg.norm(asked, axis=1)[:, None] * np.linalg.norm(means, axis=1)
    scores = np.exp(10 * (asked @ means.T) / np.where(sizes > 0, sizes, 1))
    return scores / scores.sum(axis=1, keepdims=True)


def fitted(make: Callable[[int], object]) -> Predict:
    """A head of scikit-learn's contract on standardised vectors."""

    def predict(train: np.ndarray, codes: np.ndarray, test: np.ndarray) -> np.ndarray:
        return make_pipeline(StandardScaler(), make(len(train))).fit(train, codes).predict_proba(test)

    return predict


def heads(labelled: LabelledSet, scaling: str) -> dict[str, Predict]:
    """Every head by name; the adapter's pool is the whole set without its labels."""
    pool = LocalScatter.of(labelled.vectors)

    def ours(pool: LocalScatter | None) -> Predict:
        return lambda a, c, b: CropTypeAdapter(scaling=scaling).fit(a, c, pool=pool).predict_proba(b)

    return {
        "logistic C=0.1": fitted(lambda n: LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)),
        "logistic C=1": fitted(lambda n: LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000)),
        "LDA Ledoit-Wolf": fitted(lambda n: LinearDiscriminantAnalysis("lsqr", shrinkage="auto")),
        "k-NN": fitted(lambda n: KNeighborsClassifier(min(5, n), weights="distance")),
        "prototypes": prototypes,
        "random forest": fitted(
            lambda n: RandomForestClassifier(100, class_weight="balanced", random_state=0)
        ),
        "extra trees": fitted(lambda n: ExtraTreesClassifier(100, class_weight="balanced", random_state=0)),
        "ours": ours(None),
        "ours, pool": ours(pool),
    }


def answer(labelled: LabelledSet, episode: Episode, head: Predict) -> np.ndarray:
    """Probabilities (rows of the test, classes) after the episode's labels."""
    codes = np.searchsorted(episode.classes, labelled.labels[episode.train])
    proba = head(labelled.vectors[episode.train], codes, labelled.vectors[episode.test]).astype(np.float64)
    return proba / proba.sum(axis=1, keepdims=True)


def calibration_error(confidence: np.ndarray, hit: np.ndarray) -> float:
    """Expected calibration error in 15 bins of equal mass."""
    bins = np.array_split(np.argsort(confidence, kind="stable"), 15)
    return float(sum(len(b) * abs(confidence[b].mean() - hit[b].mean()) for b in bins) / len(hit))


def main() -> None:
    """Run the comparison and print its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=Path, default=Path("../shared/data/samples"))
    parser.add_argument("--vectors", default="raw", help="raw, pca, or an encoder's name")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    f1: dict[tuple[int, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    sure: dict[tuple[int, str], dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for number, name in enumerate(SETS):
        labelled = read_set(args.samples, name, args.vectors)
        each = heads(labelled, "each" if args.vectors == "raw" else "common")
        for shots in SHOTS:
            for episode in draws(labelled, shots, args.draws, seed=args.seed * 10_000 + number * 100 + shots):
                truth = labelled.labels[episode.test]
                for head, predict in each.items():
                    if head == "LDA Ledoit-Wolf" and shots == 1:
                        continue  # no scatter within classes, no discriminant analysis
                    proba = answer(labelled, episode, predict)
                    report = holdout_report(truth, proba, episode.classes, np.zeros(len(truth)))
                    f1[shots, head][name].append(report.macro_f1.value)
                    right = episode.classes[proba.argmax(axis=1)] == truth
                    sure[shots, head][name].append(np.stack([proba.max(axis=1), right]))
        print(f"{name}: {labelled.vectors.shape}", flush=True)
    for shots in SHOTS:
        print_table(shots, f1, sure)


def print_table(shots: int, f1: dict, sure: dict) -> None:
    """One table: scores of every head at one number of labels, and what separates it from the adapter."""
    names = [head for s, head in f1 if s == shots]
    if not names:
        return
    episodes = sum(map(len, f1[shots, names[0]].values()))
    print(f"\n{shots} labels a class, {episodes} episodes in {len(f1[shots, names[0]])} sets")
    print(f"{'head':18s} macro-F1   ECE   ours - it (95 %)              ours, pool - it (95 %)")
    for head in names:
        mean = np.mean([np.mean(v) for v in f1[shots, head].values()])
        ece = np.mean([calibration_error(*np.hstack(v)) for v in sure[shots, head].values()])
        gaps = "".join(
            f"  {difference(f1[shots, ours], f1[shots, head]):28s}" for ours in ("ours", "ours, pool")
        )
        print(f"{head:18s}  {mean:.3f}   {ece:.3f} {gaps}")


def difference(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> str:
    """Mean paired difference over sets in points, its interval over draws, and in how many sets it is positive."""
    gaps = {name: 100 * (np.array(ours[name]) - np.array(theirs[name])) for name in ours}
    mean = np.mean([g.mean() for g in gaps.values()])
    error = np.sqrt(sum(g.var(ddof=1) / len(g) for g in gaps.values() if len(g) > 1)) / len(gaps)
    ahead = sum(g.mean() > 0 for g in gaps.values())
    return f"{mean:+.1f} ({mean - 1.96 * error:+.1f} .. {mean + 1.96 * error:+.1f}) {ahead}/{len(gaps)}"


if __name__ == "__main__":
    main()
