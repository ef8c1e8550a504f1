"""Change some labels on purpose and see whether they are the first suspects.

    python scripts/evaluate_suspects.py ../shared/data/samples/*.parquet --rates 0.05 0.1 0.2 --draws 2

Of each table's labels (classes of ten or more, 500 rows drawn) a share is changed: to any other class ("any"), or to
one of the two classes whose mean vector is nearest ("near"). Printed a rate and kind, averaged over tables: share of
changed labels among as many first suspects as were changed, and the area under the ROC curve; beside our score the
parts it is made of ("own probability" and "margin" held out, "plain margin" of one fit on all labels) and the share of
the ten nearest labels of other groups that agree. "flagged": flagged labels by changed ones, and how often the likely
class is the true one. `synthetic` are unit vectors around eight centres in twelve groups. The shipped encoder was
trained on these tables: its figures say how scores compare, not how good they are on labels it has never seen; those of
`synthetic`, of raw bands (`--raw`) and of a folder of `leave_files_out.py` (`--model`) do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from surco.adapters import CropTypeAdapter
from surco.adapters.suspects import rank_suspects
from surco.encoder import SampleSeries, load_encoder, read_samples

ROWS, LEAST, NEIGHBOURS = 500, 10, 10
METHODS = ("ours", "own probability", "margin", "plain margin", "neighbours")


@dataclass(frozen=True)
class Task:
    """Vectors (N, D), true classes (N,) as whole numbers, spatial groups (N,)."""

    name: str
    X: np.ndarray
    codes: np.ndarray
    groups: np.ndarray


def tables(paths: Sequence[Path], model: str, raw: bool) -> Iterator[Task]:
    """A task a table, on the encoder's vectors or on raw bands (gaps filled with the band's mean)."""
    for path in paths:
        encoder = None if raw else load_encoder(_model_of(model, path.stem))
        series = read_samples(path)
        X = _bands(series) if encoder is None else encoder.encode(
            series.values, series.valid, series.dates, series.lonlat, series.static
        )  # fmt: skip
        names, count = np.unique(series.label, return_counts=True)
        common = [name for name, n in zip(names, count, strict=True) if n >= LEAST and name != "Unknown"]
        rows = np.flatnonzero(np.isin(series.label, common) & np.isfinite(X).all(axis=1))
        rows = np.random.default_rng(0).permutation(rows)[:ROWS]
        codes = np.unique(np.asarray(series.label)[rows], return_inverse=True)[1]
        yield Task(
            path.stem, X[rows], codes, np.unique(np.asarray(series.group)[rows], return_inverse=True)[1]
        )


def _model_of(model: str, table: str) -> str:
    """The model itself, or of a folder of `leave_files_out.py` the one that has not seen the table."""
    if not Path(model).is_dir():
        return model
    (found,) = [path for path in Path(model).glob("without_*.safetensors") if table in path.stem]
    return str(found)


def _bands(series: SampleSeries) -> np.ndarray:
    flat = np.where(series.valid, series.values, np.nan).reshape(len(series.label), -1)
    flat = flat[:, np.isfinite(flat).any(axis=0)]
    return np.where(np.isfinite(flat), flat, np.nanmean(flat, axis=0)).astype(np.float32)


def synthetic(n: int = 480, classes: int = 8, seed: int = 0) -> Task:
    """Unit vectors around centres, some of them near each other, in twelve groups."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes // 2, 64)).repeat(2, axis=0) + rng.normal(size=(classes, 64)) * 0.6
    codes = np.arange(n) % classes
    X = centres[codes] + rng.normal(size=(n, 64)) * 1.2
    return Task(
        "synthetic",
        (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32),
        codes,
        np.arange(n) // classes % 12,
    )


def changed(task: Task, rate: float, near: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels after a share was changed, and which were."""
    rng = np.random.default_rng(seed)
    n, k = len(task.codes), int(task.codes.max()) + 1
    bad = np.zeros(n, bool)
    bad[rng.permutation(n)[: max(1, round(rate * n))]] = True
    means = np.stack([task.X[task.codes == c].mean(axis=0) for c in range(k)])
    distance = ((means[:, None] - means) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    order = distance.argsort(axis=1)[:, : min(2, k - 1) if near else k - 1]
    out = task.codes.copy()
    out[bad] = [rng.choice(order[c]) for c in task.codes[bad]]
    return out, bad


def scores(task: Task, labels: np.ndarray, raw: bool) -> tuple[dict[str, np.ndarray], int, np.ndarray]:
    """A score (N,) by method, the smaller the more suspicious; how many are flagged; the likeliest other class."""
    judge = CropTypeAdapter(scaling="each" if raw else "common")
    found = rank_suspects(task.X, labels, groups=task.groups, adapter=judge, folds=5)
    out = {name: np.full(len(labels), np.inf) for name in METHODS}
    likely = labels.copy()
    for one in found.ranked:
        row = int(one.feature)
        likely[row] = int(one.likely)
        out["ours"][row] = one.score
        out["own probability"][row] = one.given_probability
        out["margin"][row] = one.given_probability - one.likely_probability
        out["plain margin"][row] = one.margin
    unit = task.X / np.maximum(np.linalg.norm(task.X, axis=1, keepdims=True), 1e-12)
    likeness = np.where(task.groups[:, None] == task.groups, -2.0, unit @ unit.T)
    near = np.argpartition(-likeness, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    out["neighbours"] = (labels[near] == labels[:, None]).mean(axis=1)
    return out, found.flagged, likely


def measure(task: Task, rate: float, near: bool, seed: int, raw: bool) -> dict[str, tuple[float, float]]:
    """Precision and AUC by method; under "flagged" flagged by changed labels, and likely classes that are right."""
    labels, bad = changed(task, rate, near, seed)
    by_method, flagged, likely = scores(task, labels, raw)
    out = {}
    for name, score in by_method.items():
        finite = np.nan_to_num(score, posinf=1e9)
        first = np.argsort(finite, kind="stable")[: bad.sum()]
        out[name] = (float(bad[first].mean()), float(roc_auc_score(bad, -finite)))
    right = (likely[bad] == task.codes[bad]).mean()
    return out | {"flagged": (flagged / bad.sum(), float(right))}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, nargs="*")
    parser.add_argument("--model", default="surco-nano", help="or a folder of models without tables")
    parser.add_argument("--raw", action="store_true", help="raw bands instead of vectors")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--seed", type=int, default=300)
    args = parser.parse_args(argv)
    tasks = [synthetic(), *tables(args.samples, args.model, args.raw)]
    for near in (False, True):
        for rate in args.rates:
            found = {
                task.name: [
                    measure(task, rate, near, args.seed + draw, args.raw) for draw in range(args.draws)
                ]
                for task in tasks
            }
            print(f"\n{'near' if near else 'any'} {rate:.0%}  (precision, AUC; real tables | synthetic)")
            for method in (*METHODS, "flagged"):
                by_task = {
                    name: np.mean([one[method] for one in draws], axis=0) for name, draws in found.items()
                }
                own = by_task.pop("synthetic")
                real = np.mean(list(by_task.values()), axis=0) if by_task else np.full(2, np.nan)
                print(f"  {method:16} {real[0]:.3f} {real[1]:.3f} | {own[0]:.3f} {own[1]:.3f}", flush=True)


if __name__ == "__main__":
    main()
