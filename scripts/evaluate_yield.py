"""Evaluate the yield adapter beside the plain baselines, on vectors and on raw bands.

    OMP_NUM_THREADS=1 python scripts/evaluate_yield.py synthetic --crop winter_wheat maize cherry
    OMP_NUM_THREADS=1 python scripts/evaluate_yield.py rice fuel --data ../shared/data/yield
    OMP_NUM_THREADS=1 python scripts/evaluate_yield.py totals --crop winter_wheat maize

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
    REGRESSION_BASELINES,
    RegressionEvaluation,
    RegressionScores,
    YieldAdapter,
    cross_validate_values,
    disaggregate,
    draw_values,
    paired_difference,
    score_values,
)
from surco.encoder import Encoder, load_encoder
from surco.encoder.channels import WEATHER

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
        print(row(f"– ours, in {name}", scores), flush=True)
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
                    raw=raw, baselines=args.baselines if how == "region-years" else False,
                )  # fmt: skip
                helped = cross_validate_values(
                    YieldAdapter(least=0, scaling="each"), np.hstack([X, weather(table)]), table.target, year,
                    parts=parts, calibrate_on=shared, baselines=False,
                )  # fmt: skip
                extra = [
                    row("YieldAdapter on vectors and weather", helped.scores),
                    row("what could be known", score_values(table.target, table.expected, _codes(year))),
                ]
                show(f"{crop}, leave-{what}-out, calibrated on {how}", found, table, args.picture, extra)


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
    X, raw = encoded(table, encoder), table.raw()
    train, test = (np.flatnonzero(table.season == name) for name in ("train", "test"))
    sites, y = _codes(table.block), table.target
    print(
        f"\n**fuel moisture**: {len(train)} labels of the published training sites, {len(test)} of 50 others\n\n{HEAD}"
    )
    both = np.hstack([X, raw])
    ours = {}
    for name, features, scaling in (("", X, "common"), (" on vectors and raw bands", both, "each")):
        fitted = YieldAdapter(least=0, scaling=scaling).fit(features[train], y[train], groups=sites[train])
        ours[name] = fitted.predict(features[test])
        interval = fitted.predict_interval(features[test])
        print(row(f"**YieldAdapter**{name}", score_values(y[test], ours[name], sites[test], interval)))
    others = {"mean": np.full(len(test), y[train].mean())}
    for where, features in (("", X), (" on raw bands", raw)):
        for name, make in REGRESSION_BASELINES.items():
            others[name + where] = make(len(train)).fit(features[train], y[train]).predict(features[test])
    for name, predicted in others.items():
        difference = paired_difference(y[test], ours[""], predicted, sites[test])
        print(row(name, score_values(y[test], predicted, sites[test]), difference))


def totals(args: argparse.Namespace, encoder: Encoder) -> None:
    """Yields of 15, 30 and 60 comunas of one season brought down to 30 parcels each, beside the comuna's mean."""
    print(
        "\n| crop, comunas | comuna's mean, RMSE | brought down, RMSE | difference | totals explained | 90 % held |"
    )
    print("|---|---|---|---|---|---|")
    climates = ["north"] * 15 + ["central"] * 30 + ["south"] * 15
    for number, crop in enumerate(args.crop):
        table = synthetic_country(crop, seasons=1, parcels=30, seed=args.seed + number, regions=climates)
        X, hectares = encoded(table, encoder), np.exp(np.random.default_rng(0).normal(1, 0.7, len(table)))
        names = np.unique(table.region)
        for kept in (names[::4], names[::2], names):
            rows = np.isin(table.region, kept)
            area, y, size = table.region[rows], table.target[rows], hectares[rows]
            given = {a: float(np.average(y[area == a], weights=size[area == a])) for a in kept}
            found = disaggregate(X[rows], size, area, given, least=0)
            mean, codes = np.array([given[a] for a in area]), _codes(area)
            held = ((found.low <= y) & (y <= found.high)).mean()
            cells = [score_values(y, p, codes).rmse for p in (mean, found.value)]
            cells.append(paired_difference(y, found.value, mean, codes))
            print(
                f"| {crop}, {len(kept)} | {' | '.join(words(c) for c in cells)} | {found.explained:.2f} | {held:.2f} |"
            )


def weather(table: YieldTable) -> np.ndarray:
    """Temperature and precipitation (N, T * 2); in the synthetic country they are never missing."""
    return table.values[..., WEATHER].reshape(len(table), -1)


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


RUNS = {"synthetic": synthetic, "rice": rice, "fuel": fuel, "totals": totals}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", choices=list(RUNS))
    parser.add_argument("--crop", nargs="+", default=["winter_wheat", "maize", "cherry"])
    parser.add_argument("--parcels", type=int, default=40, help="of each region and season")
    parser.add_argument(
        "--baselines", nargs="+", default=list(REGRESSION_BASELINES), help="of the synthetic country"
    )
    parser.add_argument("--seed", type=int, default=30, help="of the first crop's country, for totals")
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
