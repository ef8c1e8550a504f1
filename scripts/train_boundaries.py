"""Train the network that draws fields and write it where the package ships it.

    python scripts/boundary_valleys.py --out scratch/valleys
    OMP_NUM_THREADS=1 python scripts/train_boundaries.py --valleys scratch/valleys --first scratch/first.safetensors \
        --samples ../shared/data/samples --out scratch/fields.safetensors

A quarter of an hour on one thread, in two stages: the land as it is drawn, then `harder`. `--first` keeps the first
stage, and takes it from there if it is there. `--ship` writes to the package's own folder instead of `--out`. With
`--samples ../shared/data/samples` what a vector says alone is learned from real labelled series too, those of Flanders
left out. Nothing of the valleys for testing, nor of the real Flanders patch, is read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from boundary_valleys import load_valley, valleys_of
from field_training import FieldSample, TrainingSettings, train_fields
from fields_torch_net import FieldsNetConfig, TorchFieldsNet, exported
from safetensors.torch import load_file, save_file

from surco.adapters.boundaries.network_input import fit_cropness, network_input
from surco.adapters.boundaries.prior import PRIOR, Prior, save_prior
from surco.api.progress import progress_bar
from surco.encoder import load_encoder, read_samples

HEIGHT = 0.7
"""Of the watershed: on the valleys for choosing all from 0.65 to 0.9 do alike (`evaluate_boundaries.py --choose`)."""

STRIDE = 5
"""Every fifth pixel of the training valleys teaches what a pixel says alone."""


NO_FIELDS = {
    "Artificial_surfaces", "Bare_soils", "Clear_cut_plantation", "Deciduous_forest", "Mature_plantation", "Shrublands",
    "Water_bodies", "Young_plantation", "built_up", "oak", "sweet_chestnuts", "trees_mixed", "trees_unspecified",
    "wetlands",
}  # fmt: skip
UNCLEAR = {"Fallow", "Grasslands", "Unknown", "herbaceous_vegetation", "not_cultivated_fallow"}
REAL = ("chile_maule_2020", "corsica_2022", "east_africa_2017", "france_2023", "world_500")


def real_vectors(folder: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Vectors of real labelled series, and whether each is a field's; unclear classes are left out."""
    encoder, vectors, is_field = load_encoder(), [], []
    for name in REAL:
        series = read_samples(folder / f"{name}.parquet")
        made = encoder.encode(series.values, series.valid, series.dates, series.lonlat, series.static)
        label = np.asarray(series.label, str)
        kept = ~np.isin(label, list(UNCLEAR)) & np.isfinite(made).all(axis=1)
        vectors.append(made[kept])
        is_field.append(~np.isin(label[kept], list(NO_FIELDS)))
    return np.concatenate(vectors), np.concatenate(is_field)


def train(folder: Path, samples: Path | None, first_file: Path, steps: tuple[int, int], seed: int) -> Prior:
    """The network and the logistic regression beside it, from the valleys for training."""
    valleys = [load_valley(folder, name) for name in valleys_of("train")]
    vectors = np.concatenate([area.vectors[area.valid][::STRIDE] for area, _ in valleys])
    is_field = np.concatenate([fields[area.valid][::STRIDE] > 0 for area, fields in valleys])
    if samples is not None:
        real, real_field = real_vectors(samples)
        times = max(1, len(vectors) // len(real))  # real series and the valleys' pixels count about alike
        vectors = np.concatenate([vectors, np.repeat(real, times, axis=0)])
        is_field = np.concatenate([is_field, np.repeat(real_field, times)])
    cropness = fit_cropness(vectors, is_field, valleys[0][0].model_id)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = TorchFieldsNet(FieldsNetConfig())
    components = network.config.components
    areas = [FieldSample(network_input(area, components, cropness), fields) for area, fields in valleys]
    first, second = steps
    if first_file.exists():
        network.load_state_dict({k: v.float() for k, v in load_file(first_file).items()}, strict=False)
    else:
        _stage("first stage", network, areas, TrainingSettings(steps=first), seed)
        save_file(network.state_dict(), first_file)
    harder = TrainingSettings(steps=second, learning_rate=2e-3, zoom=(0.7, 2.2), harder=True)
    losses = _stage("second stage", network, areas, harder, seed + 1)
    facts = {
        "steps": list(steps),
        "seed": seed,
        "last_loss": round(float(np.mean(losses[-50:])), 4),
        "valleys": valleys_of("train"),
        "parcels": int(sum(len(np.unique(fields)) - 1 for _, fields in valleys)),
        "pixels": int(sum(fields.size for _, fields in valleys)),
        "data": "synthetic valleys of six regions of Chile",
        "cropness": "their pixels" + ("" if samples is None else f", and the real series {', '.join(REAL)}"),
    }
    return Prior(exported(network), cropness, HEIGHT, facts)


def _stage(
    title: str, network: TorchFieldsNet, areas: list[FieldSample], settings: TrainingSettings, seed: int
) -> list[float]:
    with progress_bar(title) as progress:
        return train_fields(
            network,
            areas,
            settings,
            seed=seed,
            progress=lambda d, n, loss: progress(d, n, f"loss {loss:.3f}"),
        )


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--valleys", type=Path, default=Path("scratch/valleys"))
    parser.add_argument("--samples", type=Path, help="folder of the real labelled series")
    parser.add_argument("--out", type=Path, default=Path("scratch/fields.safetensors"))
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--first", type=Path, default=Path("scratch/first.safetensors"))
    parser.add_argument("--steps", type=int, nargs=2, default=(900, 260), help="of the two stages")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prior = train(
        arguments.valleys, arguments.samples, arguments.first, tuple(arguments.steps), arguments.seed
    )
    save_prior(prior, PRIOR if arguments.ship else arguments.out)


if __name__ == "__main__":
    main()
