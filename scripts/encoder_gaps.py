"""What a missing sensor and a missing half season cost: vectors and raw bands lose the same, in the same tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from encoder_few_shot import RawCache, Table, best_raw, raw_features
from encoder_scores import Estimate, estimate, filled, logistic, macro_f1, markdown, points, stored, unit
from encoder_sources import encode

from surco.encoder import CHANNELS, Encoder, SampleSeries
from surco.encoder.channels import INDEX, OPTICAL, RADAR, WEATHER

SHOTS = 5
NEIGHBOURS = 5
LEAST = 5
"""Rows that a class needs to be asked for, in the half-season test."""

_ALL = frozenset(range(len(CHANNELS)))
CONDITIONS: dict[str, frozenset[int]] = {
    "without radar": _ALL - set(RADAR),
    "without optical": _ALL - set(OPTICAL),
    "without weather": _ALL - set(WEATHER),
    "only red, nir, swir16": frozenset(INDEX[name] for name in ("red", "nir", "swir16")),
    "only red, nir": frozenset(INDEX[name] for name in ("red", "nir")),
}
"""Channels that are left."""

Encoders = Mapping[str, Mapping[str, Encoder]]
Rows = dict[tuple[str, str], dict[str, dict[str, list[float]]]]


def with_channels(series: SampleSeries, kept: frozenset[int]) -> SampleSeries:
    """The same series with all other channels missing."""
    mask = np.isin(np.arange(series.valid.shape[-1]), list(kept))
    return replace(series, valid=series.valid & mask)


def tells(series: SampleSeries, kept: frozenset[int]) -> bool:
    """Whether so few channels are something else than all of them, and not nothing."""
    left = with_channels(series, kept).valid
    return bool(left.any()) and int(left.sum()) < int(series.valid.sum())


def missing_sensors(tables: Sequence[Table], models: Encoders, cache: RawCache, seed: int) -> Rows:
    """Macro-F1 at five labels in each task, by (vectors, condition): `all`, `left`, `raw all`, `raw left` by table.

    Tables that lose nothing, or everything, by a condition do not count for it.
    """
    rows: Rows = {}
    for table in tables:
        tasks = table.tasks.get(SHOTS)
        kinds = [name for name, kept in CONDITIONS.items() if tells(table.series, kept)]
        if not tasks or not kinds:
            continue
        poor = {name: replace(table, series=with_channels(table.series, CONDITIONS[name])) for name in kinds}
        raw_all = _raw(table, cache, seed)
        raw_left = {name: _raw(poor[name], cache, seed) for name in kinds}
        for model, by_table in models.items():
            whole = _f1(by_table[table.name], table, seed)
            for name in kinds:
                left = _f1(by_table[table.name], poor[name], seed)
                cell = {"all": whole, "left": left, "raw all": raw_all, "raw left": raw_left[name]}
                rows.setdefault((model, name), {})[table.name] = cell
    return {(m, name): rows[m, name] for m in models for name in CONDITIONS if (m, name) in rows}


def _raw(table: Table, cache: RawCache, seed: int) -> list[float]:
    scores = cache.scores(raw_features(table.series), table, SHOTS, seed)
    return scores[best_raw(scores)]


def _f1(encoder: Encoder, table: Table, seed: int) -> list[float]:
    x = stored(filled(encode(encoder, table.series)))
    return macro_f1(logistic, x, table.label, table.tasks[SHOTS], seed)


def sensors_table(rows: Rows) -> tuple[dict[str, Any], str]:
    """JSON values and Markdown; the gain kept is a ratio, and stays empty where there was no gain."""
    lines = []
    for (model, condition), by_table in rows.items():

        def mean(kind: str, by_table: dict[str, dict[str, list[float]]] = by_table) -> str:
            return points(estimate([cell[kind] for cell in by_table.values()]).mean)

        before, after = (_gain(by_table, kind) for kind in ("all", "left"))
        kept = f"{100 * after.mean / before.mean:.0f} %" if before.mean > 0 else "no gain"
        values = [mean(kind) for kind in ("raw all", "all", "raw left", "left")]
        lines.append([model, condition, str(len(by_table)), *values, before.signed(), after.signed(), kept])
    header = [
        "vectors",
        f"{SHOTS} labels",
        "tables",
        "raw, all",
        "vectors, all",
        "raw, left",
        "vectors, left",
    ]
    text = markdown([*header, "gain, all", "gain, left", "gain kept"], lines)
    return {f"{model}, {condition}": cells for (model, condition), cells in rows.items()}, text


def _gain(by_table: Mapping[str, Mapping[str, list[float]]], kind: str) -> Estimate:
    return estimate([list(np.subtract(cell[kind], cell[f"raw {kind}"])) for cell in by_table.values()])


def half_season(series: SampleSeries, last: bool) -> SampleSeries:
    """Only the dates of the first, or of the last, half of each row's span of dates."""
    day = series.dates.astype("datetime64[D]").astype(np.int64)
    if day.ndim == 1:
        day = np.broadcast_to(day, series.valid.shape[:2])
    middle = (day.min(axis=1) + day.max(axis=1))[:, None] / 2
    inside = day > middle if last else day <= middle
    return replace(series, valid=series.valid & inside[..., None])


