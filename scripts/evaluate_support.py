"""How well an adapter knows a class that nobody labelled: one class of each task is left out, and must look strange.

    python scripts/evaluate_support.py --model scratch/left_out --draws 10

Prints, by labels a class, the area under the ROC curve of `support` and of the largest probability (known classes
against the one left out), and how many places of either kind fall below a support of 0.05. Tables, encoders and spatial
halves are those of compare_heads.py.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from encoder_scores import markdown
from encoder_sources import encoders
from head_tables import NO_CLASS, read_tables, vector_table
from sklearn.metrics import roc_auc_score

from surco.adapters import CropTypeAdapter, LabelledTable, LabelsError, LocalScatter, draw_tasks
from surco.adapters.meta_tasks import Task

STRANGE = 0.05


def without_one(table: LabelledTable, task: Task, pool: LocalScatter, left: int) -> tuple[float, ...] | None:
    """AUC of support and of the largest probability, and shares below 0.05; None where no labels could be held out."""
    kept = task.train_codes != left
    rows = task.train[kept]
    adapter = CropTypeAdapter().fit(
        table.vectors[rows], task.train_codes[kept], groups=table.groups[rows], pool=pool
    )
    asked, known = table.vectors[task.test], task.test_codes != left
    try:
        support = adapter.support(asked)
    except LabelsError:
        return None
    sure = adapter.predict_proba(asked).max(axis=1)
    return (
        float(roc_auc_score(known, support)),
        float(roc_auc_score(known, sure)),
        float((support[known] < STRANGE).mean()),
        float((support[~known] < STRANGE).mean()),
    )


def main() -> None:
    """Run the tasks and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=Path, default=Path("../shared/data/samples"))
    parser.add_argument("--model", default="surco-nano")
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--draws", type=int, default=10)
    args = parser.parse_args()
    series = read_tables(args.samples)
    by_table = encoders(args.model, list(series))
    found: dict[int, dict[str, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    for name, one in series.items():
        table = vector_table(name, one, by_table[name])
        pool = LocalScatter.of(table.vectors)
        for shots in args.shots:
            rng = np.random.default_rng([1, shots])
            for number, task in enumerate(draw_tasks(table, shots, args.draws, rng, NO_CLASS)):
                scores = without_one(table, task, pool, number % len(task.classes))
                if scores is not None:
                    found[shots][name].append(scores)
        print(f"{name}: done", flush=True)
    rows = []
    for shots, tables in found.items():
        mean = np.mean([np.mean(v, axis=0) for v in tables.values()], axis=0)
        rows.append(
            [str(shots), f"{sum(map(len, tables.values()))} in {len(tables)}", *(f"{v:.3f}" for v in mean)]
        )
    head = [
        "labels a class",
        "tasks in tables",
        "AUC support",
        "AUC probability",
        "known below",
        "unknown below",
    ]
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
