"""Imported rows set aside on disk until all are known; memory holds their bounds, areas and digests only."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.embedstore.spill import Spill
from surco.encoder.parcel_import.features import Objects

__all__ = ["Shelf", "Sorted"]

_KEY = "parcels"


class Shelf:
    """Rows in the order they came.

    Args:
        folder: a fresh one, on a disk with room.
    """

    def __init__(self, folder: Path) -> None:
        self._spill = Spill(folder)
        self._bounds: list[npt.NDArray[np.float64]] = []
        self._area: list[npt.NDArray[np.float64]] = []
        self._digests: list[npt.NDArray[np.uint64]] = []
        self.types: set[str] = set()

    def put(self, rows: pa.RecordBatch, shapes: Objects, area: npt.NDArray[np.float64]) -> None:
        """Add rows, with their columns `id` and `geometry` (WKB), and their shapes and m²."""
        self._spill.append(_KEY, rows)
        self._bounds.append(shapely.bounds(shapes))
        self._area.append(area)
        texts: list[Any] = rows.column("id").to_pylist()
        outlines: list[Any] = rows.column("geometry").to_pylist()
        pairs = [(_digest(text.encode()), _digest(wkb)) for text, wkb in zip(texts, outlines, strict=True)]
        self._digests.append(np.array(pairs, np.uint64).reshape(-1, 2))
        self.types |= {
            "MultiPolygon" if kind == 6 else "Polygon" for kind in np.unique(shapely.get_type_id(shapes))
        }

    def sorted_out(self) -> Sorted:
        """The rows, each id once."""
        return Sorted(
            self._spill.read(_KEY),
            np.concatenate(self._bounds),
            np.concatenate(self._area),
            np.concatenate(self._digests),
        )


class Sorted:
    """All rows, with ids that occur once.

    Args:
        table: rows as they came, mapped into memory from disk.
        bounds, area: (N, 4) degrees and (N,) m².
        digests: (N, 2) of id and outline.

    Attributes:
        repeated: rows whose id and outline occurred before, mapped to that earlier row.
        renamed: rows whose id occurred before with another outline, with their new ids.
    """

    def __init__(
        self,
        table: pa.Table,
        bounds: npt.NDArray[np.float64],
        area: npt.NDArray[np.float64],
        digests: npt.NDArray[np.uint64],
    ) -> None:
        self._chunks: Sequence[pa.RecordBatch] = table.to_batches()
        self._starts = np.cumsum([0, *(chunk.num_rows for chunk in self._chunks)])
        self.bounds, self.area = bounds, area
        self.repeated, self.renamed = _resolve(digests, self._ids)

    def take(self, rows: npt.NDArray[np.intp], columns: Sequence[str] | None = None) -> pa.Table:
        """Some rows in the order asked for; only the batches in which they lie are touched."""
        order = np.argsort(rows, kind="stable")
        asked = np.asarray(rows)[order]
        which = np.searchsorted(self._starts, asked, side="right") - 1
        parts = []
        for chunk in np.unique(which):
            batch = self._chunks[chunk] if columns is None else self._chunks[chunk].select(list(columns))
            parts.append(batch.take(asked[which == chunk] - self._starts[chunk]))
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return pa.Table.from_batches(parts).combine_chunks().take(back)

    def shapes(self, rows: npt.NDArray[np.int64]) -> Objects:
        """The outlines of some rows."""
        found: Objects = shapely.from_wkb(
            self.take(rows, ["geometry"]).column("geometry").to_numpy(zero_copy_only=False)
        )
        return found

    def ids(self, rows: npt.NDArray[np.intp]) -> list[str]:
        """The ids of some rows, new ones where they were changed."""
        return [self.renamed.get(int(row), text) for row, text in zip(rows, self._ids(rows), strict=True)]

    def _ids(self, rows: npt.NDArray[np.intp]) -> list[str]:
        found: list[Any] = self.take(rows, ["id"]).column("id").to_pylist() if len(rows) else []
        return found


def _resolve(digests: npt.NDArray[np.uint64], ids_of: Any) -> tuple[Mapping[int, int], Mapping[int, str]]:
    """Which rows are there twice, and new ids for others whose id occurred before: `17#2`, `17#3`."""
    _, place, times = np.unique(digests[:, 0], return_inverse=True, return_counts=True)
    suspect = np.flatnonzero(times[place] > 1)
    known = np.unique(digests[:, 0])
    new: set[int] = set()
    seen: dict[str, dict[int, int]] = {}
    number: Counter[str] = Counter()
    repeated: dict[int, int] = {}
    renamed: dict[int, str] = {}
    for row, text in zip(suspect.tolist(), ids_of(suspect), strict=True):
        outlines = seen.setdefault(text, {})
        outline = int(digests[row, 1])
        if outline in outlines:
            repeated[row] = outlines[outline]
            continue
        if outlines:
            number[text] = max(number[text], 1) + 1
            while _is_taken(digest := _digest(f"{text}#{number[text]}".encode()), known, new):
                number[text] += 1
            renamed[row] = f"{text}#{number[text]}"
            new.add(digest)
        outlines[outline] = row
    return repeated, renamed


def _is_taken(digest: int, known: npt.NDArray[np.uint64], new: set[int]) -> bool:
    place = int(np.searchsorted(known, np.uint64(digest)))
    return digest in new or (place < len(known) and int(known[place]) == digest)


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
