"""Vectors against raw bands with spatial blocks, for any encoders and any sample tables; prints Markdown tables.

    python scripts/evaluate_encoder.py ../shared/data/samples/*.parquet --model surco-nano presto
    python scripts/evaluate_encoder.py ../shared/data/samples/*.parquet --model scratch/left_out --measure all

A model is a name that `surco embed --model` knows, or a folder of `leave_files_out.py`: each table is scored by the
model that has not seen it. Each episode splits the spatial groups in two halves, draws `shots` labels a class from one
half and scores on the other; the same episodes serve every method. Raw scores are kept in `--cache`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from encoder_few_shot import MAIN, RawCache, Table, gain_table, mean_table, raw_scores, vector_scores
from encoder_gaps import half_seasons, halves_table, missing_sensors, sensors_table
from encoder_retrieval import chance_precisions, raw_precisions, retrieval_table, vector_precisions
from encoder_sources import encode, encoders, seen_in_training

from surco.encoder import Encoder, EncoderError, read_samples

UNLABELLED = {"", "Unknown", "unknown"}
MEASURES = ("f1", "retrieval", "sensors", "seasons")
CACHE = Path("scratch/raw_baselines.json")
Encoders = Mapping[str, Mapping[str, Encoder]]


def episodes(
    label: np.ndarray, group: np.ndarray, shots: int, n: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers of (train, test) for n random tasks with disjoint spatial groups."""
    rng = np.random.default_rng(seed)
    names = np.unique(group)
    made = 0
    for _ in range(50 * n):
        if made == n:
            return
        half = np.isin(group, rng.permutation(names)[: len(names) // 2])
        train, test = [], []
        for c in np.setdiff1d(np.unique(label), list(UNLABELLED)):
            a, b = np.flatnonzero(half & (label == c)), np.flatnonzero(~half & (label == c))
            if len(a) >= shots and len(b) >= 3:
                train.append(rng.permutation(a)[:shots])
                test.append(rng.permutation(b)[:100])
        if len(train) >= 3:
            made += 1
            yield np.concatenate(train), np.concatenate(test)


def read_table(path: Path, shots: Sequence[int], n: int, seed: int) -> Table:
    """A sample table with its tasks; rows without any value, or of an unknown class, count as unlabelled.

    Raises:
        SamplesError: see `read_samples`.
    """
    series = read_samples(path)
    known = series.valid.any(axis=(1, 2)) & ~np.isin(series.label.astype(str), list(UNLABELLED))
    label = np.where(known, series.label.astype(str), "")
    tasks = {k: list(episodes(label, series.group, k, n, seed)) for k in shots}
    return Table(path.stem, series, label, tasks)


def measure_f1(
    tables: Sequence[Table], models: Encoders, cache: RawCache, seed: int, only: Sequence[str] | None = None
) -> tuple[dict[str, Any], str]:
    """Macro-F1 at each number of labels, as JSON values and as Markdown."""
    raw = raw_scores(tables, cache, seed)
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for model, by_table in models.items():
        for table in tables:
            vectors = encode(by_table[table.name], table.series)
            for variant, scores in vector_scores(table, vectors, seed, only and [*only, MAIN]).items():
                found.setdefault(model, {}).setdefault(variant, {}).update(scores)
    shots = list(tables[0].tasks)
    text = f"{mean_table(found, raw, shots)}\n\n{gain_table(found, raw, shots)}"
    return {"raw": raw, "vectors": found}, text


def measure_retrieval(
    tables: Sequence[Table], models: Encoders, n: int, seed: int
) -> tuple[dict[str, Any], str]:
    """Mean average precision of same-class search, as JSON values and as Markdown."""
    rows: dict[tuple[str, str], dict[str, list[float]]] = {}
    for table in tables:
        rows.setdefault(("chance", ""), {})[table.name] = chance_precisions(table, n, seed)
        rows.setdefault(("raw bands", "standardised, cosine"), {})[table.name] = raw_precisions(
            table, n, seed
        )
        for model, by_table in models.items():
            vectors = encode(by_table[table.name], table.series)
            for measure, values in vector_precisions(table, vectors, n, seed).items():
                rows.setdefault((model, measure), {})[table.name] = values
    plain = {f"{vectors}, {measure}": by_table for (vectors, measure), by_table in rows.items()}
    return plain, retrieval_table(rows)


def measurements(
    tables: Sequence[Table], models: Encoders, args: argparse.Namespace
) -> dict[str, Callable[[], tuple[dict[str, Any], str]]]:
    """What can be measured, by name."""
    cache = RawCache(args.cache)
    return {
        "f1": lambda: measure_f1(tables, models, cache, args.episode_seed, args.form),
        "retrieval": lambda: measure_retrieval(tables, models, args.halves, args.episode_seed),
        "sensors": lambda: sensors_table(missing_sensors(tables, models, cache, args.episode_seed)),
        "seasons": lambda: halves_table(half_seasons(tables, models)),
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of every script that scores encoders."""
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--episodes", type=int, default=15)
    parser.add_argument("--halves", type=int, default=10, help="random spatial halves of retrieval")
    parser.add_argument("--episode-seed", type=int, default=0, help="of the draws of labels and halves")
    parser.add_argument("--form", nargs="+", help=f"only these forms of vectors, beside `{MAIN}`")
    parser.add_argument("--cache", type=Path, default=CACHE, help="JSON file of scores on raw bands")
    parser.add_argument("--json", type=Path, help="file for every score of every episode")


def main(argv: Sequence[str] | None = None) -> None:
    """Print a Markdown table a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", nargs="+", type=Path)
    parser.add_argument("--model", nargs="+", default=["surco-nano"])
    parser.add_argument("--measure", nargs="+", default=["f1", "retrieval"], choices=(*MEASURES, "all"))
    add_options(parser)
    args = parser.parse_args(argv)
    try:
        report(args, MEASURES if "all" in args.measure else args.measure)
    except EncoderError as error:
        parser.error(str(error))


def report(args: argparse.Namespace, wanted: Sequence[str]) -> None:
    """Measure `args.model` on `args.samples`, print, and write down.

    Raises:
        EncoderError: a table or model that cannot be used.
    """
    tables = [read_table(path, args.shots, args.episodes, args.episode_seed) for path in args.samples]
    models = {name: encoders(name, [t.name for t in tables]) for name in args.model}
    for name, by_table in models.items():
        if seen := seen_in_training(by_table, [t.name for t in tables]):
            print(f"{name} was trained on {', '.join(seen)}: its figures there are no test.\n")
    known = measurements(tables, models, args)
    plain: dict[str, Any] = {
        "samples": [t.name for t in tables],
        "episodes": args.episodes,
        "seed": args.episode_seed,
    }
    for name in wanted:
        plain[name], text = known[name]()
        print(f"{text}\n", flush=True)
        if args.json:
            args.json.write_text(json.dumps(plain, indent=1) + "\n")


if __name__ == "__main__":
    main()
