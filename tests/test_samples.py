from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shared_data import shared

from surco.encoder import BandMeanEncoder, SamplesError, embed_samples, load_encoder, read_samples
from surco.encoder.channels import INDEX

DATES = [dt.date(2024, 5, 3), dt.date(2024, 6, 3), dt.date(2024, 7, 3)]


def table(tmp_path: Path, **columns: list) -> Path:
    """A sample file of two rows with red and nir, columns replaced (or removed by None) as asked."""
    whole = {
        "sample_id": ["a", "b"],
        "lon": [-71.0, -71.1],
        "lat": [-35.0, -35.1],
        "label": ["wheat", "maize"],
        "group": ["1", "2"],
        "dates": [DATES, DATES[:2]],
        "red": [[0.1, None, 0.3], [0.05, 0.06]],
        "nir": [[0.3, 0.4, float("nan")], [0.5, 0.6]],
        **columns,
    }
    path = tmp_path / "samples.parquet"
    pq.write_table(pa.table({k: v for k, v in whole.items() if v is not None}), path)
    return path


def test_reads_ragged_series_with_gaps(tmp_path: Path) -> None:
    """Null, NaN and the end of a shorter row are invalid; everything else is where it belongs."""
    series = read_samples(table(tmp_path))
    assert series.values.shape == (2, 3, 14)
    red, nir = INDEX["red"], INDEX["nir"]
    assert series.valid[0, :, red].tolist() == [True, False, True]
    assert series.valid[0, :, nir].tolist() == [True, True, False]
    assert series.valid[1].sum(axis=1).tolist() == [2, 2, 0]
    assert series.values[1, 1, nir] == np.float32(0.6)
    assert series.label.tolist() == ["wheat", "maize"]


def test_all_zero_reflectance_is_missing(tmp_path: Path) -> None:
    """A date of zero in every optical band is a gap, a single zero band is a measurement."""
    path = table(tmp_path, red=[[0.0, 0.0, 0.3], [0.05, 0.06]], nir=[[0.0, 0.4, 0.2], [0.5, 0.6]])
    valid = read_samples(path).valid[0]
    assert not valid[0].any()
    assert valid[1, INDEX["red"]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"red": [[1000.0, 1100.0, 900.0], [800.0, 700.0]]}, r"`red`.*Divide by 10000"),
        ({"vv": [[0.1, 0.2, 0.1], [0.1, 0.1]]}, r"decibels in `vv`.*linear power"),
        ({"red": [[0.1, 0.2], [0.05, 0.06]]}, r"row 0 has 2 of `red` for 3 dates"),
        ({"dates": [DATES, []], "red": [[0.1] * 3, []], "nir": [[0.1] * 3, []]}, r"row 1 has none"),
        ({"dates": None}, r"column `dates`"),
        ({"red": None, "nir": None}, r"at least one channel"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, columns: dict, message: str) -> None:
    """Each way a table can be wrong is one sentence with the column, the value and what to do."""
    with pytest.raises(SamplesError, match=message):
        read_samples(table(tmp_path, **columns))


def test_not_parquet_empty_or_absent(tmp_path: Path) -> None:
    """A file that is missing, empty of rows, or no Parquet is named."""
    with pytest.raises(SamplesError, match="found nothing"):
        read_samples(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(SamplesError, match="is none"):
        read_samples(tmp_path / "text.parquet")
    pq.write_table(pa.table({"dates": pa.array([], pa.list_(pa.date32()))}), tmp_path / "empty.parquet")
    with pytest.raises(SamplesError, match="at least one row"):
        read_samples(tmp_path / "empty.parquet")


def test_embedding_keeps_columns_and_marks_empty_rows(tmp_path: Path) -> None:
    """The result keeps the sample's columns, and a row that saw nothing is null, not zero."""
    path = table(tmp_path, red=[[None] * 3, [0.05, 0.06]], nir=[[None] * 3, [0.5, 0.6]])
    report = embed_samples(path, tmp_path / "out.parquet", BandMeanEncoder())
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.column_names == ["sample_id", "lon", "lat", "label", "group", "embedding", "embedding_scale"]
    assert out.schema.field("embedding").type == pa.list_(pa.int8(), 64)
    assert out["embedding"].null_count == out["embedding_scale"].null_count == report.without_value == 1
    assert json.loads(out.schema.metadata[b"emb"])["model_id"] == "band-mean-1"


def test_nothing_half_written(tmp_path: Path) -> None:
    """An encoder that fails leaves no output and no part of one."""

    class Broken(BandMeanEncoder):
        def encode(self, *args: object) -> np.ndarray:
            raise MemoryError

    with pytest.raises(MemoryError):
        embed_samples(table(tmp_path), tmp_path / "out.parquet", Broken())
    assert [p.name for p in tmp_path.iterdir()] == ["samples.parquet"]


@pytest.mark.parametrize(
    "name",
    ["chile_maule_2020", "corsica_2022", "east_africa_2017", "flanders_2018", "france_2023", "world_500"],
)
def test_every_real_file_embeds(name: str, tmp_path: Path) -> None:
    """Each real sample file gives one usable vector a row, and equal labels lie closer than unequal ones."""
    path = shared(f"samples/{name}.parquet")
    report = embed_samples(path, tmp_path / "out.parquet", load_encoder("surco-nano"))
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.num_rows == report.rows == pq.read_metadata(path).num_rows
    assert out["embedding"].null_count == 0
    vectors = (
        np.stack(out["embedding"].to_pylist()).astype(np.float32)
        * np.asarray(out["embedding_scale"])[:, None]
    )
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=0.02)
    label = np.asarray(out["label"].to_pylist())
    same = label[:, None] == label[None, :]
    np.fill_diagonal(same, False)
    known = label != "Unknown"
    pairs = known[:, None] & known[None, :] & ~np.eye(len(label), dtype=bool)
    similarity = vectors @ vectors.T
    assert similarity[same & pairs].mean() > similarity[~same & pairs].mean() + 0.02
