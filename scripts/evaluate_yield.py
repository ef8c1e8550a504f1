"""Evaluate the yield adapter beside the plain baselines, on vectors and on raw bands.

    OMP_NUM_THREADS=1 python scripts/evaluate_yield.py synthetic --crop winter_wheat maize cherry
    OMP_NUM_THREADS=1 python scripts/evaluate_yield.py rice fuel --data ../shared/data/yield

Prints Markdown tables: R2, RMSE, MAE, bias, coverage and width at 90 % with intervals by resampled blocks, and the
adapter's RMSE less each baseline's on the same resamples (below zero is better). Rice is scored within each season:
the season explains most of the variance. `--picture FOLDER` keeps a picture of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from yield_tables import YieldTable, encoded, fuel_moisture, synthetic_country, vietnam_rice

from surco.adapters import (
    RegressionEvaluation,
    RegressionScores,
    YieldAdapter,
    cross_validate_values,
    draw_values,
    score_values,
)
from surco.encoder import Encoder, load_encoder

HEAD = (
    "| | R² | RMSE | MAE | bias | coverage | width | ours - this, RMSE |\n|---|---|---|---|---|---|---|---|"
)


def words(estimate, digits: int = 2) -> str:
    """A score with its interval."""
    if estimate is None:
        return "–"
    text = f"{estimate.value:.{digits}f}"
    return text if estimate.low is None else f"{text} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def row(name: str, scores: RegressionScores, difference=None) -> str:
    """One line of the table."""
    cells = (scores.r2, scores.rmse, scores.mae, scores.bias, scores.coverage, scores.width, difference)
    return " | ".join([f"| {name}", *(words(c) for c in cells)]) + " |"


def show(
    title: str, evaluation: RegressionEvaluation, table: YieldTable, folder: Path | None, extra=()
) -> None:
    """Print one evaluation, and draw it."""
    print(
        f"\n**{title}**: {evaluation.split if len(evaluation.split) < 300 else evaluation.split[:300]}\n\n{HEAD}"
    )
    print(row("**YieldAdapter**", evaluation.scores))
    for name, scores in evaluation.baselines.items():
        print(row(name, scores, evaluation.differences[name]))
    for line in extra:
        print(line)
    for name, scores in evaluation.parts.items() if len(evaluation.parts) < 12 else ():
        print(row(f"– ours, in {name}", scores))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        name = "".join(c if c.isalnum() else "-" for c in title.lower())
        (folder / f"{name}.png").write_bytes(draw_values(evaluation, unit=table.unit, title=title))


def synthetic(args: argparse.Namespace, encoder: Encoder) -> None:
    """Leave regions and leave seasons out, with the truth as the best that can be."""
    for crop in args.crop:
        table = synthetic_country(crop, parcels=args.parcels)
        X, raw = encoded(table, encoder), table.raw()
        for what, parts in (("region", table.region), ("season", table.season)):
            other = table.season if what == "region" else table.region
            # The zone-year is what is new where a map is drawn: intervals are calibrated on what is held out.
            year = np.char.add(np.char.add(table.region, " "), table.season)
            for how, shared in (("region-years", year), (f"{what}s", parts)):
                found = cross_validate_values(
                    YieldAdapter(least=0), X, table.target, year, parts=parts, calibrate_on=shared, known=other,
                    raw=raw, baselines=how == "region-years",
                )  # fmt: skip
                best = row("what could be known", score_values(table.target, table.expected, _codes(year)))
                show(f"{crop}, leave-{what}-out, calibrated on {how}", found, table, args.picture, [best])


def rice(args: argparse.Namespace, encoder: Encoder) -> None:
    """Within each season: districts left out, and folds of blocks."""
    whole = vietnam_rice(args.data / "vietnam_rice")
    for season in np.unique(whole.season):
        table = whole.take(np.flatnonzero(whole.season == season))
        X, raw = encoded(table, encoder), summaries(table)
        for what, parts in (("leave-district-out", table.region), ("folds of blocks", None)):
            found = cross_validate_values(
                YieldAdapter(least=0), X, table.target, table.block, parts=parts, raw=raw, known=None
            )
            show(f"rice, {season}, {what}", found, table, args.picture)


def fuel(args: argparse.Namespace, encoder: Encoder) -> None:
    """The published split of sites: learned on 100 sites, scored on 50 others."""
    table = fuel_moisture(args.data / "us_fuel_moisture")
    X, raw, sites = encoded(table, encoder), table.raw(), _codes(table.block)
    test = np.flatnonzero(table.season == "test")
    for name, features, scaling in (
        ("vectors", X, "common"),
        ("vectors and raw bands", np.hstack([X, raw]), "each"),
    ):
        found = cross_validate_values(
            YieldAdapter(least=0, scaling=scaling), features, table.target, table.block, parts=table.season, raw=raw,
            baselines=name == "vectors",
        )  # fmt: skip
        print(
            f"\nfuel moisture on {name}: published split, trained on the 'train' sites, scored on 'test'\n\n{HEAD}"
        )
        print(row("**YieldAdapter**", found.parts["test"]))
        show(f"fuel moisture, {name}, both directions", found, table, args.picture)
    print(f"test sites: {len(np.unique(sites[test]))}")


def summaries(table: YieldTable) -> np.ndarray:
    """Raw bands of irregular dates on common ground (N, 6 * bands): medians of six windows of days before the last."""
    age = (table.dates.max(axis=1)[:, None] - table.dates).astype(int)
    values = np.where(table.valid, table.values, np.nan)
    found = []
    for low in range(0, 120, 20):
        inside = (age >= low) & (age < low + 20)
        windowed = np.where(inside[..., None], values, np.nan)
        some = np.isfinite(windowed).any(axis=1)
        filled = np.where(some[:, None], windowed, 0.0)
        found.append(np.where(some, np.nanmedian(filled, axis=1), np.nan))
    flat = np.hstack(found)
    return flat[:, np.isfinite(flat).any(axis=0)]


def _codes(words_: np.ndarray) -> np.ndarray:
    return np.unique(words_, return_inverse=True)[1]


RUNS = {"synthetic": synthetic, "rice": rice, "fuel": fuel}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", choices=list(RUNS))
    parser.add_argument("--crop", nargs="+", default=["winter_wheat", "maize", "cherry"])
    parser.add_argument("--parcels", type=int, default=40, help="of each region and season")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/yield"))
    parser.add_argument("--model", default="surco-nano")
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    encoder = load_encoder(args.model)
    print(f"vectors of {encoder.model_id}")
    for name in args.runs:
        RUNS[name](args, encoder)


if __name__ == "__main__":
    main()