def same_class_share(asked: np.ndarray, gallery: np.ndarray, label: np.ndarray, group: np.ndarray) -> float:
    """Share of the nearest rows of other spatial groups (cosine) that have the same class, mean over classes.

    Args:
        asked: (N, D) what is asked with; NaN rows are not asked.
        gallery: (N, D) what is searched among, the same rows in the same order.
        label: (N,), empty = neither asked nor searched among.
        group: (N,) spatial groups.
    """
    names, counts = np.unique(label[label != ""], return_counts=True)
    rows = np.flatnonzero(np.isin(label, names[counts >= LEAST]) & np.isfinite(asked).all(axis=1))
    among = np.flatnonzero(label != "")
    likeness = unit(asked[rows]) @ unit(gallery[among]).T
    likeness[group[rows][:, None] == group[among]] = -np.inf
    found = among[np.argsort(-likeness, axis=1, kind="stable")[:, :NEIGHBOURS]]
    same = (label[found] == label[rows][:, None]).mean(axis=1)
    return float(np.mean([same[label[rows] == c].mean() for c in np.unique(label[rows])]))


def half_seasons(tables: Sequence[Table], models: Encoders) -> dict[str, dict[str, dict[str, float]]]:
    """Share of the five nearest full seasons with the same class, asked with a full season and with either half.

    By vectors, then by what was asked with, then by table.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}

    def put(vectors: str, whole: np.ndarray, halves: Sequence[np.ndarray], table: Table) -> None:
        for name, asked in zip(("full", "first half", "last half"), (whole, *halves), strict=True):
            share = same_class_share(asked, whole, table.label, table.series.group)
            found.setdefault(vectors, {}).setdefault(name, {})[table.name] = share

    for table in tables:
        halves = [half_season(table.series, last) for last in (False, True)]
        random = np.random.default_rng(0).standard_normal((3, len(table.label), 64))
        put("chance", random[0], random[1:], table)
        put("raw bands, standardised", *_raw_halves(table.series, halves), table)
        for model, by_table in models.items():
            made = [encode(by_table[table.name], s) for s in (table.series, *halves)]
            whole, *rest = (np.where(np.isfinite(v), stored(filled(v)), np.nan) for v in made)
            put(model, filled(whole), rest, table)
    return found


def _raw_halves(series: SampleSeries, halves: Sequence[SampleSeries]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Raw bands scaled by the full seasons' means and deviations; what is missing is 0, at the mean."""
    flat = [np.where(s.valid, s.values, np.nan).reshape(len(s.values), -1) for s in (series, *halves)]
    kept = np.isfinite(flat[0]).any(axis=0)
    mean, deviation = np.nanmean(flat[0][:, kept], axis=0), np.nanstd(flat[0][:, kept], axis=0)
    scaled = [np.nan_to_num((x[:, kept] - mean) / np.where(deviation > 1e-9, deviation, 1.0)) for x in flat]
    return scaled[0], scaled[1:]


def halves_table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> tuple[dict[str, Any], str]:
    """JSON values and Markdown."""
    tables = list(found["chance"]["full"])
    lines = []
    for vectors, by_asked in found.items():
        full = float(np.mean(list(by_asked["full"].values())))
        for asked, shares in by_asked.items():
            mean = float(np.mean(list(shares.values())))
            each = [points(shares[t]) for t in tables]
            lines.append([vectors, asked, points(mean), f"{100 * mean / full:.0f} %", *each])
    head = f"same class among {NEIGHBOURS} nearest, mean"
    header = ["vectors", "asked with", head, "of full", *tables]
    return {name: dict(by_asked) for name, by_asked in found.items()}, markdown(header, lines)
