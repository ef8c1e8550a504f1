"""The three functions of a run as stages of Ray Data: rows in, rows out, in whatever process Ray puts them.

A row is a window: `tile`, `window`, what was read for it (`COUNTS`), and either a `body` (see `packing`, at last
`staging.to_payload`) or why there is none: a `kind` and a `reason`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from surco.encoder.encode_tile import encode_gathered
from surco.encoder.errors import EncoderError
from surco.encoder.grid import Window
from surco.encoder.runs.packing import pack, unpack
from surco.encoder.runs.stages import Stages
from surco.encoder.runs.work import Failure, MakeEncoder, Observer, Recipe, RunTile

__all__ = ["COUNTS", "REFUSED", "EncodeRows", "Shared", "pool_row", "read_row"]

COUNTS = ("requests", "bytes_read", "retries")
"""Of `ReadCounts`."""
REFUSED = "refused"
"""Kind of what makes every window fail."""

Row = dict[str, Any]
Tiles = Mapping[int, tuple[RunTile, Observer]]


class Shared:
    """What all windows of a run have in common, in the cluster's store; fetched once by each process.

    Args:
        reference: to a recipe, and to tile and source by the tile's number.
    """

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def stages(self) -> Stages:
        """The run's functions."""
        return _held(self._reference)[0]

    def tile(self, row: Row) -> tuple[RunTile, Observer, Window]:
        """A row's tile, where its observations come from, and its window."""
        tile, source = _held(self._reference)[1][int(row["tile"])]
        return tile, source, list(tile.windows())[int(row["window"])]


@cache
def _held(reference: Any) -> tuple[Stages, Tiles]:
    import ray

    recipe, tiles = ray.get(reference)
    return _stages(recipe), tiles


def _stages(recipe: Recipe) -> Stages:
    return Stages(recipe)


def read_row(row: Row, shared: Shared) -> Row:
    """Read a window."""
    stages = shared.stages()
    try:
        gathered = stages.read(*shared.tile(row))
    except EncoderError as error:
        return _row(row, kind=REFUSED, reason=str(error))
    reading = stages.read_since()
    row = {**row, **{name: getattr(reading, name) for name in COUNTS}}
    if isinstance(gathered, Failure):
        return _row(row, kind=gathered.kind, reason=gathered.reason)
    return _row(row, body=pack(gathered))


class EncodeRows:
    """Encodes windows of any tiles in one call; its process keeps the encoder.

    Args:
        make_encoder: makes it.
    """

    def __init__(self, make_encoder: MakeEncoder) -> None:
        self._encoder = make_encoder()

    def __call__(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Rows as columns, before and after."""
        rows = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
        encoded = self._encode([row for row in rows if not row["kind"]])
        done = [row for row in rows if row["kind"]] + encoded
        return {name: [row[name] for row in done] for name in batch}

    def _encode(self, rows: list[Row]) -> list[Row]:
        windows = [unpack(row["body"])[0] for row in rows]
        try:
            vectors = encode_gathered(self._encoder, windows)
        except EncoderError as error:
            return [_row(row, kind=REFUSED, reason=str(error)) for row in rows]
        return [_row(r, body=pack(w, v)) for r, w, v in zip(rows, windows, vectors, strict=True)]


def pool_row(row: Row, shared: Shared) -> Row:
    """Sum a window's pixels by cell and by parcel."""
    if row["kind"]:
        return row
    gathered, vectors = unpack(row["body"])
    return _row(row, body=shared.stages().pool(shared.tile(row)[2], gathered, vectors))


def _row(row: Row, *, body: bytes = b"", kind: str = "", reason: str = "") -> Row:
    counts = {name: row.get(name, 0) for name in COUNTS}
    said = {"body": body, "kind": kind, "reason": reason}
    return {"tile": row["tile"], "window": row["window"], **counts, **said}
