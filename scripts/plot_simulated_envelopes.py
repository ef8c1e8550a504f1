"""Draws the synthetic country's class-month envelopes against the real samples, and prints how far they are apart.

    python scripts/plot_simulated_envelopes.py --out envelopes.png [--samples ../shared/data/samples] [--n 12000]

Left of each pair NDVI, right SWIR16. Bands: 10th to 90th percentile of the real series and of the simulated; lines are
medians. Each panel says how far the medians lie apart, averaged over the months, and in how many of the twelve the
simulated median is inside the real band. The real series are those of INE Chile in Maule, May 2020 to May 2021, with
their clouds: of the two dates of a month the one with the darker red is taken.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from surco.encoder.channels import INDEX
from surco.encoder.simulate import simulate_series
from surco.viewer.ine import ine_class

Array = npt.NDArray[Any]

PAIRS: dict[str, tuple[str, ...]] = {
    "Winter_crops": ("winter_wheat", "oats", "barley", "rapeseed"),
    "Spring_crops": ("maize", "beans", "tomato", "rice", "potato"),
    "Deciduous_fruit_tree": (
        "cherry",
        "apple",
        "hazelnut",
        "walnut",
        "blueberry",
        "plum",
        "kiwi",
        "wine_grape",
    ),
    "Perennial_fruit_tree": ("olive", "citrus", "avocado"),
    "Annual_pasture": ("pasture",),
    "Perennial_pasture": ("alfalfa",),
    "Mature_plantation": ("pine", "eucalyptus"),
    "Deciduous_forest": ("native_deciduous_forest",),
    "Shrublands": ("matorral",),
    "Bare_soils": ("bare",),
    "Artificial_surfaces": ("town",),
    "Water_bodies": ("water",),
}
MONTHS = "MJJASONDJFMA"
REAL, MODEL = "#4d4d4d", "#1b7fbd"
FEWEST = 20
"""Real series of which a band is drawn; of fewer the median alone."""


def column(table: Any, name: str) -> Array:
    """One channel as (N, T), NaN where null."""
    return np.array(table[name].to_pylist(), dtype=float)


def ndvi(red: Array, nir: Array) -> Array:
    """The normalised difference of near infrared and red."""
    return np.asarray((nir - red) / (nir + red))


def read_maule(folder: Path) -> tuple[Array, Array, Array]:
    """Labels, NDVI (N, 12) and SWIR16 (N, 12) from May to April: in each month the date with the darkest red."""
    table = pq.read_table(folder / "chile_maule_2020.parquet")
    red, nir, swir = (column(table, name) for name in ("red", "nir", "swir16"))
    days = np.array(table["dates"][0].as_py(), dtype="datetime64[M]")
    labels, out = np.array(table["label"].to_pylist()), []
    for month in np.datetime64("2020-05") + np.arange(12):
        dates = np.flatnonzero(days == month)
        best = dates[np.nanargmin(np.where(np.isnan(red[:, dates]), 9.0, red[:, dates]), axis=1)]
        rows = np.arange(len(red))
        out.append((ndvi(red[rows, best], nir[rows, best]), swir[rows, best]))
    return labels, np.stack([v for v, _ in out], axis=1), np.stack([s for _, s in out], axis=1)


def simulated(n: int, seed: int) -> tuple[Array, Array, Array]:
    """The same of the central valley of the synthetic country."""
    series = simulate_series(n, seed=seed, climate="central")
    red, nir, swir = (series.values[:, :, INDEX[c]] for c in ("red", "nir", "swir16"))
    return series.label, ndvi(red, nir), swir


def compare(real: tuple[Array, Array, Array], model: tuple[Array, Array, Array]) -> None:
    """Prints monthly medians and, for each class, the mean and mean absolute difference of them."""
    for ine, names in PAIRS.items():
        ours, theirs = np.isin(model[0], names), real[0] == ine
        print(f"{ine} (real {theirs.sum()}, simulated {ours.sum()})")
        for title, k in (("NDVI", 1), ("SWIR16", 2)):
            a, b = np.nanmedian(model[k][ours], axis=0), np.nanmedian(real[k][theirs], axis=0)
            spread = np.nanstd(model[k][ours]), np.nanstd(real[k][theirs])
            print(f"  {title:7s} real      " + " ".join(f"{x:5.2f}" for x in b) + f"  sd {spread[1]:.2f}")
            print("          simulated " + " ".join(f"{x:5.2f}" for x in a) + f"  sd {spread[0]:.2f}"
                  f"  bias {np.mean(a - b):+.3f} mean abs {np.mean(np.abs(a - b)):.3f}")  # fmt: skip


def draw(real: tuple[Array, Array, Array], model: tuple[Array, Array, Array], out: Path) -> None:
    """One pair of panels a class, as a PNG of few colours."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(14, 16), layout="constrained")
    top, body = figure.subfigures(2, 1, height_ratios=(0.05, 1))
    head(top, plt)
    parts = body.subfigures(6, 2, wspace=0.03).ravel()
    for (ine, names), part in zip(PAIRS.items(), parts, strict=True):
        theirs, ours = real[0] == ine, np.isin(model[0], names)
        known = ine_class(ine)
        named = f"{known.en if known else ine}: {theirs.sum():,} real, {ours.sum():,} simulated"
        part.suptitle(named, fontsize=11, weight="bold", x=0.01, ha="left")
        for k, axis in enumerate(part.subplots(1, 2), start=1):
            panel(axis, real[k][theirs], model[k][ours], "NDVI" if k == 1 else "SWIR 1.6 µm")
            axis.set_ylim((-0.65, 1.0) if ine == "Water_bodies" and k == 1 else (0, 1.0 if k == 1 else 0.5))
    save(figure, out)


