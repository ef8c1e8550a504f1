"""A run's finished tiles as tables of the store: merged a group of keys at a time, visible in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import shapely

from surco.embedstore import Season, Store
from surco.embedstore.transaction import Transaction
from surco.encoder.errors import CatalogError
from surco.encoder.levels import COARSEST
from surco.encoder.merging import merged_cells, merged_parcels
from surco.encoder.parcels import ParcelError, Parcels
from surco.encoder.protocol import Encoder
from surco.encoder.report import EncodeReport, TableFacts, read_report, run_note, with_earlier
from surco.encoder.scenes import Scene
from surco.encoder.staging import Staging, TileSums
from surco.encoder.tables import cell_batches, parcel_batches

__all__ = ["Target", "commit"]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The tables that a run makes, and what they are to say of themselves.

    Attributes:
        key: of the run.
        sources: what observations come from: first the catalogue, or the region, then collections.
        season: of the run.
        resolutions: of the cells, finest first: the tiles are summed by the finest.
        parcels: that were summed too.
        ground: of the run, in degrees.
        scenes: of the run.
        uneroded: parcels that were too small to be eroded.
        encoder: whose vectors they are.
        within: more that the note of the run says of its ground, as JSON.
    """

    key: str
    sources: tuple[str, ...]
    season: Season
    resolutions: tuple[int, ...]
    parcels: Parcels | None
    ground: shapely.Geometry
    scenes: Sequence[Scene]
    uneroded: int
    encoder: Encoder
    within: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tables(self) -> list[tuple[str, int | None]]:
        """Name and resolution of each."""
        cells: list[tuple[str, int | None]] = [("cells", level) for level in self.resolutions]
        return cells if self.parcels is None else [*cells, ("parcels", None)]

    def report(self, store: Store) -> EncodeReport | None:
        """What the run did, where all of its tables are in the store."""
        count = None if self.parcels is None else len(self.parcels.id)
        return read_report(store, self.key, self.encoder.model_id, self.season, self.resolutions, count)


def commit(
    target: Target, tiles: Staging, names: Sequence[str], holes: Sequence[Mapping[str, Any]], store: Store
) -> None:
    """Merge tiles and write all tables in one transaction.

    Memory holds one group of cells or parcels, and what the store's writer needs.

    Args:
        target: what to write.
        tiles: where the tiles are.
        names: of the tiles.
        holes: tiles that could not be done, as JSON.
        store: to write to.

    Raises:
        CatalogError: not one pixel was seen.
        ParcelError: no parcel has one.
        EmbedstoreError: a store that cannot be written.
    """
    writing = _Writing(target, tiles, names, holes)
    card = getattr(target.encoder, "card", None)
    with store.transaction() as transaction:
        if isinstance(card, Mapping):
            transaction.put_model(target.encoder.model_id, card)
        for level in target.resolutions:
            writing.put_cells(transaction, level)
        if target.parcels is not None:
            writing.put_parcels(transaction, target.parcels)


class _Writing:
    """The tables of one run on their way into the store."""

    def __init__(
        self, target: Target, tiles: Staging, names: Sequence[str], holes: Sequence[Mapping[str, Any]]
    ) -> None:
        self._target, self._tiles, self._names = target, tiles, names
        self._note = self._noted(holes)
        self._shared: dict[str, Any] = {
            "model_id": target.encoder.model_id,
            "season": target.season,
            "sources": list(target.sources),
            "merge": True,
        }

    def put_cells(self, transaction: Transaction, level: int) -> None:
        """Write the cells of one resolution."""
        facts = self._facts(transaction, "cells", level)
        transaction.put_cells(self._cell_rows(level), resolution=level, **facts, **self._shared)

    def put_parcels(self, transaction: Transaction, parcels: Parcels) -> None:
        """Write the parcels."""
        if not self._note["parcels"]:
            raise ParcelError(
                "Expected a parcel with at least one pixel that was seen; got none. "
                "Check the parcels' CRS, or choose another season."
            )
        facts = self._facts(transaction, "parcels", None)
        transaction.put_parcels(self._parcel_rows(parcels), **facts, **self._shared)

    def _noted(self, holes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        target = self._target
        note = run_note(
            target.key, target.sources[0], target.season, target.scenes, target.resolutions,
            target.ground.bounds, len(self._names), self._load, target.uneroded, holes,
        )  # fmt: skip
        if not note["pixels_seen"]:
            raise CatalogError(
                f"Expected at least one clear observation in {target.season}; got {len(target.scenes)} scenes without "
                "a usable pixel in the area. Choose another season or area."
            )
        return {**note, **target.within}

    def _facts(self, transaction: Transaction, table: Any, level: int | None) -> TableFacts:
        target = self._target
        held = transaction.held(table, target.encoder.model_id, target.season, level)
        return with_earlier(
            self._note, held, COARSEST if level is None else level, target.season, target.ground
        )

    def _cell_rows(self, level: int) -> Iterator[pa.RecordBatch]:
        finest = self._target.resolutions[0]
        for sums in merged_cells(len(self._names), lambda number: self._load(number).cells, finest, level):
            yield from cell_batches(sums)

    def _parcel_rows(self, parcels: Parcels) -> Iterator[pa.RecordBatch]:
        for sums in merged_parcels(len(self._names), lambda number: self._load(number).parcels):
            yield from parcel_batches(sums, parcels)

    def _load(self, number: int) -> TileSums:
        return self._tiles.load(self._names[number])
