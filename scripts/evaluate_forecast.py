"""Forecast and gap filling on tables that the head has not seen, beside every baseline in the same run.

    python scripts/evaluate_forecast.py --samples ../shared/data/samples --encoders held-out \
        --vietnam ../shared/data/yield/vietnam_rice --plot forecast.png

Each table is answered by a head fitted, and its interval calibrated, on the other tables and the synthetic country.
The shipped encoder has seen all of them: `--encoders` names a folder with `<table>.safetensors`, an encoder that was
pretrained without that table (`surco pretrain --without`), and then nothing has seen the table that is scored. Where
the folder lacks one, and without it, the shipped encoder serves, and its scores are too good. Vietnam's rice fields
are in no training: the shipped encoder and the head fitted on all six tables answer them.

Forecasts (leads 1 to 3) are made at each month's end and, of every other month, in its middle, from series as they
are; gaps (lead 0) are months hidden from them, 15 % of all.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fit_forecast import real_cases, simulated_cases
from scipy.io import netcdf_file

from surco.api.progress import progress_bar
from surco.encoder import Encoder, SampleSeries, load_encoder, read_samples
from surco.encoder.channels import CHANNELS, INDEX
from surco.encoder.forecast import ForecastHead, Score
from surco.encoder.forecast.baselines import baselines_of, own_climatology
from surco.encoder.forecast.cases import Cases, draw_cases
from surco.encoder.forecast.fit import STEPS, fit_head
from surco.encoder.forecast.monthly import monthly_ndvi
from surco.encoder.forecast.predict import south_of
from surco.encoder.forecast.scores import HEAD, score

ALONE = "the same without the vector"
CLOUDY = 0.15
"""Blue reflectance from which a date of the rice fields counts as cloud: their table has no mask."""


def test_cases(series: SampleSeries, encoder: Encoder, seed: int) -> Cases:
    """Forecasts from whole series, gaps from series with hidden months."""
    whole = draw_cases(series, encoder, seed=seed, hide=(0.0,))
    hidden = draw_cases(series, encoder, seed=seed, hide=(0.15,))
    gaps = hidden.questions.lead == 0
    return Cases.join([whole, Cases(hidden.questions.take(gaps), hidden.truth[gaps])])


def scores_of(series: SampleSeries, cases: Cases, head: ForecastHead) -> list[Score]:
    """The head with and without vectors, and all baselines, on the same cases."""
    asked = cases.questions
    answers = head.answer(asked)
    alone = head.answer(replace(asked, vector=np.full_like(asked.vector, np.nan)))
    truth = monthly_ndvi(series.values, series.valid, series.dates)
    own = own_climatology(truth, south_of(series.lonlat[:, 1]), series.group)
    methods = {HEAD: answers.ndvi, ALONE: alone.ndvi, **baselines_of(asked, own, head.climatology)}
    inside = (answers.low <= cases.truth) & (cases.truth <= answers.high)
    return score(methods, cases.truth, asked.lead, inside)


def vietnam_rice(folder: Path) -> SampleSeries:
    """557 rice fields of the Mekong delta, 24 Sentinel-2 dates each, without the cloudy ones."""
    with netcdf_file(next(folder.glob("*.nc")), mmap=False) as file:
        columns = {name: variable.data.copy() for name, variable in file.variables.items()}
    dates = np.array(
        [[b"".join(day).decode() for day in row] for row in columns["time"]], dtype="datetime64[D]"
    )
    values = np.zeros((*dates.shape, len(CHANNELS)), np.float32)
    names = {name: name for name in CHANNELS if name in columns} | {"swir16": "swir"}
    for name, column in names.items():
        values[..., INDEX[name]] = columns[column] / 10_000
    seen = (values[..., INDEX["blue"]] < CLOUDY) & (values[..., INDEX["nir"]] > 0)
    valid = np.zeros(values.shape, bool)
    valid[..., [INDEX[name] for name in names]] = seen[..., None]
    lonlat = np.stack([columns["Longitude"][:, 0], columns["Latitude"][:, 0]], axis=1).astype(np.float32)
    group = np.array([b"".join(row[0]).decode() for row in columns["District"]], dtype=object)
    blank = np.full(len(dates), "", dtype=object)
    static = np.full(lonlat.shape, np.nan, np.float32)
    return SampleSeries(values * valid, valid, dates, lonlat, static, blank, blank, group)


def print_scores(table: str, scores: list[Score]) -> None:
    """A line a method: mean absolute error / root mean square error by lead."""
    for method in dict.fromkeys(s.method for s in scores):
        own = {s.lead: s for s in scores if s.method == method}
        cells = [
            f"{own[k].mae:.3f} / {own[k].rmse:.3f}" if k in own else "      -      " for k in (1, 2, 3, 0)
        ]
        covers = [own[k].coverage for k in (1, 2, 3, 0) if k in own]
        cover = " ".join(f"{c:.2f}" for c in covers if c is not None) if method == HEAD else ""
        if method == HEAD:
            cover += " | n " + " ".join(f"{own[k].n}" for k in (1, 2, 3, 0) if k in own)
        print(f"{table:18} {method:42} | {' | '.join(cells)} | {cover}", flush=True)


def print_means(tables: dict[str, list[Score]]) -> None:
    """Means over the tables of mean absolute error by lead, and of the interval's coverage."""
    sums: dict[str, dict[int, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for scores in tables.values():
        for one in scores:
            sums[one.method][one.lead].append(one)
    means = [
        Score(
            method,
            lead,
            sum(s.n for s in found),
            float(np.mean([s.mae for s in found])),
            float(np.mean([s.rmse for s in found])),
            float(np.mean([s.coverage or 0.0 for s in found])),
        )
        for method, by_lead in sums.items()
        for lead, found in by_lead.items()
    ]
    print_scores(f"mean of {len(tables)}", means)


def draw(tables: dict[str, list[Score]], path: Path) -> None:
    """Mean absolute error by lead, a panel a table."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3 * -(-len(tables) // 4)), layout="constrained")
    panels = figure.subplots(-(-len(tables) // 4), 4, squeeze=False).ravel()
    for panel, (name, scores) in zip(panels, tables.items(), strict=False):
        for number, method in enumerate(dict.fromkeys(s.method for s in scores)):
            own = sorted((s.lead, s.mae) for s in scores if s.method == method)
            style = {"color": "k", "linewidth": 2} if method == HEAD else {"color": f"C{number}"}
            panel.plot(*zip(*own, strict=True), "o-", markersize=3, label=method, **style)
        panel.set_title(name, fontsize=9)
        panel.set_xticks([0, 1, 2, 3], ["gap", "1", "2", "3 months"])
        panel.set_ylim(0, 0.32)
    for panel in panels[len(tables) :]:
        panel.set_axis_off()
    panels[0].set_ylabel("mean absolute error of NDVI")
    handles, labels = panels[0].get_legend_handles_labels()
    panels[-1].legend(handles, labels, fontsize=8, loc="center")
    figure.savefig(path, dpi=80)


def main() -> None:
    """Score every table by heads that have not seen it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True, help="folder of sample tables")
    parser.add_argument("--encoders", type=Path, help="folder of <table>.safetensors pretrained without it")
    parser.add_argument("--vietnam", type=Path, help="folder of the Vietnamese rice fields")
    parser.add_argument("--only", nargs="+", help="names of the tables to score, without ending")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[Score]] = {}

    def head_without(name: str | None, encoder: Encoder) -> ForecastHead:
        real = {k: c for k, c in real_cases(args.samples, encoder, args.seed).items() if k != name}
        with progress_bar(f"fits for {name or 'others'}") as report:
            simulated = simulated_cases(encoder, args.seed)
            return fit_head(
                encoder.model_id, real, simulated, steps=args.steps, seed=args.seed, progress=report
            )

    print(
        f"{'table':18} {'method':42} | MAE / RMSE 1 month | 2 months | 3 months | gap | coverage of 0.80 | n"
    )
    for path in sorted(args.samples.glob("*.parquet")):
        if args.only and path.stem not in args.only:
            continue
        held = args.encoders / f"{path.stem}.safetensors" if args.encoders else None
        encoder = load_encoder(str(held) if held and held.is_file() else "surco-nano")
        series = read_samples(path)
        head = head_without(path.stem, encoder)
        found[path.stem] = scores_of(series, test_cases(series, encoder, args.seed), head)
        print_scores(path.stem, found[path.stem])
    if len(found) > 1:
        print_means(found)
    if args.vietnam:
        encoder, series = load_encoder(), vietnam_rice(args.vietnam)
        found["vietnam_rice"] = scores_of(
            series, test_cases(series, encoder, args.seed), head_without(None, encoder)
        )
        print_scores("vietnam_rice", found["vietnam_rice"])
    if args.plot:
        draw(found, args.plot)


if __name__ == "__main__":
    main()
