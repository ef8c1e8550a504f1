"""Fits the forecast head of an encoder, and writes it beside the encoder's weights.

    python scripts/fit_forecast.py --samples ../shared/data/samples

Run it again whenever the shipped encoder changes: a head serves one model id. The same samples, encoder and seed give
the same bytes on one machine. Takes about a minute on one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from surco.api.progress import progress_bar
from surco.encoder import Encoder, load_encoder, read_samples
from surco.encoder.forecast import COVERAGE, save_head
from surco.encoder.forecast.cases import Cases, draw_cases
from surco.encoder.forecast.fit import STEPS, fit_head
from surco.encoder.forecast.head_files import HEADS
from surco.encoder.pretrain import CREDITS
from surco.encoder.simulate import simulate_series

SHARES = (0.0, 0.15, 0.4)
"""Of the months that a series loses to clouds, so that the head meets gaps of each kind."""
SIMULATED = 2000


def real_cases(folder: Path, encoder: Encoder, seed: int) -> dict[str, Cases]:
    """Cases of every sample table of a folder, by its name."""
    found: dict[str, Cases] = {}
    for path in sorted(folder.glob("*.parquet")):
        with progress_bar(path.stem) as report:
            found[path.stem] = draw_cases(
                read_samples(path), encoder, seed=seed, hide=SHARES, progress=report
            )
    return found


def simulated_cases(encoder: Encoder, seed: int) -> dict[str, Cases]:
    """Cases of the synthetic country."""
    series = simulate_series(SIMULATED, seed=seed + 77)
    with progress_bar("simulated") as report:
        cases = draw_cases(series, encoder, seed=seed, hide=SHARES, most=SIMULATED, progress=report)
    return {"simulated": cases}


def main() -> None:
    """Fit, calibrate and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True, help="folder of sample tables")
    parser.add_argument("--model", default="surco-nano", help="encoder, as of `surco embed --model`")
    parser.add_argument("--out", type=Path, default=HEADS, help="folder to write to")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    encoder = load_encoder(args.model)
    real = real_cases(args.samples, encoder, args.seed)
    simulated = simulated_cases(encoder, args.seed)
    with progress_bar("fits") as report:
        head = fit_head(encoder.model_id, real, simulated, steps=args.steps, seed=args.seed, progress=report)
    card = {
        "licence": "Apache-2.0",
        "credits": CREDITS,
        "data": {name: len(cases) for name, cases in {**real, **simulated}.items()},
        "training": {"seed": args.seed, "steps": args.steps, "hidden": SHARES, "coverage": COVERAGE},
        "note": "Of what was seen by a day: NDVI of the next one to three months, and of months nobody saw. "
        "Scores on tables it has not seen: docs/log.md, scripts/evaluate_forecast.py.",
    }
    path = save_head(args.out, head, card)
    print(f"{encoder.model_id}: {time.monotonic() - began:.0f} s -> {path}")


if __name__ == "__main__":
    main()
