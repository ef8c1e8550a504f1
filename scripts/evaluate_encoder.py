"""Few-shot macro-F1 of vectors against raw bands, with spatial blocks, for any encoder and any sample table.

    python scripts/evaluate_encoder.py ../shared/data/samples/*.parquet --model surco-nano

Each episode splits the spatial groups in two halves, draws `shots` labels a class from one half and scores on the
other. Classes with fewer than `shots + 2` rows in the training half or none in the test half are left out of the
episode; the same rows serve every method.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surco.encoder import load_encoder, read_samples
from surco.encoder.channels import INDEX
from surco.encoder.samples import SampleSeries

UNLABELLED = {"", "Unknown", "unknown"}


def raw_features(series: SampleSeries) -> np.ndarray:
    """All bands at all dates with NDVI and NDMI, gaps filled by the column's mean (N, T * channels)."""
    x = np.where(series.valid, series.values, np.nan)
    columns = [x]
    for a, b in (("nir", "red"), ("nir", "swir16")):
        total = x[..., INDEX[a]] + x[..., INDEX[b]]
        columns.append(
            ((x[..., INDEX[a]] - x[..., INDEX[b]]) / np.where(total > 0, total, np.nan))[..., None]
        )
    flat = np.concatenate([np.concatenate(columns, -1).reshape(len(x), -1), series.static], axis=1)
    flat = flat[:, np.isfinite(flat).any(0)]
    return np.where(np.isfinite(flat), flat, np.nanmean(flat, axis=0))


def episodes(
    label: np.ndarray, group: np.ndarray, shots: int, n: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers of (train, test) for n random tasks with disjoint spatial groups."""
    rng = np.random.default_rng(seed)
    names = np.unique(group)
    made = 0
    for _ in range(50 * n):
        if made == n:
            return
        half = np.isin(group, rng.permutation(names)[: len(names) // 2])
        train, test = [], []
        for c in np.setdiff1d(np.unique(label), list(UNLABELLED)):
            a, b = np.flatnonzero(half & (label == c)), np.flatnonzero(~half & (label == c))
            if len(a) >= shots and len(b) >= 3:
                train.append(rng.permutation(a)[:shots])
                test.append(rng.permutation(b)[:100])
        if len(train) >= 3:
            made += 1
            yield np.concatenate(train), np.concatenate(test)


def heads(seed: int) -> dict[str, object]:
    """The plain methods that every encoder is compared with."""
    return {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=400)),
        "k-NN": make_pipeline(StandardScaler(), KNeighborsClassifier(1)),
        "forest": RandomForestClassifier(100, random_state=seed),
        "extra trees": ExtraTreesClassifier(100, random_state=seed),
    }


def score(series: SampleSeries, vectors: np.ndarray, shots: int, n: int, seed: int) -> dict[str, list[float]]:
    """Macro-F1 of each method in each episode."""
    features = {"raw": raw_features(series), "vectors": vectors}
    result: dict[str, list[float]] = {}
    keep = np.isfinite(vectors).all(1)
    for i, (train, test) in enumerate(
        episodes(np.where(keep, series.label, ""), series.group, shots, n, seed)
    ):
        for kind, x in features.items():
            for name, head in heads(seed + i).items():
                if kind == "vectors" and name in {"forest", "extra trees"}:
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    guess = head.fit(x[train], series.label[train]).predict(x[test])  # type: ignore[attr-defined]
                f1 = f1_score(
                    series.label[test],
                    guess,
                    average="macro",
                    labels=np.unique(series.label[test]),
                    zero_division=0,
                )
                result.setdefault(f"{kind} {name}", []).append(float(f1))
    return result


def main() -> None:
    """Print one line a file and number of labels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", nargs="+", type=Path)
    parser.add_argument("--model", default="surco-nano")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    encoder = load_encoder(args.model)
    table = {}
    for path in args.samples:
        series = read_samples(path)
        vectors = encoder.encode(series.values, series.valid, series.dates, series.lonlat, series.static)
        for shots in args.shots:
            result = score(series, vectors, shots, args.episodes, args.seed)
            means = {k: round(float(np.mean(v)), 3) for k, v in result.items()}
            table[f"{path.stem} {shots}"] = means
            best_raw = max(v for k, v in means.items() if k.startswith("raw"))
            gain = means["vectors logistic"] - best_raw
            print(
                f"{path.stem:20} shots {shots:3} n={len(next(iter(result.values())))} {means} gain {gain:+.3f}",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
