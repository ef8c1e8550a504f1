"""Train the encoder that the package ships, and write its weights, card and loss curves.

    python scripts/train_nano.py --samples ../shared/data/samples --steps 3000

Trained on every sample table of the folder (labelled series of Chile, Corsica, France, Flanders, East Africa and the
world, see the card) and on series of the synthetic country. `--without NAME` leaves a table out, for
leave-one-file-out evaluation by scripts/evaluate_encoder.py; `--out` then names another file.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from rich.progress import Progress

from surco.encoder import read_samples
from surco.encoder.checkpoint import WEIGHTS, save_checkpoint
from surco.encoder.pretrain import Dataset, PretrainConfig, TrainResult, from_samples, train
from surco.encoder.simulate import simulate_series

CREDITS = (
    "INE Chile (UN Handbook on Remote Sensing for Agricultural Statistics), WorldCereal public extractions and "
    "reference data (MIT; French RPG, Licence Ouverte), modified Copernicus Sentinel data, AgERA5; "
    "synthetic series made with PROSAIL"
)


def corpora(folder: Path, without: list[str], simulated: int, seed: int) -> list[Dataset]:
    """The real tables and four synthetic sets, one a climate and one over all."""
    found = []
    for path in sorted(folder.glob("*.parquet")):
        if path.stem not in without:
            s = read_samples(path)
            weight = 2.0 if len(s.label) > 1000 else 1.0
            found.append(
                from_samples(
                    path.stem, s.values, s.valid, s.dates, s.lonlat, s.static, s.label, weight=weight
                )
            )
    for i, climate in enumerate(("north", "central", "south", None)):
        t = simulate_series(simulated, seed=seed + 1000 + i, climate=climate)
        name = f"simulated_{climate or 'all'}"
        found.append(from_samples(name, t.values, t.valid, t.dates, t.lonlat, t.static, t.label))
    return found


def draw(result: TrainResult, path: Path) -> None:
    """Each term of the loss over the steps, smoothed over fifty."""
    figure, axes = plt.subplots(
        1, len(result.history), figsize=(3 * len(result.history), 2.6), layout="constrained"
    )
    for axis, (name, values) in zip(axes, result.history.items(), strict=True):
        axis.plot(np.convolve(values, np.full(50, 1 / 50), "valid"), linewidth=1)
        axis.set_title(name)
        axis.set_xlabel("step")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train, save, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--simulated", type=int, default=30_000, help="series of each synthetic set")
    parser.add_argument("--steps", type=int, default=PretrainConfig.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS / "surco-nano.safetensors")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = replace(PretrainConfig(), steps=args.steps, seed=args.seed)
    datasets = corpora(args.samples, args.without, args.simulated, args.seed)
    began = time.monotonic()
    with Progress() as bar:
        task = bar.add_task("train", total=args.steps)
        result = train(
            config, datasets, lambda done, total, text: bar.update(task, completed=done, description=text)
        )
    training = {k: v for k, v in asdict(config).items() if k != "model"}
    card = {
        "model_id": "surco-nano-1",
        "licence": "Apache-2.0",
        "credits": CREDITS,
        "data": {d.name: len(d.label) for d in datasets},
        "training": training,
        "seconds": round(time.monotonic() - began),
        "final_loss": {k: round(float(np.mean(v[-100:])), 4) for k, v in result.history.items()},
    }
    save_checkpoint(args.out, result.model, card)
    draw(result, args.out.with_suffix(".png"))
    print(json.dumps({k: card[k] for k in ("data", "seconds", "final_loss")}))


if __name__ == "__main__":
    main()
