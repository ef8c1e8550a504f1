"""Draws the synthetic country's class-month envelopes against the real samples, and prints how far they are apart.

    python scripts/plot_simulated_envelopes.py --out envelopes.png [--samples ../shared/data/samples] [--n 12000]

Left of each pair NDVI, right SWIR16. Band: 10th to 90th percentile of the real series (grey) and of the simulated
(green); lines are medians. The real series are those of INE Chile in Maule, May 2020 to May 2021, with their clouds:
of the two dates of a month the one with the darker red is taken.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from surco.encoder.channels import INDEX
from surco.encoder.simulate import simulate_series

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
    """One pair of panels a class."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(6, 4, figsize=(15, 17), layout="constrained")
    panels = axes.reshape(-1, 2)
    for (ine, names), pair in zip(PAIRS.items(), panels, strict=True):
        for k, axis in enumerate(pair, start=1):
            for source, rows, colour in (
                (real, real[0] == ine, "0.45"),
                (model, np.isin(model[0], names), "tab:green"),
            ):
                low, middle, high = np.nanpercentile(source[k][rows], [10, 50, 90], axis=0)
                axis.fill_between(range(12), low, high, color=colour, alpha=0.25, lw=0)
                axis.plot(range(12), middle, color=colour)
            axis.set_xticks(range(12), list(MONTHS))
            axis.set_ylim((-0.6, 1.0) if ine == "Water_bodies" and k == 1 else (0, 1.0 if k == 1 else 0.5))
            axis.set_title(f"{ine}: {'NDVI' if k == 1 else 'SWIR16'}", fontsize=9)
    figure.suptitle("Real Maule 2020-21 (INE Chile, grey) and the synthetic central valley (green)")
    figure.savefig(out, dpi=80)


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
