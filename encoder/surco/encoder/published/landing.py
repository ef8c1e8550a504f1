"""What pooling rasters and importing tables share: the request's checks, what goes with every write, notes of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore import Season, Store
from surco.encoder.errors import EncoderError, ModelError

__all__ = ["KINDS", "check_request", "count_by_level", "note_of", "write_arguments"]

KINDS: Final = ("published raster", "published vectors")
"""What the card of a published model says it is (`kind`)."""


def check_request(season: Season, store: Store, model_id: str) -> None:
    """Refuse now what would spoil the store, or be refused after hours of work.

    Raises:
        EncoderError: a season of another start month than the store's.
        ModelError: a model id under which the store holds vectors that an encoder of ours made.
    """
    if season.start_month != store.start_month:
        raise EncoderError(
            f"Expected a season that starts in month {store.start_month}, as all of the store {store.path}; "
            f"got {season.start} to {season.end}. Change the season's dates, or write to another store."
        )
    if model_id not in store.models():
        return
    kind = store.model_card(model_id).get("kind") if model_id in store.cards() else None
    if kind not in KINDS:
        raise ModelError(
            f"Expected a model id of its own for published vectors; got {model_id!r}, whose vectors in {store.path} "
            "an encoder made there. Choose another model id: vectors of two models cannot be compared."
        )


def count_by_level(cells: npt.NDArray[np.uint64], levels: Sequence[int]) -> dict[str, int]:
    """How many cells there are at each of some resolutions (as text), from all cells of the finest."""
    unique = np.unique(cells)
    counts = {}
    for level in sorted(levels, reverse=True):
        if len(unique):
            unique = np.unique(np.asarray(pa.array(h3ronpy.change_resolution(pa.array(unique), level))))
        counts[str(level)] = len(unique)
    return counts


def note_of(
    store: Store, key: str, model_id: str, season: Season, resolutions: Sequence[int], *, parcels: bool
) -> Mapping[str, Any] | None:
    """The note of a run whose tables are all in the store, else None.

    Args:
        store: to look in.
        key: of the run.
        model_id: whose vectors.
        season: of the run.
        resolutions: of its cells.
        parcels: whether it has parcels too.
    """
    held: dict[int | None, Mapping[str, Any]] = {
        table.resolution: note
        for table in store.tables()
        if (table.model_id, table.season) == (model_id, season.name)
        for note in table.meta.get("runs", [])
        if note["run"] == key
    }
    wanted = {*resolutions, *([None] if parcels else [])}
    return next(iter(held.values())) if wanted and wanted <= set(held) else None


def write_arguments(
    model_id: str, season: Season, sources: Sequence[str], card: Mapping[str, object]
) -> dict[str, Any]:
    """What goes with every table of an import: it joins what the store has of the model and season."""
    said = card.get("licence")
    return {
        "model_id": model_id,
        "season": season,
        "sources": list(sources),
        "licence": None if said is None else str(said),
        "merge": True,
    }
