from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from test_evaluate_scripts import NAMES, SCRIPTS, TINY, write_table

from surco.encoder.checkpoint import load_checkpoint, save_checkpoint
from surco.encoder.model import SeriesEncoder

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="module")
def scripts_on_path() -> Iterator[None]:
    """The scripts import each other by their plain names."""
    sys.path.insert(0, SCRIPTS)
    yield
    sys.path.remove(SCRIPTS)


def test_heads_stay_and_the_last_layer_is_set_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every model of a folder keeps its heads and what it has not seen; the id and the last layer are new."""
    from assemble_again import main

    tables = tmp_path / "samples"
    tables.mkdir()
    for number, name in enumerate(NAMES):
        write_table(tables / f"{name}.parquet", number)
    path = tmp_path / "old" / "without_north.safetensors"
    save_checkpoint(path, SeriesEncoder(TINY.model), {"model_id": "old-1", "left_out": ["north"]})
    main([str(tables), str(tmp_path / "old"), "--out", str(tmp_path / "new")])
    single = tmp_path / "b.safetensors"
    main([str(tables), str(path), "--out", str(single), "--name", "b-1", "--set", "focus=0"])
    old, _ = load_checkpoint(path)
    new, card = load_checkpoint(tmp_path / "new" / path.name)
    other, named = load_checkpoint(single)
    for key, tensor in old.state_dict().items():
        is_new = key.startswith(("assemble.", "fill."))
        assert torch.equal(tensor, new.state_dict()[key]) != is_new, key
    assert not torch.equal(new.assemble.weight, other.assemble.weight)
    assert card["model_id"].startswith("old-1.")
    assert named["model_id"] == "b-1"
    assert card["left_out"] == ["north"]
    assert named["assembled_again"]["focus"] == 0.0
    assert json.loads((tmp_path / "b.json").read_text())["assembled_again"]["heads_of"] == "old-1"
    assert "b-1" in capsys.readouterr().out