def head(part: Any, plt: Any) -> None:
    """Title, legend, and what the numbers say."""
    axis = part.add_subplot()
    axis.axis("off")
    title = "Real Maule 2020-21 and the synthetic central valley, by class of INE Chile, level 3"
    axis.text(0.005, 0.8, title, fontsize=14, weight="bold", va="center")
    words = "Δ: mean distance of the medians over the months; k/12: months whose simulated median is in the real band"
    axis.text(0.005, 0.1, words, fontsize=10.5, va="center")
    bands = [plt.Rectangle((0, 0), 1, 1, color=colour, alpha=0.3) for colour in (REAL, MODEL)]
    lines = [plt.Line2D([], [], color=colour, lw=2) for colour in (REAL, MODEL)]
    names = ["real: median, 10th to 90th percentile", "simulated: the same"]
    axis.legend(list(zip(bands, lines, strict=True)), names, loc="center right", frameon=False, fontsize=10.5)


def panel(axis: Any, theirs: Array, ours: Array, title: str) -> None:
    """Both envelopes, and how far apart they are."""
    months = range(12)
    low, middle, high = np.nanpercentile(theirs, [10, 50, 90], axis=0)
    below, median, above = np.nanpercentile(ours, [10, 50, 90], axis=0)
    if len(theirs) >= FEWEST:
        axis.fill_between(months, low, high, color=REAL, alpha=0.22, lw=0)
    axis.fill_between(months, below, above, color=MODEL, alpha=0.25, lw=0)
    axis.plot(months, middle, color=REAL, lw=2)
    axis.plot(months, median, color=MODEL, lw=2)
    axis.set_xticks(months, list(MONTHS))
    axis.set_xlim(0, 11)
    axis.tick_params(labelsize=9)
    axis.grid(axis="y", color="0.9", lw=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    distance = np.mean(np.abs(median - middle))
    inside = f" · {np.sum((median >= low) & (median <= high))}/12" if len(theirs) >= FEWEST else ""
    axis.set_title(f"{title}   Δ {distance:.3f}{inside}", fontsize=10, loc="left")


def save(figure: Any, out: Path) -> None:
    """Write a figure with 64 colours: a third of the size."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=80)
    Image.open(picture).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(out, optimize=True)


def main() -> None:
    """Compare and draw."""
    here = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--samples", type=Path, default=here.parent / "shared/data/samples")
    parser.add_argument("--n", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=4)
    args = parser.parse_args()
    real, model = read_maule(args.samples), simulated(args.n, args.seed)
    compare(real, model)
    draw(real, model, args.out)


if __name__ == "__main__":
    main()
