"""Set the last layer of trained encoders again, in closed form, with other settings or after a change of it.

    python scripts/assemble_again.py ../shared/data/samples scratch/left_out --out scratch/again --set focus=0
    python scripts/assemble_again.py ../shared/data/samples surco-nano.safetensors --out mine.safetensors --name mine-2

The heads stay as they were trained. Weights, or a folder of `leave_files_out.py`, each model of it on the tables that
it was trained on. Other numbers are another model: the id is `--name`, or the old one with a digest of the settings.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from encoder_recipes import changed

from surco.encoder import EncoderError
from surco.encoder.checkpoint import load_checkpoint, save_checkpoint
from surco.encoder.model import ModelConfig, SeriesEncoder
from surco.encoder.pretrain import PretrainConfig, read_corpora
from surco.encoder.pretrain.assembling import assemble
from surco.encoder.pretrain.lessons import prepare_lessons

SETTINGS = ("blend", "carry", "around", "power", "focus", "level", "seed")
"""Fields of `PretrainConfig` that decide the last layer."""
ADDED = ("format", "parameters", "sha256", "config")
"""What `save_checkpoint` writes into a card by itself."""


def with_heads_of(old: SeriesEncoder) -> SeriesEncoder:
    """The same heads, with a last layer for all that there is today; that layer is still to be set."""
    new = SeriesEncoder(replace(ModelConfig(), **_shape(old.config)))
    heads = {k: v for k, v in old.state_dict().items() if not k.startswith(("assemble.", "fill."))}
    new.load_state_dict(heads, strict=False)
    return new.eval()


def _shape(config: ModelConfig) -> dict[str, Any]:
    return {k: v for k, v in vars(config).items() if not k.startswith(("weather", "carried"))}


def assemble_again(
    samples: Path, source: Path, target: Path, config: PretrainConfig, name: str | None = None
) -> str:
    """Write `source` with its last layer set again to `target`; returns the new model's id.

    Raises:
        EncoderError: weights or tables that cannot be used.
    """
    old, card = load_checkpoint(source)
    model = with_heads_of(old)
    sets = read_corpora(samples, card.get("left_out", ()))
    lessons = prepare_lessons(replace(config, model=model.config, variants=1), sets)
    assemble(
        model,
        lessons,
        taught=float(config.lesson > 0.0),
        learned=config.blend,
        season=config.carry,
        around=config.around,
        power=config.power,
        level=config.level,
        focus=config.focus,
        seed=config.seed,
    )
    chosen = {key: asdict(config)[key] for key in SETTINGS}
    new = {k: v for k, v in card.items() if k not in ADDED}
    new["model_id"] = name or f"{card['model_id']}.{_digest(chosen)}"
    new["assembled_again"] = {"heads_of": card["model_id"], **chosen}
    save_checkpoint(target, model, new)
    return str(new["model_id"])


def _digest(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def main(argv: Sequence[str] | None = None) -> None:
    """One file, or every model of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, help="folder of sample tables")
    parser.add_argument("source", type=Path, help="weights, or a folder of leave_files_out.py")
    parser.add_argument("--out", type=Path, required=True, help="weights, or a folder")
    parser.add_argument("--name", help="id of the new model, where one is set again")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        config = changed(PretrainConfig(), args.settings)
        sources = sorted(args.source.glob("without_*.safetensors")) if args.source.is_dir() else [args.source]
        for source in sources:
            target = args.out / source.name if args.source.is_dir() else args.out
            print(f"{target}: {assemble_again(args.samples, source, target, config, args.name)}", flush=True)
    except EncoderError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
