"""Compare the crop-type adapter with the plain heads, on vectors and on raw bands, with few labels of real tables.

    python scripts/compare_heads.py --model scratch/left_out --draws 20
    python scripts/compare_heads.py --model surco-nano --shots 1 5 --draws 10

`--model` is an encoder's name, or a folder that `leave_files_out.py` wrote: then neither the encoder nor the prior has
seen the table that a task comes from. Labels are drawn from half of a table's spatial groups, the test is the other.
Prints, by labels a class: mean macro-F1 over tables, the expected calibration error (15 bins of equal mass, all tasks
of a table together), the paired difference of the adapter with pool and prior to each head with a 95 % interval over
tasks and the number of tables in which it is ahead, and how often its sets hold the true class. The interval holds for
these tables; it says nothing of how tables differ.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from encoder_scores import markdown
from encoder_sources import encoders
from head_tables import NO_CLASS, component_table, priors_of, raw_table, read_tables, vector_table
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surco.adapters import CropTypeAdapter, LabelledTable, LocalScatter
from surco.adapters.meta_tasks import Task, draw_tasks

Predict = Callable[[LabelledTable, Task], np.ndarray]
OURS = "adapter, pool and prior"
COVERAGES = (0.8, 0.9)


def prototypes(table: LabelledTable, task: Task) -> np.ndarray:
    """Softmax of ten times the cosine to each class mean, of standardised vectors."""
    scaler = StandardScaler().fit(table.vectors[task.train])
    vectors, asked = scaler.transform(table.vectors[task.train]), scaler.transform(table.vectors[task.test])
    means = np.stack([vectors[task.train_codes == c].mean(axis=0) for c in range(len(task.classes))])
    sizes = np.linalg.norm(asked, axis=1)[:, None] * np.linalg.norm(means, axis=1)
    scores = np.exp(10 * (asked @ means.T) / np.where(sizes > 0, sizes, 1))
    return scores / scores.sum(axis=1, keepdims=True)


def fitted(make: Callable[[int], object]) -> Predict:
    """A head of scikit-learn's contract on standardised vectors."""

    def predict(table: LabelledTable, task: Task) -> np.ndarray:
        head = make_pipeline(StandardScaler(), make(len(task.train)))
        return head.fit(table.vectors[task.train], task.train_codes).predict_proba(table.vectors[task.test])

    return predict


PLAIN: dict[str, Predict] = {
    "logistic regression": fitted(lambda n: LogisticRegression(C=0.1, max_iter=400)),
    "logistic regression, C = 1": fitted(lambda n: LogisticRegression(C=1.0, max_iter=400)),
    "LDA, Ledoit-Wolf": fitted(lambda n: LinearDiscriminantAnalysis("lsqr", shrinkage="auto")),
    "k-NN": fitted(lambda n: KNeighborsClassifier(min(5, n), weights="distance")),
    "prototypes": prototypes,
    "random forest": fitted(lambda n: RandomForestClassifier(100, random_state=0)),
    "extra trees": fitted(lambda n: ExtraTreesClassifier(100, random_state=0)),
}


def adapter(prior: str, pool: LocalScatter | None) -> Callable[[LabelledTable, Task], CropTypeAdapter]:
    """The adapter fitted on a task."""
    return lambda table, task: CropTypeAdapter(prior=prior).fit(
        table.vectors[task.train], task.train_codes, groups=table.groups[task.train], pool=pool
    )


class Scores:
    """Macro-F1 and confidences of every head by labels a class and table, and what the adapter's sets hold."""

    def __init__(self) -> None:
        self.f1: dict = defaultdict(lambda: defaultdict(list))
        self.sure: dict = defaultdict(lambda: defaultdict(list))
        self.sets: dict = defaultdict(lambda: defaultdict(list))

    def add(self, shots: int, head: str, table: str, task: Task, proba: np.ndarray) -> None:
        """Score one head's answer to one task."""
        guess = proba.argmax(axis=1)
        self.f1[shots, head][table].append(f1_score(task.test_codes, guess, average="macro", zero_division=0))
        self.sure[shots, head][table].append(np.stack([proba.max(axis=1), guess == task.test_codes]))

    def add_sets(self, shots: int, table: str, task: Task, ours: CropTypeAdapter, asked: np.ndarray) -> None:
        """Whether the adapter's sets hold the true class, and how large they are."""
        for coverage in COVERAGES:
            sets = ours.predict_set(asked, coverage)
            held = sets[np.arange(len(sets)), task.test_codes]
            self.sets[shots, coverage][table].append((held.mean(), sets.sum(axis=1).mean()))


