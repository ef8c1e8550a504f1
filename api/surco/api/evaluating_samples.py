"""A table of labelled series as rows to evaluate on: vectors of an encoder, raw bands, and other encoders' vectors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from surco.adapters import LocalScatter
from surco.adapters.evaluation import Labelled
from surco.api.evaluating_places import PLACES, blocks_of, named_places
from surco.api.refusals import SettingsError
from surco.embedstore import dequantize, quantize
from surco.encoder import Encoder, SampleSeries, SamplesWarning, load_encoder, read_samples
from surco.encoder.channels import INDEX

__all__ = ["LabelledSamples", "labelled_samples", "raw_features"]

Progress = Callable[[int, int, str], None]
Floats = npt.NDArray[np.float32]
_UNLABELLED = ("", "Unknown", "unknown")
_BATCH = 512


@dataclass(frozen=True, slots=True)
class LabelledSamples:
    """Rows to evaluate on, and what to say of them.

    Attributes:
        data: the rows.
        split_values: (N,) value that `--split` names, None where it names blocks.
        facts: about the rows, for people.
        encoder: whose vectors.
    """

    data: Labelled
    split_values: npt.NDArray[np.str_] | None
    facts: tuple[tuple[str, str], ...]
    encoder: Encoder


def labelled_samples(
    path: Path,
    model: str,
    split: str,
    *,
    beside: Sequence[str] = (),
    least: int = 5,
    progress: Progress | None = None,
) -> LabelledSamples:
    """Read and encode a table.

    Args:
        path: a sample table.
        model: of `load_encoder`.
        split: "blocks", one of `PLACES`, or a column of the table.
        beside: other encoders, whose vectors plain heads are fitted on.
        least: labels that a class needs; rarer ones are left out.
        progress: called as `progress(done, total, text)`.

    Raises:
        EncoderError: a table or encoder that cannot be used.
        SettingsError: no such column, or too few labels are left.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SamplesWarning)
        series = read_samples(path)
    encoder = load_encoder(model)
    vectors = _stored(_encoded(encoder, series, progress))
    seen = np.asarray(np.isfinite(vectors).all(axis=1), bool)
    label = series.label.astype(str)
    kept, rare = _kept(label, seen, least, path)
    groups, blocks = _groups(series)
    values, regions = _split_values(path, series, split)
    features: dict[str, npt.NDArray[np.floating]] = {"raw bands": raw_features(series)[kept]}
    for other in beside:
        theirs = load_encoder(other)
        features[f"{theirs.model_id} vectors"] = _filled(_encoded(theirs, series, progress))[kept]
    data = Labelled.of(
        vectors[kept],
        label[kept],
        groups[kept],
        regions=None if regions is None else regions[kept],
        features=features,
        pool=LocalScatter.where_enough(vectors[seen]),
    )
    facts = (
        ("table", path.name),
        ("labels", f"{int(kept.sum()):,} of {len(label):,} series, in {len(data.classes)} classes"),
        ("left out", f"{int((~seen).sum())} series without a valid value"),
        ("classes left out, too rare", ", ".join(rare.tolist()) or "none"),
        ("blocks", blocks),
        ("vectors of", encoder.model_id),
    )
    return LabelledSamples(data, None if values is None else values[kept], facts, encoder)


def _kept(
    label: npt.NDArray[np.str_], seen: npt.NDArray[np.bool_], least: int, path: Path
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.str_]]:
    """Which rows can be used, and the classes that are too rare to be."""
    kept = seen & ~np.isin(label, _UNLABELLED)
    names, counts = np.unique(label[kept], return_counts=True)
    rare = names[counts < least]
    kept &= ~np.isin(label, rare)
    if len(np.unique(label[kept])) < 2:
        raise SettingsError(
            f"Expected labels of two classes with {least} or more each in {path.name}, got "
            f"{int(kept.sum())} labels that can be used. Label more series, or lower --least-labels."
        )
    return kept, rare


def raw_features(series: SampleSeries) -> npt.NDArray[np.float64]:
    """All bands at all dates with NDVI, NDMI and terrain, gaps at the column's mean: (N, columns)."""
    x = np.where(series.valid, series.values, np.nan).astype(np.float64)
    columns = [x]
    for a, b in (("nir", "red"), ("nir", "swir16")):
        total = x[..., INDEX[a]] + x[..., INDEX[b]]
        index = (x[..., INDEX[a]] - x[..., INDEX[b]]) / np.where(total > 0, total, np.nan)
        columns.append(index[..., None])
    flat = np.concatenate([np.concatenate(columns, -1).reshape(len(x), -1), series.static], axis=1)
    flat = flat[:, np.isfinite(flat).any(axis=0)]
    return np.where(np.isfinite(flat), flat, np.nanmean(flat, axis=0))


def _encoded(encoder: Encoder, series: SampleSeries, progress: Progress | None) -> Floats:
    """(N, D) vectors; NaN rows where nothing is valid."""
    n, parts = len(series.values), []
    for start in range(0, n, _BATCH):
        rows = slice(start, start + _BATCH)
        parts.append(
            encoder.encode(
                series.values[rows],
                series.valid[rows],
                series.dates[rows],
                series.lonlat[rows],
                series.static[rows],
            )
        )
        if progress:
            progress(min(start + _BATCH, n), n, f"encoding, {encoder.model_id}")
    return np.concatenate(parts)


def _stored(vectors: Floats) -> Floats:
    """Vectors as a store gives them back: through int8; NaN rows stay."""
    seen = np.isfinite(vectors).all(axis=1)
    out = np.full_like(vectors, np.nan)
    out[seen] = dequantize(*quantize(vectors[seen]))
    return out


def _filled(vectors: Floats) -> Floats:
    return np.asarray(np.where(np.isfinite(vectors), vectors, np.float32(0)), np.float32)


def _groups(series: SampleSeries) -> tuple[npt.NDArray[np.int64], str]:
    """The spatial block of each series: the table's own, else hexagons, else none known."""
    if (series.group != "").all():
        return np.unique(series.group.astype(str), return_inverse=True)[1], "column `group` of the table"
    rows = np.arange(len(series.label))
    if np.isfinite(series.lonlat).all():
        return blocks_of(series.lonlat[:, 0], series.lonlat[:, 1], rows)
    return rows, "none: the table has neither `group` nor places, so neighbours may teach and test"


def _split_values(
    path: Path, series: SampleSeries, split: str
) -> tuple[npt.NDArray[np.str_] | None, npt.NDArray[np.str_] | None]:
    """The value `split` names of each row (None for blocks), and what regions are compared by."""
    lon, lat = series.lonlat.T
    placed = bool(np.isfinite(series.lonlat).all())
    if split == "blocks":
        comuna = named_places(lon, lat, "comuna") if placed else None
        return None, comuna if comuna is not None and (comuna != "").any() else None
    columns = pq.read_schema(path).names
    if split in columns and split != "label":
        column = pq.read_table(path, columns=[split])[split].to_pylist()
        values = np.array(["" if v is None else str(v) for v in column], dtype=np.str_)
    elif split in PLACES and placed:
        values = named_places(lon, lat, split)
    else:
        raise SettingsError(
            f"Expected --split blocks, {', '.join(PLACES)} (with `lon` and `lat`) or a column of {path.name}; got "
            f"{split!r}. Its columns are {', '.join(columns)}."
        )
    return values, values
