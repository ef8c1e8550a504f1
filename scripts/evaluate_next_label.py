"""Replay labelling campaigns whose truth is known: the bandit beside random, margin, herding and cluster-based choices.

    python scripts/evaluate_next_label.py ../shared/data/samples --models scratch/lo/n4b --plot docs/next-label.png

Each run holds a third of a table's spatial groups out and begins with no label; every method takes ten places at a
time, and a crop-type adapter on them is scored by macro-F1 on the groups held out. The bandit's prior leaves out the
table that is scored (of a synthetic region, all synthetic ones); a fifth of its places is drawn by chance. Intervals
are 95 %, paired bootstrap over runs within each table: they hold for these tables.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import faiss
import numpy as np
from encoder_scores import markdown
from next_label_tables import Field, LabelledTable, read_tables, splits

from surco.adapters.next_label import ARMS, INCUMBENT, Bandit, NextLabel, Prior, Visits, shipped_prior
from surco.adapters.next_label.arms import herding
from surco.adapters.next_label.campaign import Campaign
from surco.adapters.next_label.openings import Openings
from surco.adapters.next_label.standing import campaign_at

BATCH = 10
LABELS = 100
SEED = 2026
DRAWS = 2000
NEED_A_GUESS = ("margin", "gradient", "under-representation")
METHODS = (
    "random",
    "margin",
    "gradient",
    "typicality",
    "cluster medoids",
    "herding",
    "herding, a fifth by chance",
    "bandit",
)
Choice = Callable[[Campaign, Openings, int, np.random.Generator], list[int]]
Curves = Mapping[str, Mapping[str, np.ndarray]]


class OneArm:
    """A policy that takes the incumbent whatever comes."""

    def choose(self, context: np.ndarray, rng: np.random.Generator) -> str:
        """Herding."""
        return INCUMBENT

    def learn(self, arm: str, context: np.ndarray, observables: np.ndarray) -> float:
        """Nothing."""
        return 0.0


def at_random(campaign: Campaign, openings: Openings, count: int, rng: np.random.Generator) -> list[int]:
    """Places drawn without a reason."""
    return rng.permutation(np.flatnonzero(openings.open))[:count].tolist()


def medoids(campaign: Campaign, openings: Openings, count: int, rng: np.random.Generator) -> list[int]:
    """The place nearest to the centre of each of as many clusters of what is left as there are places to choose."""
    rows = np.flatnonzero(openings.open)
    left = np.ascontiguousarray(campaign.candidates[rows])
    means = faiss.Kmeans(
        left.shape[1], count, niter=12, seed=int(rng.integers(2**31 - 1)), min_points_per_centroid=1
    )
    means.train(left)
    near = faiss.knn(means.centroids, left, count)[1]
    chosen: list[int] = []
    for kin in near:
        chosen.append(next(int(k) for k in kin if int(k) not in chosen))
    return rows[chosen].tolist()


PURE: Mapping[str, Choice] = {**ARMS, "random": at_random, "cluster medoids": medoids}


def pure_curve(field: Field, method: str, rng: np.random.Generator) -> list[float]:
    """Macro-F1 at 10, 20, ... labels where one method takes all places; it begins by herding if it needs a guess."""
    visited, adapter, scores = np.empty(0, np.int64), None, []
    while len(visited) < LABELS:
        campaign = campaign_at(field.ground, field.frame, field.labelled(visited), adapter)
        choose = herding if campaign.guess is None and method in NEED_A_GUESS else PURE[method]
        openings = Openings(field.ground.group[field.frame.row], np.isin(field.frame.row, visited))
        visited = np.concatenate([visited, field.frame.row[choose(campaign, openings, BATCH, rng)]])
        adapter = field.frame.learner.fit(field.labelled(visited))
        scores.append(field.score(adapter))
    return scores


def guided_curve(field: Field, guide: NextLabel) -> tuple[list[float], list[str]]:
    """Macro-F1 at 10, 20, ... labels of a campaign of the product, and the arm of each round."""
    visits, scores, arms = Visits.none(field.ground), [], []
    while len(visits) < LABELS:
        chosen = guide.propose(field.ground, visits, BATCH)
        row, arm = np.concatenate([visits.row, chosen.row]), np.concatenate([visits.arm, chosen.arm])
        number = np.concatenate([visits.round, np.full(len(chosen), chosen.round)])
        visits = Visits.of(field.ground, row, field.labels(row), arm=arm, round=number)
        guide.learn(field.ground, visits, chosen.round)
        scores.append(field.score(field.frame.learner.fit(visits.labelled)))
        arms.append(str(chosen.arm[-1]))
    return scores, arms


def evaluate(
    table: LabelledTable, runs: int, prior: Prior, methods: Sequence[str] = METHODS
) -> tuple[dict[str, np.ndarray], list[list[str]]]:
    """Curves (runs, 10) by method, and the bandit's arms (runs, 10)."""
    others = [
        name
        for name in prior.sources
        if name == table.name or ("synthetic" in name and "synthetic" in table.name)
    ]
    known, curves, arms = prior.without(*others), {method: [] for method in methods}, []
    for run, split in enumerate(splits(table, runs, SEED)):
        field = Field.of(table, split)
        for method in methods:
            if method in PURE:
                curves[method].append(pure_curve(field, method, np.random.default_rng([SEED, run])))
                continue
            policy = Bandit(known) if method == "bandit" else OneArm()
            curve, taken = guided_curve(field, NextLabel(policy, seed=run))
            curves[method].append(curve)
            arms += [taken] if method == "bandit" else []
    return {method: np.array(found) for method, found in curves.items()}, arms


