"""The real labelled tables as vectors and as raw bands, and priors that have not seen a table.

With a folder that `leave_files_out.py` wrote, each table's vectors are those of the model that has not seen it, and its
prior is learned without it: the covariance from that model's vectors of the other tables, mixture and temperatures
from the tasks of the others as models see them that have not seen those (`surco.adapters.Rotation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from encoder_few_shot import raw_features
from encoder_scores import filled, stored, unit
from encoder_sources import encode
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surco.adapters import LabelledTable, LearnedPrior, Rotation, clustered_table, meta_train, shipped_priors
from surco.adapters.learned_prior import find_prior
from surco.encoder import Encoder
from surco.encoder.samples import SampleSeries, read_samples

NO_CLASS = ("Unknown", "")
CLUSTERS = 24


def read_tables(folder: Path) -> dict[str, SampleSeries]:
    """Every sample table of a folder, by name."""
    return {path.stem: read_samples(path) for path in sorted(folder.glob("*.parquet"))}


def table_of(name: str, series: SampleSeries, vectors: np.ndarray) -> LabelledTable:
    """A table's vectors with its classes and groups."""
    groups = np.unique(np.asarray(series.group, str), return_inverse=True)[1]
    return LabelledTable(name, vectors, np.asarray(series.label, str), groups, origin=name)


def vector_table(name: str, series: SampleSeries, encoder: Encoder) -> LabelledTable:
    """A table's vectors as a store gives them back."""
    return table_of(name, series, stored(filled(encode(encoder, series))))


def raw_table(name: str, series: SampleSeries) -> LabelledTable:
    """All bands at all dates with two indices, standardised by whoever fits them."""
    return table_of(name, series, raw_features(series).astype(np.float32))


def component_table(raw: LabelledTable) -> LabelledTable:
    """The first 64 principal components of a raw table's standardised numbers, each row brought to length 1."""
    parts = make_pipeline(StandardScaler(), PCA(64, random_state=0)).fit_transform(raw.vectors)
    return replace(raw, vectors=unit(parts).astype(np.float32))


def priors_of(
    by_table: Mapping[str, Encoder], series: Mapping[str, SampleSeries], *, tasks: int, seed: int
) -> dict[str, LearnedPrior]:
    """The prior for each table: learned without it where encoders are that have not seen it, else the shipped one."""
    served: dict[str, list[str]] = {}
    for name, encoder in by_table.items():
        served.setdefault(encoder.model_id, []).append(name)
    if len(served) == 1:
        encoder = next(iter(by_table.values()))
        known = encoder.model_id in shipped_priors()
        prior = find_prior(encoder.model_id, encoder.dimension) if known else LearnedPrior()
        return dict.fromkeys(by_table, prior)
    found = {}
    for unseen in served.values():
        rest = [name for name in series if name not in unseen]
        rotations = [
            Rotation(_with_clusters(by_table[others[0]], rest, series), frozenset(others))
            for others in served.values()
            if others != unseen
        ]
        own = _with_clusters(by_table[unseen[0]], rest, series)
        prior = meta_train(
            own, model_id=by_table[unseen[0]].model_id, rotations=rotations, tasks=tasks, seed=seed
        )
        found |= dict.fromkeys(unseen, prior)
    return found


def _with_clusters(
    encoder: Encoder, names: list[str], series: Mapping[str, SampleSeries]
) -> list[LabelledTable]:
    tables = [vector_table(name, series[name], encoder) for name in names]
    clustered = [
        clustered_table(
            f"clusters of {t.name}",
            t.vectors,
            t.groups,
            clusters=min(CLUSTERS, len(t.vectors) // 20),
            origin=t.name,
        )
        for t in tables
    ]
    return [*tables, *clustered]
