"""Fitting an adapter on labels of a store: the same for the command line, the demo and the server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import shapely

from surco.adapters import (
    CropTypeAdapter,
    CrossValidation,
    LocalScatter,
    cross_validate,
    read_card,
    save_adapter,
)
from surco.adapters.legends import Legend, MixedFit, fit_mixed, load_legend
from surco.api.crop_fits import crop_adapter
from surco.api.evaluating_places import blocks_of
from surco.api.fit_reports import FitReport
from surco.api.fits.class_areas import ClassAreas, class_areas
from surco.api.fits.grounds import Ground, Grounds
from surco.api.growing import seen_until
from surco.api.label_checking import inspected, observed
from surco.api.legend_levels import legend_record
from surco.embedstore import Examples, Labels, Store, match_labels, read_labels

__all__ = ["Fit", "FitWish", "Unit", "fit_adapter", "fit_labels", "list_adapters"]

Unit = Literal["auto", "cells", "parcels"]
MOST_JUDGED = 20_000  # of more rows suspects are left to `surco labels check`, which takes its time


@dataclass(frozen=True, slots=True)
class FitWish:
    """How labels are to be fitted.

    Attributes:
        name: of the adapter.
        season: name of the season; None is the latest.
        unit: as for `match_labels`.
        model_id: needed where the store holds several models.
        legend: name or file of a legend; None without one.
        baselines: plain heads that are scored beside the adapter: all, none, or those named.
        most_places: most cells that labels may name; None is all.
    """

    name: str
    season: str | None = None
    unit: Unit = "auto"
    model_id: str | None = None
    legend: str | None = None
    baselines: bool | Collection[str] = True
    most_places: int | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted adapter that is not in the store yet: what is to be said of it, its files by name, its class areas."""

    report: FitReport
    files: dict[str, bytes]
    areas: ClassAreas


def fit_adapter(
    path: Path,
    labels: Path,
    *,
    name: str,
    class_column: str | None = None,
    season: str | None = None,
    unit: Unit = "auto",
    model_id: str | None = None,
    baselines: bool = True,
    legend: str | None = None,
) -> FitReport:
    """Fit a crop-type adapter on a file of labels and keep it in the store, as a new version of the store.

    See `fit_labels`.

    Raises:
        EmbedstoreError: the store, the labels or the season cannot be used.
        AdapterError: labels that nothing can be learned from.
    """
    store = Store.open(path)
    wish = FitWish(name, season, unit, model_id, legend, baselines)
    fit = fit_labels(store, read_labels(labels, class_column), wish, Grounds())
    with store.transaction() as transaction:
        transaction.put_adapter(name, fit.files)
    return fit.report


def fit_labels(store: Store, labels: Labels, wish: FitWish, grounds: Grounds) -> Fit:
    """Fit a crop-type adapter on labels, score it, and look the labels over; the store is only read.

    Evenly spaced vectors of the labels' own table serve as the unlabelled pool. Labels are held out by blocks of land.
    With a legend labels of several levels are used as what they say, and the card keeps the part of the legend that
    they need; exact labels alone are held out for the accuracy.

    Raises:
        EmbedstoreError: the labels or the season cannot be used.
        AdapterError: labels that nothing can be learned from.
    """
    tree = load_legend(wish.legend) if wish.legend else None
    matched = match_labels(
        store,
        labels,
        season=wish.season,
        unit=wish.unit,
        model_id=wish.model_id,
        most_rows=wish.most_places,
    )
    examples = observed(matched)
    ground = grounds.of(store, examples.unit, wish.season, examples.model_id)
    blocks, words = _blocks(labels, matched.groups)
    own = blocks[matched.X.any(axis=1)]
    began = time.perf_counter()
    adapter, y, mixed = _fitted(examples, own, tree, ground.pool)
    fit_ms = 1000.0 * (time.perf_counter() - began)
    exact = ~np.isin(mixed.labels.y, list(mixed.labels.among)) if mixed else np.ones(len(y), bool)
    unfitted = crop_adapter(examples.model_id, ground.pool)
    validation = cross_validate(
        unfitted, examples.X[exact], y[exact], own[exact], pool=ground.pool, baselines=wish.baselines
    )
    judged = len(y) <= MOST_JUDGED
    quality = inspected(labels, matched, tree, blocks=blocks, pool=ground.pool, folds=5, suspects=judged)
    areas = class_areas(adapter, ground.sample)
    training = _training(labels, examples, ground, words, validation) | {"areas": areas.as_dict()}
    if tree:
        training["legend"] = legend_record(tree, adapter.classes_.tolist())
    files = save_adapter(
        adapter, name=wish.name, model_id=examples.model_id, task=CropTypeAdapter.task, training=training
    )
    counts = dict(sorted(Counter(examples.y.tolist()).items()))
    return Fit(
        FitReport(wish.name, examples, counts, validation, words, fit_ms, quality, mixed), files, areas
    )


def list_adapters(path: Path) -> list[dict[str, Any]]:
    """Name, task, model id and classes of each adapter of a store, from their cards."""
    store = Store.open(path)
    cards = [read_card(store.adapter_dir(name)) for name in store.adapters()]
    named = [{key: card[key] for key in ("name", "task", "model_id")} for card in cards]
    return [fact | {"classes": _names(card.get("classes"))} for fact, card in zip(named, cards, strict=True)]


def _names(classes: object) -> list[str]:
    """Class names of a card, none where the adapter measures or draws."""
    return [str(name) for name in classes] if isinstance(classes, list) else []


def _blocks(labels: Labels, features: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], str]:
    """The block of land of each row, and what blocks are in words."""
    inside = shapely.point_on_surface(labels.geometry)
    return blocks_of(shapely.get_x(inside)[features], shapely.get_y(inside)[features], features)


def _training(
    labels: Labels, examples: Examples, ground: Ground, blocks: str, validation: CrossValidation
) -> dict[str, Any]:
    """What the card says of where the adapter comes from."""
    return {
        "labels": labels.path.name,
        "unit": examples.unit,
        "season": ground.source.info.season,
        "as_of": seen_until(ground.source.info),
        "ids": [str(i) for i in examples.ids],
        "blocks": blocks,
        "cross_validation": validation.as_dict(),
    }


def _fitted(
    examples: Examples, blocks: npt.NDArray[np.int64], tree: Legend | None, pool: LocalScatter | None
) -> tuple[CropTypeAdapter, npt.NDArray[np.str_], MixedFit | None]:
    """The adapter, the class that each example was used as, and what a legend made of the labels."""
    unfitted = crop_adapter(examples.model_id, pool)
    if tree is None:
        adapter = unfitted.fit(examples.X, examples.y, groups=blocks, pool=pool)
        return adapter, examples.y, None
    fit = fit_mixed(unfitted, examples.X, examples.y, tree, groups=blocks, pool=pool)
    return fit.adapter, fit.y, fit
