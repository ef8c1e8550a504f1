"""Train the recipe without some of the tables, then score each table by the model that has not seen it.

    python scripts/leave_files_out.py ../shared/data/samples --out scratch/left_out --steps 1200 --simulated 15000
    python scripts/leave_files_out.py ../shared/data/samples --out scratch/d32 --set model.dimension=32
    python scripts/evaluate_encoder.py ../shared/data/samples/*.parquet --model scratch/left_out --measure all

Three models, each without two tables (`--one-by-one`: one model a table), are kept in `--out`. A model that is there is
not trained again unless the recipe or the code of training has changed; a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from encoder_recipes import Recipe, SettingError, add_recipe_options, recipe_of
from evaluate_encoder import add_options, report

import surco.encoder
from surco.encoder import EncoderError, load_encoder
from surco.encoder.checkpoint import save_checkpoint
from surco.encoder.pretrain import Dataset, read_corpora, simulated_corpora, train

PAIRS = (
    ("chile_maule_2020", "corsica_2022"),
    ("france_2023", "flanders_2018"),
    ("east_africa_2017", "world_500"),
)
"""Tables that are left out together."""


@cache
def code_digest() -> str:
    """Digest of the code that decides a model, without comments and docstrings."""
    room = Path(surco.encoder.__file__).parent
    paths = [room / "model.py", *sorted(room.glob("pretrain/*.py")), *sorted(room.glob("simulate/*.py"))]
    return hashlib.sha256("".join(_code(path) for path in paths).encode()).hexdigest()[:16]


def _code(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [
                s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
            ]  # type: ignore[attr-defined]
    return ast.dump(tree)


@lru_cache(maxsize=1)
def _simulated(series: int, seed: int) -> tuple[Dataset, ...]:
    return tuple(simulated_corpora(series, seed)) if series else ()


def corpora(samples: Path, left_out: Sequence[str], recipe: Recipe) -> list[Dataset]:
    """What a model is trained on.

    Raises:
        SamplesError: no tables there, or none of a name that is to be left out.
    """
    real = read_corpora(samples, left_out)
    if not recipe.real_labels:
        real = [replace(d, label=np.full_like(d.label, -1), classes=()) for d in real]
    return [*(real if recipe.real else ()), *_simulated(recipe.simulated, recipe.config.seed)]


def train_without(samples: Path, left_out: Sequence[str], recipe: Recipe, out: Path) -> bool:
    """Train one model into `out`, with a card that names what it has not seen; False where it was there already.

    Raises:
        EncoderError: tables that cannot be used.
    """
    wanted = {"left_out": list(left_out), "recipe": recipe.plain(), "code": code_digest()}
    path = out / f"without_{'+'.join(left_out)}.safetensors"
    card_path = path.with_suffix(".json")
    if path.is_file() and card_path.is_file():
        card = json.loads(card_path.read_text())
        if {key: card.get(key) for key in wanted} == wanted:
            return False
    out.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:12]
    state = out / f"{path.stem}.{name}.state"
    began = time.monotonic()
    datasets = corpora(samples, left_out, recipe)
    teacher = load_encoder(recipe.teacher) if recipe.teacher else None
    answers = path.parent.parent / "teacher"
    result = train(recipe.config, datasets, _progress(path.stem), teacher=teacher, cache=answers, state=state)
    losses = {k: round(float(np.mean(v[-100:])), 4) for k, v in result.history.items()}
    seconds = round(time.monotonic() - began)
    data = {d.name: len(d.label) for d in datasets}
    card = {"model_id": name, **wanted, "data": data, "final_loss": losses, "seconds": seconds}
    save_checkpoint(path, result.model, card)
    state.unlink(missing_ok=True)
    return True


def _progress(name: str, every: int = 200) -> Callable[[int, int, str], None]:
    def tell(done: int, total: int, text: str) -> None:
        if done % every == 0 or done == total:
            print(f"{name} {done}/{total}  {text}", file=sys.stderr, flush=True)

    return tell


def train_all(samples: Path, sets: Sequence[Sequence[str]], recipe: Recipe, out: Path) -> None:
    """Train a model for every set of tables that is left out together; one for all where no real table is used.

    Raises:
        SettingError: `out` holds models that leave other sets out.
        EncoderError: tables that cannot be used.
    """
    if not recipe.real:
        sets = [[name for left_out in sets for name in left_out]]
    names = {f"without_{'+'.join(left_out)}" for left_out in sets}
    if others := sorted(p.name for p in out.glob("without_*.safetensors") if p.stem not in names):
        raise SettingError(
            f"Expected in {out} models without {' / '.join(map('+'.join, sets))} only, found {', '.join(others)}. "
            "Give another --out."
        )
    for left_out in sets:
        if not train_without(samples, left_out, recipe, out):
            print(f"{out}: there is a model without {' and '.join(left_out)}", file=sys.stderr, flush=True)


def sets_left_out(one_by_one: bool) -> list[tuple[str, ...]]:
    """Which tables are left out together."""
    return [(name,) for pair in PAIRS for name in pair] if one_by_one else [*PAIRS]


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is not there yet, then score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, help="folder of sample tables")
    parser.add_argument("--out", type=Path, default=Path("scratch/left_out"), help="folder for the models")
    parser.add_argument("--one-by-one", action="store_true", help="one model a table instead of a pair")
    parser.add_argument("--train-only", action="store_true", help="do not score")
    add_recipe_options(parser)
    add_options(parser)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        sets = sets_left_out(args.one_by_one)
        train_all(args.samples, sets, recipe_of(args), args.out)
        if not args.train_only:
            args.samples = [args.samples / f"{name}.parquet" for left_out in sets for name in left_out]
            args.model = [str(args.out)]
            report(args, ("f1", "retrieval"))
    except EncoderError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