def run(
    scores: Scores, vectors: LabelledTable, raw: LabelledTable, prior: str, args: argparse.Namespace
) -> None:
    """Score every head on the tasks of one table."""
    pool = LocalScatter.of(vectors.vectors)
    ours = {
        "adapter": adapter("", None),
        "adapter, pool": adapter("", pool),
        "adapter, prior": adapter(prior, None),
        OURS: adapter(prior, pool),
    }
    parts = component_table(raw)
    on_parts = adapter("", LocalScatter.of(parts.vectors))
    for shots in args.shots:
        rng = np.random.default_rng([args.seed, shots, len(vectors.labels)])
        for task in draw_tasks(vectors, shots, args.draws, rng, NO_CLASS):
            asked = vectors.vectors[task.test]
            for name, fit in ours.items():
                one = fit(vectors, task)
                scores.add(shots, name, vectors.name, task, one.predict_proba(asked))
                if name == OURS:
                    scores.add_sets(shots, vectors.name, task, one, asked)
            guess = on_parts(parts, task).predict_proba(parts.vectors[task.test])
            scores.add(shots, "adapter, pool, components of raw bands", vectors.name, task, guess)
            for name, predict in PLAIN.items() if shots <= args.most_plain else ():
                if not (
                    name.startswith("LDA") and shots == 1
                ):  # no scatter within classes, no analysis of it
                    scores.add(shots, f"{name}, vectors", vectors.name, task, predict(vectors, task))
                    scores.add(shots, f"{name}, raw bands", vectors.name, task, predict(raw, task))


def calibration_error(confidence: np.ndarray, hit: np.ndarray) -> float:
    """Expected calibration error in 15 bins of equal mass."""
    bins = np.array_split(np.argsort(confidence, kind="stable"), 15)
    return float(sum(len(b) * abs(confidence[b].mean() - hit[b].mean()) for b in bins) / len(hit))


def print_table(scores: Scores, shots: int) -> None:
    """One table: every head at one number of labels, what separates it from the adapter, and the adapter's sets."""
    ours = scores.f1.get((shots, OURS))
    if not ours:
        return
    print(f"\n{shots} labels a class, {sum(map(len, ours.values()))} tasks in {len(ours)} tables\n")
    rows = []
    for head in [h for s, h in scores.f1 if s == shots]:
        mean = np.mean([np.mean(v) for v in scores.f1[shots, head].values()])
        ece = np.mean([calibration_error(*np.hstack(v)) for v in scores.sure[shots, head].values()])
        gap = "" if head == OURS else difference(ours, scores.f1[shots, head])
        rows.append([head, f"{mean:.3f}", f"{ece:.3f}", gap])
    print(markdown(["head", "macro-F1", "ECE", f"{OURS}, minus it"], rows))
    for coverage in COVERAGES:
        by_table = [np.mean(v, axis=0) for v in scores.sets[shots, coverage].values()]
        held, size = np.mean(by_table, axis=0)
        low, high = np.min(by_table, axis=0)[0], np.max(by_table, axis=0)[0]
        print(
            f"sets at {coverage:.0%}: hold the true class {held:.1%} ({low:.1%} to {high:.1%} by table), "
            f"{size:.1f} classes"
        )


def difference(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> str:
    """Mean paired difference over tables in points, its interval over tasks, and in how many tables it is positive."""
    gaps = {name: 100 * (np.array(ours[name]) - np.array(theirs[name])) for name in theirs}
    mean = np.mean([g.mean() for g in gaps.values()])
    error = np.sqrt(sum(g.var(ddof=1) / len(g) for g in gaps.values() if len(g) > 1)) / len(gaps)
    ahead = sum(g.mean() > 0 for g in gaps.values())
    return f"{mean:+.1f} [{mean - 1.96 * error:+.1f}, {mean + 1.96 * error:+.1f}] {ahead}/{len(gaps)}"


def main() -> None:
    """Run the comparison and print its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=Path, default=Path("../shared/data/samples"))
    parser.add_argument(
        "--model", default="surco-nano", help="an encoder's name, or leave_files_out.py's folder"
    )
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 3, 5, 10, 20])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument(
        "--most-plain", type=int, default=20, help="labels a class up to which plain heads are fitted"
    )
    parser.add_argument("--meta-tasks", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "The number of unique classes")  # scikit-learn, of one label a class
    series = read_tables(args.samples)
    by_table = encoders(args.model, list(series))
    priors = priors_of(by_table, series, tasks=args.meta_tasks, seed=args.seed)
    for name in dict.fromkeys(map(id, priors.values())):
        one = next(p for p in priors.values() if id(p) == name)
        print(f"prior: shares {one.identity_share} {one.learned_share}, {dict(one.temperatures)}", flush=True)
    scores = Scores()
    for name, one in series.items():
        with TemporaryDirectory() as folder:
            if priors[name].covariance is not None:
                for file, data in priors[name].as_files().items():
                    (Path(folder) / file).write_bytes(data)
            known = folder if priors[name].covariance is not None else ""
            run(scores, vector_table(name, one, by_table[name]), raw_table(name, one), known, args)
        print(f"{name}: done", flush=True)
    for shots in args.shots:
        print_table(scores, shots)


if __name__ == "__main__":
    main()
