"""Is fine-tuning the encoder worth it? Frozen vectors beside tuned ones, with and without meta-training.

    python scripts/compare_finetune.py ../shared/data/samples --models scratch/left_out --out scratch/finetune

`--models` is a folder of `leave_files_out.py`: each table is scored by an encoder that has not seen it, and an
initialisation is meta-trained without it too. Tasks are those of `evaluate_encoder.py` (spatial halves). After tuning,
all rows are encoded anew, rounded to int8 as in a store, and `CropTypeAdapter` learns from the labels. Every score is
kept in `--out`; a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from encoder_few_shot import Table
from encoder_scores import Estimate, estimate, filled, markdown, points, stored
from encoder_sources import encode, encoders
from evaluate_encoder import read_table
from meteor_net import scratch_guess
from sklearn.metrics import f1_score

from surco.adapters import CropTypeAdapter
from surco.encoder import EncoderError, SampleSeries, read_samples
from surco.encoder.checkpoint import save_checkpoint
from surco.encoder.finetune import MetaConfig, fine_tune, meta_train_encoder, simulated_sources, table_source
from surco.encoder.finetune.tasks import labelled_task
from surco.encoder.surco_encoder import SurcoEncoder

FROZEN = "frozen"
Guess = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Method:
    """Weights that are started from ("" the encoder's own, else how they were meta-trained) and what is tuned."""

    init: str = ""
    update: str = ""
    most_shots: int = 1000


METHODS = {
    FROZEN: Method(),
    "tuned, last layer": Method(update="last"),
    "tuned, heads": Method(update="head"),
    "tuned, all": Method(update="all"),
    "MAML, frozen": Method("maml"),
    "MAML, tuned, all": Method("maml", "all", 20),
    "ANIL, tuned, last layer": Method("anil", "last", 20),
    "Reptile, tuned, all": Method("reptile", "all", 20),
    "episodes only, frozen": Method("control"),
}
SCRATCH = "small net from scratch"
META = {
    "maml": MetaConfig(steps=40),
    "anil": MetaConfig(steps=40),
    "reptile": MetaConfig(steps=40),
    "control": MetaConfig(steps=40, inner_steps=0),
}


def initialisation(samples: Path, encoder: SurcoEncoder, name: str, out: Path) -> SurcoEncoder:
    """The encoder meta-trained without the tables that it has not seen; kept in `out`."""
    path = out / f"{name}_{encoder.model_id}.safetensors"
    if not path.is_file():
        left_out = encoder.card.get("left_out", ())
        tables = [p for p in sorted(samples.glob("*.parquet")) if p.stem not in left_out]
        sources = [table_source(p.stem, read_samples(p)) for p in tables]
        sources += simulated_sources(2000, 5)
        began = time.process_time()
        method = "maml" if name == "control" else name
        trained = meta_train_encoder(encoder, sources, method=method, config=META[name])
        card = {**trained.card, "seconds": round(time.process_time() - began)}
        save_checkpoint(path, trained.model, card)
        print(f"{path.name}: {card['seconds']} s, {card['tuned'][-1]['query_loss']}", flush=True)
    return SurcoEncoder(path, "cpu")


def rows_of(series: SampleSeries, rows: np.ndarray) -> SampleSeries:
    """Some rows of a table."""
    return SampleSeries(**{f.name: getattr(series, f.name)[rows] for f in fields(series)})


def adapter_guess(encoder: SurcoEncoder, table: Table, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Classes of the test rows by the adapter on the encoder's vectors as a store holds them."""
    rows = np.concatenate([train, test])
    vectors = stored(filled(encode(encoder, rows_of(table.series, rows))))
    adapter = CropTypeAdapter().fit(
        vectors[: len(train)], table.label[train], groups=table.series.group[train]
    )
    return adapter.predict(vectors[len(train) :])


def tuned_guess(
    encoder: SurcoEncoder, method: Method, table: Table, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, int]:
    """Classes of the test rows after tuning on the labels, and the steps taken."""
    known, steps = rows_of(table.series, train), 0
    if method.update:
        tuned = fine_tune(encoder, known, table.label[train], known.group, update=method.update)
        steps = 0 if tuned is encoder else tuned.card["tuned"][-1]["steps"]
        encoder = tuned
    return adapter_guess(encoder, table, train, test), steps


def scratch(
    encoder: SurcoEncoder, table: Table, train: np.ndarray, test: np.ndarray, seed: int
) -> np.ndarray:
    """Classes of the test rows by the network from scratch; a row without any value is a class of its own."""
    label = table.label[train]
    tasks = [
        labelled_task(
            rows_of(table.series, r),
            list(table.label[r]),
            None,
            encoder.model.config,
            encoder.arithmetic.device,
        )
        for r in (train, test)
    ]
    return np.unique(label)[scratch_guess(tasks[0][0], tasks[1][0], seed)]


def macro_f1(table: Table, test: np.ndarray, guess: np.ndarray) -> float:
    """Macro-F1 over the classes tested."""
    truth = table.label[test]
    return float(f1_score(truth, guess, average="macro", labels=np.unique(truth), zero_division=0))


def scored(
    table: Table,
    weights: dict[str, SurcoEncoder],
    wanted: Sequence[str],
    done: set[tuple[str, int, int, str]],
) -> Iterator[dict[str, object]]:
    """One score a method and task, with the seconds of one thread that learning and encoding took."""
    for shots, tasks in table.tasks.items():
        for number, (train, test) in enumerate(tasks):
            for name in wanted:
                method = METHODS.get(name, Method())
                if shots > method.most_shots or (table.name, shots, number, name) in done:
                    continue
                began = time.process_time()
                if name == SCRATCH:
                    guess, steps = scratch(weights[""], table, train, test, number), 0
                else:
                    guess, steps = tuned_guess(weights[method.init], method, table, train, test)
                yield {
                    "table": table.name,
                    "shots": shots,
                    "draw": number,
                    "method": name,
                    "f1": macro_f1(table, test, guess),
                    "seconds": time.process_time() - began,
                    "steps": steps,
                }


def print_tables(rows: Sequence[dict]) -> None:
    """Mean macro-F1, paired differences to frozen vectors, seconds and steps by labels a class; then by table."""
    found: dict[tuple[int, str], dict[str, dict[int, dict]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row["shots"], row["method"]][row["table"]][row["draw"]] = row
    for shots in sorted({k for k, _ in found}):
        base = found[shots, FROZEN]
        lines = []
        for k, name in found:
            if k == shots:
                lines.append([name, *_cells(found[k, name], base)])
        draws = sum(map(len, base.values()))
        print(f"\n{shots} labels a class, {draws} tasks of {len(base)} tables\n")
        print(
            markdown(
                ["method", "macro-F1", "− frozen", "seconds a task", "steps", "− frozen by table"], lines
            )
        )


def _cells(ours: dict[str, dict[int, dict]], base: dict[str, dict[int, dict]]) -> list[str]:
    gaps = {t: [d[i]["f1"] - base[t][i]["f1"] for i in d if i in base[t]] for t, d in ours.items()}
    every = [row for d in ours.values() for row in d.values()]
    gap: Estimate = estimate(list(gaps.values()))
    return [
        points(float(np.mean([np.mean([r["f1"] for r in d.values()]) for d in ours.values()]))),
        gap.signed(),
        f"{np.mean([r['seconds'] for r in every]):.1f}",
        f"{np.mean([r['steps'] for r in every]):.0f}",
        ", ".join(f"{t.split('_')[0]} {points(float(np.mean(g)), '+')}" for t, g in gaps.items()),
    ]


def compare(args: argparse.Namespace) -> None:
    """Score what is not there yet and print the tables."""
    paths = [args.samples / f"{name}.parquet" for name in args.tables]
    by_table = encoders(str(args.models), args.tables)
    kept = args.out / "scores.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    done = {(r["table"], r["shots"], r["draw"], r["method"]) for r in rows}
    inits = {METHODS[name].init for name in args.methods if name in METHODS}
    with kept.open("a") as file:
        for path in paths:
            table = read_table(path, args.shots, args.draws, args.seed)
            encoder = by_table[table.name]
            weights = {name: initialisation(args.samples, encoder, name, args.out) for name in inits if name}
            for row in scored(table, {"": encoder, **weights}, args.methods, done):
                rows.append(row)
                file.write(json.dumps(row) + "\n")
                file.flush()
            print(f"{table.name} done", flush=True)
    print_tables([r for r in rows if r["shots"] in args.shots and r["method"] in args.methods])


def main(argv: Sequence[str] | None = None) -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*METHODS, SCRATCH]
    tables = [
        "flanders_2018", "chile_maule_2020", "france_2023", "corsica_2022", "east_africa_2017", "world_500",
    ]  # fmt: skip
    parser.add_argument("samples", type=Path)
    parser.add_argument("--models", type=Path, default=Path("scratch/left_out"))
    parser.add_argument("--out", type=Path, default=Path("scratch/finetune"))
    parser.add_argument("--tables", nargs="+", default=tables)
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the draws of labels and halves")
    parser.add_argument("--methods", nargs="+", choices=names, default=names)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        compare(args)
    except EncoderError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
