"""The ablation table: one choice of the recipe changed at a time, each scored on tables its models have not seen.

    python scripts/ablate.py ../shared/data/samples --out scratch/ablation --steps 600
    python scripts/ablate.py ../shared/data/samples --out scratch/ablation --steps 600 --only full "dimension 32"
    python scripts/ablate.py ../shared/data/samples --out scratch/ablation --steps 600 --add "width 192" model.width=192

Each configuration is trained as `leave_files_out.py` does, and scored as `evaluate_encoder.py` does: logistic
regression on int8 vectors, and cosine search. Each row is kept in a file of `--out`: one that is there is not made
again unless recipe, code or episodes have changed, so that several processes may share the work by `--only`, and the
same command without it prints the whole table. `--set` and the other options of the recipe change every row.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from encoder_few_shot import MAIN, RawCache, Table, labels, of_shots, raw_scores, vector_scores
from encoder_recipes import Recipe, SettingError, add_recipe_options, changed, recipe_of
from encoder_retrieval import vector_precisions
from encoder_scores import estimate, markdown
from encoder_sources import encode, encoders
from evaluate_encoder import add_options, read_table
from leave_files_out import PAIRS, code_digest, train_all

from surco.encoder import EncoderError
from surco.encoder.pretrain import PretrainConfig

FULL = "full"
OBJECTIVES = ("reconstruct", "agree", "classify", "episode", "spread", "uniform", "lesson")
"""Weights of objectives; one that the config does not have, or that is 0 in it, is passed over."""


@dataclass(frozen=True)
class Change:
    """What a configuration does to the recipe."""

    settings: tuple[str, ...] = ()
    simulated: bool = True
    real: bool = True
    real_labels: bool = True
    teacher: bool = True

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with the change.

        Raises:
            SettingError: a setting that is none.
        """
        return replace(
            recipe,
            config=changed(recipe.config, self.settings),
            simulated=recipe.simulated if self.simulated else 0,
            real=recipe.real and self.real,
            real_labels=recipe.real_labels and self.real_labels,
            teacher=recipe.teacher if self.teacher else None,
        )


def configurations(config: PretrainConfig) -> dict[str, Change]:
    """Every configuration of the table by name, for the objectives that this config has."""
    known = {f.name: getattr(config, f.name) for f in fields(config)}
    without = {f"without {name}": Change((f"{name}=0",)) for name in OBJECTIVES if known.get(name)}
    return {
        FULL: Change(),
        "another seed": Change((f"seed={config.seed + 1}",)),
        **without,
        "no teacher": Change(teacher=False),
        "no real labels": Change(real_labels=False),
        "no simulated series": Change(simulated=False),
        "no real series": Change(real=False),
        **dict(_dimensions(config)),
        "hidden 0.5": Change(("hidden=0.5",)),
        "no thinned view": Change(("thinned=0",)),
        "no prefixes": Change((f"prefixes=({config.model.learned},)",)),
    }


def _dimensions(config: PretrainConfig) -> Iterator[tuple[str, Change]]:
    """Other lengths of the vector."""
    for length in (16, 32, 64, 128):
        if length != config.model.dimension:
            yield f"dimension {length}", Change((f"model.dimension={length}",))


def chosen(args: argparse.Namespace, config: PretrainConfig) -> dict[str, Change]:
    """The configurations that the options ask for.

    Raises:
        SettingError: `--only` names one that is none.
    """
    known = configurations(config)
    added = {name: Change(tuple(settings)) for name, *settings in args.add}
    known |= added
    if wrong := [name for name in args.only or () if name not in known]:
        raise SettingError(
            f"Expected configurations of {', '.join(known)}; got {', '.join(wrong)}. Name these, or --add one."
        )
    return {name: known[name] for name in ([*args.only, *added] if args.only else known)}


def scored(tables: Sequence[Table], folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Macro-F1 of every task by `table shots`, and mean average precision of every half by table."""
    f1: dict[str, list[float]] = {}
    precision = {}
    for name, encoder in encoders(str(folder), [t.name for t in tables]).items():
        table = next(t for t in tables if t.name == name)
        vectors = encode(encoder, table.series)
        f1 |= vector_scores(table, vectors, args.episode_seed, (MAIN,))[MAIN]
        found = vector_precisions(table, vectors, args.halves, args.episode_seed)
        precision[name] = found["cosine"]
    return {"f1": f1, "map": precision}


def row_of(name: str, recipe: Recipe, tables: Sequence[Table], args: argparse.Namespace) -> dict[str, Any]:
    """A configuration's row, from its file where it is there, else trained, scored and written.

    Raises:
        EncoderError: tables that cannot be used.
    """
    folder: Path = args.out / re.sub(r"[^\w.]+", "_", name)
    path = folder.with_name(f"{folder.name}.json")
    facts = {
        "recipe": recipe.plain(),
        "code": code_digest(),
        "episodes": [args.episodes, args.halves, args.episode_seed, args.shots],
    }
    row: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    if all(row.get(key) == value for key, value in facts.items()):
        print(f"{name}: there already", file=sys.stderr, flush=True)
        return row
    began = time.monotonic()
    train_all(args.samples, PAIRS, recipe, folder)
    row = {**facts, **scored(tables, folder, args), "seconds": round(time.monotonic() - began)}
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(row, indent=1) + "\n")
    part.replace(path)
    print(f"{name}: {row['seconds']} s", file=sys.stderr, flush=True)
    return row


def table_of(rows: dict[str, Any], raw: dict[str, list[float]], shots: Sequence[int]) -> str:
    """Means over tables; in brackets behind them the paired difference to the full recipe with its interval."""
    base = rows.get(FULL)
    lines = []
    for name, row in rows.items():
        compared = base if name != FULL else None
        cells = [_cell(of_shots(row["f1"], k), compared and of_shots(compared["f1"], k)) for k in shots]
        cells.append(_cell(row["map"], compared and compared["map"]))
        lines.append([name, *cells])
    best = [_cell(of_shots(raw, k), base and of_shots(base["f1"], k)) for k in shots]
    lines.append(["best on raw bands", *best, ""])
    return markdown(["configuration", *(labels(k) for k in shots), "mAP"], lines)


def _cell(values: dict[str, list[float]], base: dict[str, list[float]] | None) -> str:
    mean = estimate(list(values.values()))
    if not base:
        return mean.plain()
    difference = estimate([list(np.subtract(v, base[name])) for name, v in values.items()])
    return f"{mean.plain().split(' ')[0]} ({difference.signed()})"


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, help="folder of sample tables")
    parser.add_argument("--out", type=Path, default=Path("scratch/ablation"))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these configurations")
    parser.add_argument(
        "--add", nargs="+", action="append", default=[], metavar=("NAME", "SETTING"), help="one more"
    )
    add_recipe_options(parser)
    add_options(parser)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        changes = chosen(args, recipe_of(args).config)
        paths = [args.samples / f"{name}.parquet" for pair in PAIRS for name in pair]
        tables = [read_table(path, args.shots, args.episodes, args.episode_seed) for path in paths]
        recipes = {name: change.applied(recipe_of(args)) for name, change in changes.items()}
        rows = {name: row_of(name, recipe, tables, args) for name, recipe in recipes.items()}
        raw = raw_scores(tables, RawCache(args.cache), args.episode_seed)
        print(table_of(rows, raw, args.shots))
    except EncoderError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
