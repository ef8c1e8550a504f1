"""A store whose answers are known, and the blocks of docs/warehouse.md by the engine they are for; not a fixture."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.embedstore import Store, comuna_of, nearest

PAGE = Path(__file__).parent.parent / "docs" / "warehouse.md"
CELLS, PARCELS = 3_000, 40
_BLOCK = re.compile(r"<!-- engine: (\w+)(?:; answers: (\w+))? -->\n```\w+\n(.*?)```", re.DOTALL)
_ASKED = "620137985358430207"


@dataclass(frozen=True)
class Block:
    """Code of the page: for which engine, what it answers where that is known."""

    engine: str
    answers: str | None
    text: str


def blocks(engine: str) -> list[Block]:
    """The page's blocks for an engine, in their order."""
    found = [Block(*match) for match in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))]
    return [Block(each.engine, each.answers or None, each.text) for each in found if each.engine == engine]


def warehouse_store(path: Path) -> Store:
    """Cells and parcels around Talca in two versions, so that a wildcard would count rows twice."""
    cells = cell_ids(CELLS)
    rows = cells_batch(cells, unit_vectors(CELLS))
    place = rows.schema.get_field_index("comuna")
    rows = rows.set_column(place, rows.schema.field(place), comuna_of(cells))
    crops = ["maize", "vineyard", None, "cherry"] * 10
    store = Store.create(path)
    for _ in range(2):
        with store.transaction() as tx:
            tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9)
            parcels = parcels_batch(squares(PARCELS, size=0.02), unit_vectors(PARCELS, seed=1), crops)
            tx.put_parcels([parcels], model_id=MODEL, season=SEASON)
    return store


@dataclass(frozen=True)
class Expected:
    """What the store itself answers."""

    cell: int
    comunas: Counter[int | None]
    nearest: list[tuple[int, float]]
    inside: Counter[str]

    @classmethod
    def of(cls, store: Store) -> Expected:
        """Counts by comuna, the ten cells most like the middle one, cells inside each parcel."""
        cells, parcels = store.read("cells", resolution=9), store.read("parcels")
        cell = cells["h3"].to_pylist()[CELLS // 2]
        near = nearest(store, cell, 10, table="cells", exact=True)
        tree = shapely.STRtree(shapely.from_wkb(cells["geometry"].to_numpy()))
        where, _ = tree.query(shapely.from_wkb(parcels["geometry"].to_numpy()), predicate="contains")
        ids = parcels["id"].to_pylist()
        return cls(
            cell,
            Counter(cells["comuna"].to_pylist()),
            list(zip(near["h3"].to_pylist(), near["similarity"].to_pylist(), strict=True)),
            Counter(ids[number] for number in where.tolist()),
        )

    def asked(self, text: str) -> str:
        """A block's text, asking about a cell of this store."""
        return text.replace(_ASKED, str(self.cell))

    def fault(self, what: str | None, rows: list[tuple[Any, ...]]) -> str | None:
        """What is wrong with an answer; None where it is right, or nothing is known of it."""
        if what == "comunas":
            right = {row[0]: int(row[1]) for row in rows} == dict(self.comunas)
        elif what == "inside":
            right = {row[0]: int(row[1]) for row in rows} == dict(self.inside)
        elif what == "nearest":
            right = [int(row[0]) for row in rows] == [key for key, _ in self.nearest] and all(
                abs(row[1] - similarity) < 1e-5
                for row, (_, similarity) in zip(rows, self.nearest, strict=True)
            )
        else:
            return None
        return None if right else f"another answer than ours: {rows[:3]}"