def labels_to_reach(curve: np.ndarray, target: float) -> float:
    """Labels at which a mean curve first reaches a score, between the points on a line; NaN where it does not."""
    x, y = np.arange(0, LABELS + 1, BATCH), np.concatenate([[0.0], curve])
    hits = np.flatnonzero(y >= target)
    if not len(hits):
        return float("nan")
    k = int(hits[0])
    return float(x[k - 1] + BATCH * (target - y[k - 1]) / (y[k] - y[k - 1]))


def interval(gaps: Sequence[np.ndarray], rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean over tables of the mean paired difference (runs,) of each, with its bootstrap interval over runs."""
    draws = np.mean(
        [gap[rng.integers(len(gap), size=(DRAWS, len(gap)))].mean(axis=1) for gap in gaps], axis=0
    )
    return (float(np.mean([gap.mean() for gap in gaps])), *np.quantile(draws, [0.025, 0.975]).tolist())


def signed(found: tuple[float, float, float]) -> str:
    """Points of macro-F1 as `+2.1 [+1.2, +3.0]`."""
    mean, low, high = (100 * value for value in found)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def reach_table(curves: Curves) -> str:
    """Labels to random's score at 100 labels, by table and method."""
    rows, found = [], {}
    for name, by_method in curves.items():
        target = float(by_method["random"].mean(axis=0)[-1])
        reached = {m: labels_to_reach(by_method[m].mean(axis=0), target) for m in by_method}
        for method, labels in reached.items():
            found.setdefault(method, []).append(min(labels, LABELS) if np.isfinite(labels) else LABELS)
        rows.append(
            [name, f"{target:.3f}", *(f"{v:.0f}" if np.isfinite(v) else ">100" for v in reached.values())]
        )
    rows.append(["mean (>100 as 100)", "", *(f"{np.mean(found[m]):.0f}" for m in found)])
    return markdown(["table", "random at 100", *found], rows)


def gap_table(curves: Curves, against: str, rng: np.random.Generator) -> str:
    """Bandit less another method, in points of macro-F1: at 20, 50 and 100 labels, and over the whole curve."""
    rows = []
    for name, tables in {**{name: [name] for name in curves}, "mean of all": [*curves]}.items():
        gaps = [curves[t]["bandit"] - curves[t][against] for t in tables]
        at = [signed(interval([gap[:, n // BATCH - 1] for gap in gaps], rng)) for n in (20, 50, 100)]
        rows.append([name, *at, signed(interval([gap.mean(axis=1) for gap in gaps], rng))])
    return markdown(
        [f"bandit − {against}", "20 labels", "50 labels", "100 labels", "mean of 10 to 100"], rows
    )


def mean_table(curves: Curves) -> str:
    """Macro-F1 at 10, 20, ... labels, mean over tables."""
    shown = range(BATCH, LABELS + 1, BATCH)
    rows = [
        [m, *(f"{v:.3f}" for v in np.mean([curves[t][m].mean(axis=0) for t in curves], axis=0))]
        for m in next(iter(curves.values()))
    ]
    return markdown(["mean of tables", *map(str, shown)], rows)


def plot(curves: Curves, path: Path) -> None:
    """Draw the mean curves of every table."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, 3, figsize=(12, 10), sharex=True, layout="constrained")
    x = np.arange(BATCH, LABELS + 1, BATCH)
    for axis, (name, by_method) in zip(axes.flat, curves.items(), strict=False):
        for method in by_method:
            strong = method == "bandit"
            style = {"color": "black", "linewidth": 2.5} if strong else {"linewidth": 1.2}
            axis.plot(x, by_method[method].mean(axis=0), label=method, zorder=3 if strong else 2, **style)
        axis.set_title(name, fontsize=10)
        axis.grid(alpha=0.3)
    figure.supxlabel("labels")
    figure.supylabel("macro-F1 on groups held out")
    figure.legend(
        *axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, help="folder of sample tables")
    parser.add_argument("--models", type=Path, help="folder of leave_files_out.py; surco-nano if left out")
    parser.add_argument("--cache", type=Path, default=Path("scratch/next_label"), help="folder for vectors")
    parser.add_argument("--runs", type=int, default=20, help="of each table")
    parser.add_argument(
        "--methods", nargs="+", default=METHODS, choices=METHODS, help="random first, bandit last"
    )
    parser.add_argument("--plot", type=Path, help="picture to write")
    parser.add_argument("--json", type=Path, help="file for every score of every run")
    args = parser.parse_args(argv)
    prior, curves, arms = shipped_prior(), {}, {}
    for table in read_tables(args.samples, args.models, args.cache):
        curves[table.name], arms[table.name] = evaluate(table, args.runs, prior, args.methods)
        print(f"{table.name} done", flush=True)
        if args.json:
            plain = {
                name: {m: c.round(5).tolist() for m, c in found.items()} for name, found in curves.items()
            }
            args.json.write_text(json.dumps({"curves": plain, "arms": arms}))
    rng = np.random.default_rng(SEED)
    print(mean_table(curves), reach_table(curves), sep="\n\n")
    for against in args.methods[:-1]:
        print("\n" + gap_table(curves, against, rng))
    for number in range(LABELS // BATCH):
        taken = [each[number] for runs in arms.values() for each in runs]
        print(f"round {number + 1}:", {arm: taken.count(arm) for arm in ARMS if arm in taken})
    if args.plot:
        plot(curves, args.plot)


if __name__ == "__main__":
    main()
