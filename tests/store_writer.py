"""A writer to be killed: writes version after version of a store until it is stopped. Run by test_store."""

from __future__ import annotations

import sys

from store_builders import MODEL, SEASON, cell_ids, cells_batch, unit_vectors

from surco.embedstore import Store


def main(path: str) -> None:
    """Replace all cells again and again; every version holds one value of n_pixels in each row."""
    store = Store.open(path)
    cells = cell_ids(400)
    print("ready", flush=True)
    while True:
        with store.transaction() as tx:
            batches = (
                cells_batch(cells[i : i + 50], unit_vectors(50, seed=store.version))
                for i in range(0, 400, 50)
            )
            tx.put_cells(batches, model_id=MODEL, season=SEASON, resolution=9, meta={"after": store.version})


if __name__ == "__main__":
    main(sys.argv[1])
