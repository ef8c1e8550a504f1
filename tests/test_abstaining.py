"""Maps that say "none of these"."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from store_builders import MODEL, SEASON, cell_ids, cells_batch

from surco.adapters import CropTypeAdapter, save_adapter
from surco.api.cli import main
from surco.embedstore import Store

N = 900


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """900 cells of three kinds, of which the adapter has learned two, from groups far apart."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 64))
    kinds = np.arange(N) % 3
    vectors = centres[kinds] + 0.5 * rng.normal(size=(N, 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    vectors[-3:] = 0
    store = Store.create(tmp_path_factory.mktemp("abstain") / "s")
    taught = np.flatnonzero(kinds < 2)[:120]
    names = np.array(["wheat", "maize"])[kinds[taught]]
    adapter = CropTypeAdapter().fit(vectors[taught], names, groups=np.arange(120) // 10)
    few = CropTypeAdapter().fit(vectors[taught[:6]], names[:6])
    with store.transaction() as tx:
        tx.put_cells([cells_batch(cell_ids(N), vectors)], model_id=MODEL, season=SEASON, resolution=9)
        for name, one in (("crops", adapter), ("few", few)):
            tx.put_adapter(name, save_adapter(one, name=name, model_id=MODEL, task="crop-type", training={}))
    return store


def mapped(store: Store, out: Path, *more: str, adapter: str = "crops") -> str:
    """Ask for a map by command; what it said, its exit code at the end."""
    words = ["map", str(store.path), "--adapter", adapter, "--out", str(out), *more]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    return f"{' '.join(result.output.split())} [{result.exit_code}]"


def test_places_unlike_every_class_have_none(store: Store, tmp_path: Path) -> None:
    """Cells of the kind that nobody labelled lose their class, few of the others do, and the count is said."""
    plain, careful = tmp_path / "plain.parquet", tmp_path / "careful.parquet"
    mapped(store, plain)
    said = mapped(store, careful, "--abstain", "0.05")
    before, after = (pq.read_table(f)["class"].to_pylist() for f in (plain, careful))
    assert before.count(None) == 3
    lost = after.count(None) - 3
    assert f"{lost} of them are unlike every labelled class" in said
    assert 290 < lost < 290 + 0.12 * 600
    assert all(a is None or a == b for a, b in zip(after, before, strict=True))


def test_what_cannot_be_abstained_from_is_a_sentence(store: Store, tmp_path: Path) -> None:
    """A share that is none, and an adapter of too few labels, are refused; no file is left."""
    out = tmp_path / "m.parquet"
    assert "Expected --abstain between 0 and 1, got 5.0" in mapped(store, out, "--abstain", "5")
    said = mapped(store, out, "--abstain", "0.05", adapter="few")
    assert "at least 20 labels in three groups" in said
    assert said.endswith("[2]")
    assert not out.exists()
