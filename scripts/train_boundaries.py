"""Train the network that draws fields and write it where the package ships it.

    python scripts/boundary_valleys.py --out scratch/valleys
    OMP_NUM_THREADS=1 python scripts/train_boundaries.py --valleys scratch/valleys --out scratch/fields.safetensors

A quarter of an hour on one thread. `--ship` writes to the package's own folder instead of `--out`. Nothing of the
valleys for testing, nor of the real Flanders patch, is read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from boundary_valleys import load_valley, valleys_of
from field_training import FieldSample, TrainingSettings, train_fields
from fields_torch_net import FieldsNetConfig, TorchFieldsNet, exported

from surco.adapters.boundaries.network_input import fit_cropness, network_input
from surco.adapters.boundaries.prior import PRIOR, Prior, save_prior
from surco.api.progress import progress_bar

HEIGHT = 0.5
"""Of the watershed; `evaluate_boundaries.py --choose` compares others on the valleys for choosing."""

STRIDE = 5
"""Every fifth pixel of the training valleys teaches what a pixel says alone."""


def train(folder: Path, steps: int, seed: int) -> Prior:
    """The network and the logistic regression beside it, from the valleys for training."""
    valleys = [load_valley(folder, name) for name in valleys_of("train")]
    vectors = np.concatenate([area.vectors[area.valid][::STRIDE] for area, _ in valleys])
    is_field = np.concatenate([fields[area.valid][::STRIDE] > 0 for area, fields in valleys])
    cropness = fit_cropness(vectors, is_field, valleys[0][0].model_id)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = TorchFieldsNet(FieldsNetConfig())
    components = network.config.components
    samples = [FieldSample(network_input(area, components, cropness), fields) for area, fields in valleys]
    settings = TrainingSettings(steps=steps)
    with progress_bar("training") as progress:
        losses = train_fields(
            network,
            samples,
            settings,
            seed=seed,
            progress=lambda d, n, loss: progress(d, n, f"loss {loss:.3f}"),
        )
    facts = {
        "steps": steps,
        "seed": seed,
        "last_loss": round(float(np.mean(losses[-50:])), 4),
        "valleys": valleys_of("train"),
        "parcels": int(sum(len(np.unique(fields)) - 1 for _, fields in valleys)),
        "pixels": int(sum(fields.size for _, fields in valleys)),
        "data": "synthetic valleys of six regions of Chile; nothing measured, nothing of other people's",
    }
    return Prior(exported(network), cropness, HEIGHT, facts)


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--valleys", type=Path, default=Path("scratch/valleys"))
    parser.add_argument("--out", type=Path, default=Path("scratch/fields.safetensors"))
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prior = train(arguments.valleys, arguments.steps, arguments.seed)
    save_prior(prior, PRIOR if arguments.ship else arguments.out)


if __name__ == "__main__":
    main()
