"""Two adapters side by side: scores on labels that neither has learned from, or where their maps differ."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import shapely

from surco.adapters import CropTypeAdapter
from surco.adapters.evaluation import ADAPTER, Labelled, evaluate_fitted
from surco.api.evaluating_places import blocks_of
from surco.api.evaluating_store import StoreRows, unseen
from surco.api.fits.grounds import TableSample
from surco.api.fits.shelf import Shelved
from surco.api.fits.workshop import Workshop
from surco.api.refusals import InvalidError
from surco.embedstore import Labels, Store, match_labels

__all__ = ["differing_maps", "scored_pair"]

_AGREEMENT = "agreement says nothing of who is right: compare on labels that neither has learned from"


def scored_pair(
    shop: Workshop, store: Store, pair: tuple[Shelved, Shelved], labels: Labels, season: str | None
) -> dict[str, Any]:
    """Scores of both on labels that neither has learned from, and the paired difference, each with its interval.

    Raises:
        InvalidError: adapters of two models.
        CardError: an adapter that tells no classes.
        SettingsError, LabelError: no label that is new to both.
    """
    model_id = _model(pair)
    first, second = (shop.shelf.adapter(each, CropTypeAdapter.task) for each in pair)
    training = pair[0].card["training"]
    season = season or training.get("season")
    unit: Any = training.get("unit") if training.get("unit") in ("cells", "parcels") else "auto"
    most = shop.server.settings.max_fit_places
    examples = match_labels(store, labels, season=season, unit=unit, model_id=model_id, most_rows=most)
    inside = shapely.point_on_surface(labels.geometry)
    features = np.asarray(examples.groups, np.int64)
    groups, blocks = blocks_of(shapely.get_x(inside)[features], shapely.get_y(inside)[features], features)
    rows = StoreRows(
        Labelled.of(examples.X, examples.y, groups),
        None,
        np.array([str(i) for i in examples.ids], np.str_),
        np.full(len(examples.y), str(season)),
        examples.unit,
        model_id,
        (),
    )
    names = [f"{each.name}@{each.version}" for each in pair]
    kept, said = unseen(rows, dict(zip(names, (each.card for each in pair), strict=True)))
    found = evaluate_fitted(
        {names[0]: first, names[1]: second},
        kept.data,
        words=f"labels that neither learned from, resampled by {blocks}",
    )
    ours, theirs = found.entry(ADAPTER), found.entry(names[1])
    return {
        "split": found.split,
        "notes": [*said, *found.notes],
        "labels": found.n,
        "groups": found.n_groups,
        "scores": {"a": ours.scores.as_dict(), "b": theirs.scores.as_dict()},
        "difference": None if theirs.difference is None else asdict(theirs.difference),
    }


def differing_maps(
    shop: Workshop, store: Store, pair: tuple[Shelved, Shelved], season: str | None
) -> dict[str, Any]:
    """Hectares by class of the one and class of the other, counted on evenly spaced rows of the table.

    Raises:
        InvalidError: adapters of two models.
        CardError: an adapter that tells no classes.
        StoreError: no table of that season.
    """
    model_id = _model(pair)
    adapters = [shop.shelf.adapter(each, CropTypeAdapter.task) for each in pair]
    training = pair[0].card["training"]
    unit: Any = "parcels" if training.get("unit") == "parcels" else "cells"
    learned_from = training.get("season")
    ground = shop.grounds.of(
        store, unit, season or (learned_from if isinstance(learned_from, str) else None), model_id
    )
    hectares, same = _crossed(ground.sample, adapters)
    a, b = ([str(name) for name in adapter.classes_] for adapter in adapters)
    cells = [
        {"a": a[i], "b": b[j], "hectares": round(float(hectares[i, j]), 2)}
        for i, j in sorted(np.argwhere(hectares > 0).tolist(), key=lambda at: -hectares[at[0], at[1]])
    ]
    info, sample = ground.source.info, ground.sample
    counted = "all" if sample.whole else f"{len(sample.row):,} evenly spaced"
    return {
        "season": info.season,
        "unit": unit,
        "resolution": info.resolution,
        "method": f"counted on {counted} of {sample.rows:,} {unit}; {_AGREEMENT}",
        "agreement": round(same, 4),
        "hectares": cells,
    }


def _model(pair: tuple[Shelved, Shelved]) -> str:
    models = [str(each.card["model_id"]) for each in pair]
    if models[0] != models[1]:
        raise InvalidError(
            f"Expected adapters of one model, got {pair[0].name} of {models[0]} and {pair[1].name} of {models[1]}. "
            "Their vectors cannot be compared."
        )
    return models[0]


def _crossed(sample: TableSample, adapters: list[CropTypeAdapter]) -> tuple[np.ndarray[Any, Any], float]:
    """Hectares (K, L) by class of both, of the whole table, and the share of hectares of which both say the same."""
    seen = sample.scale > 0
    one, two = (each.head_.codes(sample.embedding[seen], sample.scale[seen]) for each in adapters)
    names = [np.array([str(name) for name in each.classes_], object) for each in adapters]
    hectares = np.zeros((len(names[0]), len(names[1])))
    np.add.at(hectares, (one, two), sample.hectares[seen] * sample.rows / len(sample.row))
    alike = names[0][:, None] == names[1][None, :]
    return hectares, float(hectares[alike].sum() / max(hectares.sum(), 1e-12))
