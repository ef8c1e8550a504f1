"""Do labels that name only a class above help? A few exact labels, with and without inexact ones.

    python scripts/evaluate_mixed_labels.py ../shared/data/samples/chile_maule_2020.parquet --legend ine

The spatial groups are halved. From one half come `exact` labels a class and `--inexact` more whose class is replaced by
the one a level above (where that has two labelled kinds or more); the other half is the test. Classes that are above
others are left out: what they are exactly nobody knows. Printed: macro-F1 with
the exact labels alone, with both (`fit_mixed`), and with the truth of the inexact ones; the mean over draws, and the
paired difference of the second to the first with its 95 % interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from surco.adapters import CropTypeAdapter
from surco.adapters.legends import Legend, fit_mixed, load_legend, resolve_mixed
from surco.encoder import load_encoder, read_samples

LEAST = 20


def inexact_names(names: np.ndarray, legend: Legend) -> dict[str, str]:
    """For each class the name of the nearest class above that has another labelled kind; itself without one."""
    chains = {}
    for name in names:
        place = legend.find(name) or legend.above(name)
        chains[name] = [] if place is None else [one.name for one in legend.ancestors(place.code)]
    out = {}
    for name in names:
        kinds = [above for above in chains[name] if sum(above in chain for chain in chains.values()) > 1]
        out[name] = kinds[0] if kinds else name
    return out


def draw(
    X: np.ndarray, y: np.ndarray, groups: np.ndarray, exact: int, inexact: int, legend: Legend, seed: int
) -> tuple[float, float, float] | None:
    """Macro-F1 with exact labels, with inexact ones too, and with their truth; None where a class is missing."""
    rng = np.random.default_rng(seed)
    half = np.isin(groups, rng.permutation(np.unique(groups))[::2])
    order = rng.permutation(np.flatnonzero(half))
    chosen = np.concatenate([order[y[order] == name][:exact] for name in np.unique(y)])
    if len(np.unique(y[chosen])) < len(np.unique(y)):
        return None
    rest = np.setdiff1d(order, chosen, assume_unique=True)
    rest = rng.permutation(rest)[:inexact]
    above = inexact_names(np.unique(y), legend)
    rest = rest[[above[name] != name for name in y[rest]]]
    rows = np.concatenate([chosen, rest])
    labels = np.concatenate([y[chosen], [above[name] for name in y[rest]]])
    fits = (
        CropTypeAdapter().fit(X[chosen], y[chosen], groups=groups[chosen]),
        fit_mixed(CropTypeAdapter(), X[rows], labels, legend, groups=groups[rows]).adapter,
        CropTypeAdapter().fit(X[rows], y[rows], groups=groups[rows]),
    )
    first, second, third = (float(f1_score(y[~half], fit.predict(X[~half]), average="macro")) for fit in fits)
    return first, second, third


def main(argv: Sequence[str] | None = None) -> None:
    """Print a row a table and number of exact labels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, nargs="+")
    parser.add_argument("--legend", default="worldcereal")
    parser.add_argument("--model", default="surco-nano")
    parser.add_argument("--exact", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--inexact", type=int, default=150)
    parser.add_argument("--draws", type=int, default=10)
    args = parser.parse_args(argv)
    legend, encoder = load_legend(args.legend), load_encoder(args.model)
    for path in args.samples:
        series = read_samples(path)
        X = encoder.encode(series.values, series.valid, series.dates, series.lonlat, series.static)
        y, groups = np.asarray(series.label), np.unique(series.group, return_inverse=True)[1]
        names, count = np.unique(y, return_counts=True)
        common = names[(count >= LEAST) & (names != "Unknown")]
        above = set(resolve_mixed(common, legend).among) | set(resolve_mixed(common, legend).open_classes)
        keep = np.isin(y, [name for name in common if name not in above])
        for exact in args.exact:
            drawn = [
                draw(X[keep], y[keep], groups[keep], exact, args.inexact, legend, s)
                for s in range(args.draws)
            ]
            found = np.array([one for one in drawn if one])
            gain = found[:, 1] - found[:, 0]
            margin = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
            first, second, third = found.mean(axis=0)
            print(
                f"{path.stem:18} {exact:3} exact: {first:.3f}, with inexact {second:.3f} "
                f"({gain.mean():+.3f} ± {margin:.3f}), with their truth {third:.3f}   {len(found)} draws",
                flush=True,
            )


if __name__ == "__main__":
    main()
