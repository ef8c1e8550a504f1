"""A writer whose disk is full or read-only, as the operating system makes it. Run by test_bad_input.

Prints what the store said, and nothing where the write went through.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.embedstore import EmbedstoreError, Store, collect_garbage, rollback


def write(store: Store) -> None:
    """Cells, parcels, a card and an adapter."""
    with store.transaction() as tx:
        tx.put_model("other-1", {"title": "x" * 2000})
        tx.put_adapter("crops", {"weights.safetensors": b"x" * 3000})
        cells = cells_batch(cell_ids(500), unit_vectors(500))
        tx.put_cells([cells], model_id=MODEL, season=SEASON, resolution=9)
        parcels = parcels_batch(squares(300), unit_vectors(300), ["maize"] * 300)
        tx.put_parcels([parcels], model_id=MODEL, season=SEASON)


def attempt(what: str, path: Path) -> None:
    """Do one thing to a store."""
    if what == "write":
        write(Store.open(path))
    elif what == "create":
        Store.create(path / "deep" / "new")
    elif what == "staging":
        Store.open(path).staging("run-1")
    elif what == "rollback":
        rollback(path, 1)
    elif what == "gc":
        collect_garbage(path, keep=1, delete=True)
    elif what == "read":
        print(Store.open(path).read("cells").num_rows)


def main(what: str, path: str, limit: str, user: str) -> None:
    """Limit every file to `limit` bytes and become `user`, where they are given, then attempt."""
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    if user:
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    try:
        attempt(what, Path(path))
    except EmbedstoreError as error:
        print(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
