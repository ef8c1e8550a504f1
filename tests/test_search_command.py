"""The command that makes an index."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from store_builders import MODEL, SEASON, cell_ids, cells_batch, small_store, unit_vectors

from surco.api.cli import main
from surco.embedstore import Store, how_found, nearest


def test_an_index_is_made_and_used(tmp_path: Path) -> None:
    """The command says how many rows and what recall; a search of the store then uses the index."""
    store = Store.create(tmp_path / "s")
    vectors = unit_vectors(1_500)
    with store.transaction() as tx:
        tx.put_cells([cells_batch(cell_ids(1_500), vectors)], model_id=MODEL, season=SEASON, resolution=9)
    done = CliRunner().invoke(main, ["index", str(store.path), "--table", "cells", "--recall", "0.9"])
    assert done.exit_code == 0 and "1,500 rows in" in done.output and "true neighbours" in done.output
    assert not how_found(nearest(store, vectors[3], 5, table="cells", exact=False)).exact


def test_a_small_table_needs_none(tmp_path: Path) -> None:
    """A table too small for an index ends with exit code 2 and one sentence."""
    store = small_store(tmp_path / "s", 20)
    done = CliRunner().invoke(main, ["index", str(store.path)])
    assert done.exit_code == 2 and "1000 rows or more" in done.output.replace("\n", " ")
