"""What published encoders are fed, and from which files: months, kept tokens, tensors. Needs no weights."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from surco.encoder.channels import CHANNELS, INDEX
from surco.encoder.errors import ModelError
from surco.encoder.published.months import to_months
from surco.encoder.published.token_groups import token_groups
from surco.encoder.published.transformer import kept_mean, pack
from surco.encoder.published.weights import read_tensors


def test_months_average_their_dates() -> None:
    """Dates of one month are averaged, radar in linear power, precipitation summed; months are real ones."""
    values = np.zeros((1, 3, len(CHANNELS)), np.float32)
    valid = np.zeros(values.shape, np.bool_)
    valid[0, :, INDEX["red"]] = [True, True, False]
    values[0, :, INDEX["red"]] = [0.1, 0.3, 0.9]
    valid[0, :2, [INDEX["vv"], INDEX["precipitation"]]] = True
    values[0, :2, INDEX["vv"]] = [-10.0, -20.0]
    values[0, :2, INDEX["precipitation"]] = [30.0, 12.0]
    dates = np.array(["2024-12-20", "2024-12-03", "2025-02-01"], "datetime64[D]")
    monthly = to_months(values, valid, dates, 24)
    assert monthly.month.tolist() == [[11, 0, 1]]
    assert monthly.valid[0, :, INDEX["red"]].tolist() == [True, False, False]
    assert monthly.values[0, 0, INDEX["red"]] == pytest.approx(0.2)
    assert monthly.values[0, 0, INDEX["vv"]] == pytest.approx(10 * np.log10(0.055))
    assert monthly.values[0, 0, INDEX["precipitation"]] == pytest.approx(42)


def test_packing_keeps_exactly_what_is_kept() -> None:
    """Kept tokens stay in order, the rest is cut or marked, and the mean runs over the kept alone."""
    tokens = torch.arange(8.0).reshape(2, 4, 1)
    keep = torch.tensor([[True, False, True, True], [False, True, False, False]])
    packed, kept = pack(tokens, keep)
    assert packed[0].flatten().tolist() == [0, 2, 3]
    assert packed[1, 0].item() == 5
    assert kept is not None
    assert kept.sum(dim=1).tolist() == [3, 1]
    assert kept_mean(packed, kept).flatten().tolist() == pytest.approx([5 / 3, 5])
    assert pack(tokens, torch.ones(2, 4, dtype=torch.bool))[1] is None


def test_groups_carry_published_units() -> None:
    """Reflectance in 10,000ths, rain in metres, the place on the unit sphere; a group lacking a channel is missing."""
    values = np.full((1, 1, len(CHANNELS)), 0.25, np.float32)
    values[..., INDEX["nir"]] = 0.75
    values[..., INDEX["precipitation"]] = 50.0
    valid = np.ones(values.shape, np.bool_)
    valid[..., INDEX["swir22"]] = False
    series = to_months(values, valid, np.array(["2024-07-09"], "datetime64[D]"), 24)
    groups = token_groups(series, np.array([[-90.0, 0.0]], np.float32), np.array([[np.nan, 3.0]], np.float32))
    assert groups["S2_RGB"].values.ravel().tolist() == [2500.0, 2500.0, 2500.0]
    assert groups["NDVI"].values.item() == pytest.approx(0.5)
    assert groups["ERA5"].values[0, 0, 1] == pytest.approx(0.05)
    np.testing.assert_allclose(groups["location"].values[0], [0, -1, 0], atol=1e-7)
    missing = {name for name, group in groups.items() if not group.keep.all()}
    assert missing == {"S2_SWIR", "SRTM"}
    assert series.year.item() == 2024


class Malicious:
    """Unpickles by running a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch stolen",)


def test_never_runs_what_a_weights_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that holds code instead of tensors is refused, and its code does not run."""
    monkeypatch.chdir(tmp_path)
    torch.save({"encoder": Malicious()}, tmp_path / "torch.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Malicious(), protocol=2))
    (tmp_path / "short.pt").write_bytes(b"PK\x03\x04")
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    for file in ("torch.pt", "bare.pt", "short.pt", "list.pt", "absent.pt"):
        with pytest.raises(ModelError, match="Expected a PyTorch state dict"):
            read_tensors(tmp_path / file)
    assert not (tmp_path / "stolen").exists()
