"""Score the training recipe on tables it has not seen: train without two of them, test on those two, three times.

    python scripts/leave_files_out.py ../shared/data/samples --steps 1200 --simulated 15000

Prints the mean macro-F1 over the tables of logistic regression on the vectors and of the best head on raw bands
(chosen for each table), by number of labels a class.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from evaluate_encoder import score

from surco.encoder import SampleSeries, read_samples
from surco.encoder.model import SeriesEncoder
from surco.encoder.pretrain import PretrainConfig, read_corpora, simulated_corpora, train


def vectors(model: SeriesEncoder, series: SampleSeries) -> np.ndarray:
    """(N, 64) vectors of a table."""
    days = series.dates.astype("datetime64[D]").astype(np.float32)
    arrays = (series.values, series.valid, days, series.lonlat, series.static)
    with torch.inference_mode():
        return model(*map(torch.from_numpy, arrays)).numpy()


def main() -> None:
    """Train three times and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--simulated", type=int, default=15_000)
    parser.add_argument("--episodes", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = replace(PretrainConfig(), steps=args.steps, seed=args.seed)
    names = sorted(path.stem for path in args.samples.glob("*.parquet"))
    made = simulated_corpora(args.simulated, args.seed)
    means: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for pair in zip(names[::2], names[1::2], strict=True):
        model = train(config, [*read_corpora(args.samples, pair), *made]).model
        for name in pair:
            series = read_samples(args.samples / f"{name}.parquet")
            for shots in (1, 5, 20):
                result = score(series, vectors(model, series), shots, args.episodes, args.seed)
                raw = max(float(np.mean(v)) for k, v in result.items() if k.startswith("raw"))
                ours = float(np.mean(result["vectors logistic"]))
                means[shots].append((ours, raw))
                print(
                    f"{name:20} {shots:2} labels: vectors {ours:.3f}, best on raw bands {raw:.3f}", flush=True
                )
    for shots, pairs in means.items():
        ours, raw = np.mean(pairs, axis=0)
        print(
            f"mean of {len(pairs)} tables, {shots:2} labels: vectors {ours:.3f}, best on raw bands {raw:.3f}"
        )


if __name__ == "__main__":
    main()
