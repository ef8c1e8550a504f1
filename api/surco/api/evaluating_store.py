"""Labels of a store as rows to evaluate on: their vectors, blocks, seasons, and what a stored adapter has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import shapely

from surco.adapters import LocalScatter
from surco.adapters.evaluation import Labelled
from surco.api.evaluating_places import PLACES, blocks_of, named_places
from surco.api.evaluating_samples import raw_features
from surco.api.maps import vectors
from surco.api.refusals import SettingsError
from surco.embedstore import Examples, Labels, Store, match_labels, read_label_column, read_labels
from surco.encoder import read_samples

__all__ = ["StoreRows", "labelled_rows", "table_sample", "unseen"]

Unit = Literal["auto", "cells", "parcels"]
_POOL_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class StoreRows:
    """Rows of a store whose class somebody knows.

    Attributes:
        data: the rows.
        split_values: (N,) value that `--split` names, None where it names blocks.
        ids: (N,) cells or parcels.
        seasons: (N,) season of each row's vector.
        unit: "cells" or "parcels".
        model_id: whose vectors.
        facts: about the rows, for people.
    """

    data: Labelled
    split_values: npt.NDArray[np.str_] | None
    ids: npt.NDArray[np.str_]
    seasons: npt.NDArray[np.str_]
    unit: str
    model_id: str
    facts: tuple[tuple[str, str], ...]


def labelled_rows(
    store: Store,
    path: Path,
    split: str = "blocks",
    *,
    class_column: str | None = None,
    season: str | None = None,
    unit: Unit = "auto",
    model_id: str | None = None,
    raw: Path | None = None,
) -> StoreRows:
    """Find the vectors of a label file.

    Args:
        store: an open store.
        path: GeoJSON of points or polygons.
        split: "blocks", one of `PLACES`, "season" (the file's column `season` names each label's), or a column.
        class_column: of the class; None for the usual names.
        season: of all labels, where they are not split by season; None for the latest.
        unit: "cells", "parcels" or "auto".
        model_id: needed where the store holds several models.
        raw: a sample table whose `sample_id`s are ids of labels: its bands are compared as features.

    Raises:
        EmbedstoreError, SettingsError, EncoderError: what cannot be matched, and why.
    """
    labels = read_labels(path, class_column)
    examples, seasons = _matched(store, labels, split, season, unit, model_id)
    features = np.asarray(examples.groups, np.int64)
    inside = shapely.point_on_surface(labels.geometry)
    lon, lat = shapely.get_x(inside)[features], shapely.get_y(inside)[features]
    groups, blocks = blocks_of(lon, lat, features)
    values = _split_values(path, split, features, lon, lat, seasons)
    regions = named_places(lon, lat, "comuna") if values is None else values
    data = Labelled.of(
        examples.X,
        examples.y,
        groups,
        regions=regions if (regions != "").any() else None,
        features={} if raw is None else {"raw bands": _raw(raw, labels, features)},
        pool=_pool(store, examples, seasons),
    )
    names = sorted(set(seasons.tolist()))
    facts = (
        ("store", f"{store.path.name}, version {store.version}"),
        ("labels", f"{path.name}: {len(labels):,} features, {len(data):,} {examples.unit}"),
        ("season", ", ".join(names)),
        ("blocks", blocks),
        ("left out", f"{len(examples.conflicts)} {examples.unit} with two classes"),
        ("outside", f"{len(examples.unmatched)} labels name no {examples.unit} of the store"),
        ("vectors of", examples.model_id),
    )
    ids = np.array([str(i) for i in examples.ids], dtype=np.str_)
    return StoreRows(data, values, ids, seasons, examples.unit, examples.model_id, facts)


def unseen(rows: StoreRows, cards: Mapping[str, Mapping[str, Any]]) -> tuple[StoreRows, tuple[str, ...]]:
    """The rows that no adapter has learned from, and what could not be made sure, in sentences.

    Args:
        rows: labelled rows.
        cards: cards of adapters by name; `fit_adapter` writes the ids of its training rows into them.

    Raises:
        SettingsError: an adapter learned from all of them.
    """
    keep, said = np.ones(len(rows.ids), bool), []
    for name, card in cards.items():
        training = card.get("training", {})
        ids = training.get("ids")
        if not isinstance(ids, list) or training.get("unit") != rows.unit:
            said.append(
                f"The card of {name} does not tell which {rows.unit} it learned from: some of these may be among them."
            )
            continue
        taught = np.isin(rows.ids, [str(i) for i in ids])
        same = rows.seasons == str(training.get("season"))
        keep &= ~(taught & same)
        if (taught & same).any():
            said.append(f"{int((taught & same).sum())} {rows.unit} that {name} learned from were left out.")
        if (taught & ~same).any():
            said.append(
                f"{name} learned from {int((taught & ~same).sum())} of these places in another season."
            )
    if not keep.any():
        raise SettingsError(
            f"Expected labels that {' and '.join(cards)} have not learned from; got {len(rows.ids)} {rows.unit} that "
            "are all among their training labels. Score on new labels, or evaluate without --adapter: labels are then "
            "held out in turn."
        )
    return _where(rows, keep), tuple(said)


def table_sample(store: Store, unit: Any, model_id: str, season: str) -> npt.NDArray[np.float32]:
    """Evenly spaced vectors of a table, at most 20,000, without those of places that were never seen."""
    table = store.read(unit, season=season, model_id=model_id, columns=["embedding", "embedding_scale"])
    step = max(1, table.num_rows // _POOL_ROWS)
    rows = vectors(table.take(np.arange(0, table.num_rows, step)[:_POOL_ROWS]))
    return rows[rows.any(axis=1)]


def _matched(
    store: Store, labels: Labels, split: str, season: str | None, unit: Unit, model_id: str | None
) -> tuple[Examples, npt.NDArray[np.str_]]:
    """Examples whose groups are positions in `labels`, and the season of each."""
    if split != "season":
        examples = match_labels(store, labels, season=season, unit=unit, model_id=model_id)
        name = season or store.find(examples.unit, model_id=examples.model_id).season
        return examples, np.full(len(examples.y), name)
    said = np.array(read_label_column(labels.path, "season"), dtype=np.str_)
    names = sorted(set(said.tolist()) - {""})
    if len(names) < 2 or season is not None:
        raise SettingsError(
            "Expected labels of two seasons or more, named in their column `season`, and no --season; got "
            f"{', '.join(names) or 'none'}. Name each label's season, or split by blocks."
        )
    found, seasons = [], []
    for name in names:
        here = np.flatnonzero(said == name)
        part = Labels(
            labels.geometry[here], [labels.label[i] for i in here], [labels.id[i] for i in here], labels.path
        )
        examples = match_labels(store, part, season=name, unit=unit, model_id=model_id)
        found.append(replace(examples, groups=here[examples.groups]))
        seasons.append(np.full(len(examples.y), name))
    return _joined(found), np.concatenate(seasons)


def _joined(parts: list[Examples]) -> Examples:
    units = {part.unit for part in parts}
    if len(units) > 1:
        raise SettingsError(
            f"Expected labels of all seasons to name {' or '.join(sorted(units))}, got both. Say --unit."
        )
    ids: Any = [i for p in parts for i in p.ids]
    return replace(
        parts[0],
        X=np.concatenate([p.X for p in parts]),
        y=np.concatenate([p.y for p in parts]),
        groups=np.concatenate([p.groups for p in parts]),
        ids=ids,
        conflicts=tuple(c for p in parts for c in p.conflicts),
        unmatched=tuple(u for p in parts for u in p.unmatched),
    )


def _split_values(
    path: Path,
    split: str,
    features: npt.NDArray[np.int64],
    lon: npt.NDArray[np.float64],
    lat: npt.NDArray[np.float64],
    seasons: npt.NDArray[np.str_],
) -> npt.NDArray[np.str_] | None:
    if split == "blocks":
        return None
    if split == "season":
        return seasons
    if split in PLACES:
        return named_places(lon, lat, split)
    return np.array(read_label_column(path, split), dtype=np.str_)[features]


def _raw(path: Path, labels: Labels, features: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Raw bands of each row's label, found by its id."""
    series = read_samples(path)
    position = {name: i for i, name in enumerate(series.sample_id.tolist())}
    wanted = [labels.id[f] for f in features.tolist()]
    missing = sorted({name for name in wanted if name not in position})
    if missing:
        raise SettingsError(
            f"Expected a series for each label in {path.name}, by `sample_id`; got none for {len(missing)} labels, "
            f"such as {missing[0]!r}. Export the labels' ids, or leave --raw out."
        )
    return raw_features(series)[[position[name] for name in wanted]]


def _pool(store: Store, examples: Examples, seasons: npt.NDArray[np.str_]) -> LocalScatter | None:
    names = sorted(set(seasons.tolist()))
    parts = [table_sample(store, examples.unit, examples.model_id, name) for name in names]
    rows = np.concatenate([part[:: len(names)] for part in parts])
    return LocalScatter.where_enough(rows)


def _where(rows: StoreRows, keep: npt.NDArray[np.bool_]) -> StoreRows:
    data = rows.data
    present, codes = np.unique(data.codes[keep], return_inverse=True)
    kept = replace(
        data,
        vectors=data.vectors[keep],
        codes=codes.astype(np.intp),
        classes=tuple(data.classes[c] for c in present),
        groups=data.groups[keep],
        regions=None if data.regions is None else data.regions[keep],
        features={name: table[keep] for name, table in data.features.items()},
    )
    values = None if rows.split_values is None else rows.split_values[keep]
    return replace(rows, data=kept, split_values=values, ids=rows.ids[keep], seasons=rows.seasons[keep])
