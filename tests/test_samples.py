from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shared_data import shared

from surco.encoder import BandMeanEncoder, Encoder, SamplesError, embed_samples, load_encoder, read_samples
from surco.encoder.channels import INDEX
from surco.encoder.samples import SamplesWarning

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
        ({"red": [[1000.0, 1100.0, 900.0], [800.0, 700.0]]}, r"`red`.*Divide by 10000, or say .*=0.0001"),
        ({"red": [[1000, 65535, 900], [800, 700]]}, r"`red`, got a median of 850, .* ten-thousandths"),
        ({"nir": [[10.0, 11.0, 9.0], [8.0, 7.0]]}, r"`nir`.*looks like percent. Divide by 100"),
        ({"vv": [[0.1, -9999.0, 0.1], [0.1, 0.1]]}, r"decibels in `vv`.*10 \* log10"),
        ({"vh": [[180.0, 200.0, 150.0], [0.0, 90.0]]}, r"decibels in `vh`, got mostly positive"),
        ({"temperature": [[12.0, 9.0, 7.5], [11.0, 8.0]]}, r"kelvin in `temperature`.*Add 273.15"),
        ({"precipitation": [[-5.0, -1.0, -2.0], [-3.0, -4.0]]}, r"mm from 0 to 5000 in `precipitation`"),
        ({"ndvi": [[5000.0] * 3, [1.0] * 2], "red": None, "nir": None}, r"`ndvi`.*median of 5000"),
        ({"dates": [[DATES[0], None, DATES[2]], DATES[:2]]}, r"row 0 has a null"),
        ({"dates": [DATES, [dt.date(9999, 1, 1)] * 2]}, r"row 1 has 9999-01-01"),
        ({"dates": [["2024-05-03"] * 3, ["2024-05-03"] * 2]}, r"lists of dates in `dates`, got list"),
        ({"dates": DATES[:2]}, r"lists of dates in `dates`, got date32"),
        ({"red": [0.1, 0.2]}, r"lists of numbers in `red`, got double"),
        ({"red": [["a"] * 3, ["b"] * 2]}, r"lists of numbers in `red`, got list<.*string>"),
        ({"lon": [250_000.0, 251_000.0]}, r"degrees from -180 to 180 in `lon`, row 0 has 250000"),
        ({"lat": ["35 S", "36 S"]}, r"numbers in `lat`, got string"),
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


def one(tmp_path: Path, encoder: Encoder | None = None, **columns: list) -> np.ndarray:
    """Vectors of a table, by the shipped encoder where no other is given."""
    series = read_samples(table(tmp_path, **columns))
    encoder = encoder or load_encoder("surco-nano")
    return encoder.encode(series.values, series.valid, series.dates, series.lonlat, series.static)


def test_stated_scale_is_taken(tmp_path: Path) -> None:
    """Ten-thousandths with the scale stated are the same series, and the scale touches optical columns only."""
    red, nir = [[1000.0, None, 3000.0], [500.0, 600.0]], [[3000.0, 4000.0, float("nan")], [5000.0, 6000.0]]
    vv = [[-9.0, -10.0, -11.0], [-8.0, -7.0]]
    plain = read_samples(table(tmp_path, vv=vv))
    scaled = read_samples(table(tmp_path, red=red, nir=nir, vv=vv), reflectance_scale=1e-4)
    np.testing.assert_allclose(scaled.values, plain.values, rtol=1e-6)
    np.testing.assert_array_equal(scaled.valid, plain.valid)
    with pytest.raises(SamplesError, match="scale above 0, got 0"):
        read_samples(table(tmp_path), reflectance_scale=0)


def test_infinities_and_fill_values_are_missing(tmp_path: Path) -> None:
    """Infinity, -9999 and 65535 are gaps; the vector is that of the series with nulls in their places."""
    bad = one(
        tmp_path, red=[[0.1, float("inf"), 0.3], [-9999.0, 0.06]], nir=[[0.3, 65535.0, 0.4], [0.5, 0.6]]
    )
    good = one(tmp_path, red=[[0.1, None, 0.3], [None, 0.06]], nir=[[0.3, None, 0.4], [0.5, 0.6]])
    np.testing.assert_array_equal(bad, good)


def test_order_of_dates_does_not_matter(tmp_path: Path) -> None:
    """A series out of order has the vector of the series in order."""
    turned = one(
        tmp_path,
        dates=[DATES[::-1], DATES[:2]],
        red=[[0.3, 0.2, 0.1], [0.05, 0.06]],
        nir=[[0.2, 0.4, 0.3], [0.5, 0.6]],
    )
    straight = one(tmp_path, red=[[0.1, 0.2, 0.3], [0.05, 0.06]], nir=[[0.3, 0.4, 0.2], [0.5, 0.6]])
    np.testing.assert_allclose(turned, straight, atol=2e-5)


def test_a_day_twice_is_one_observation(tmp_path: Path) -> None:
    """Optical and radar of one day in two places, and a look twice, give the vector of the day once."""
    twice = [DATES[0], DATES[0], DATES[1], DATES[1]]
    doubled = one(
        tmp_path,
        BandMeanEncoder(),
        dates=[twice, DATES[:2]],
        red=[[0.1, None, 0.2, 0.4], [0.05, 0.06]],
        nir=[[0.3, None, 0.4, 0.4], [0.5, 0.6]],
        vv=[[None, -9.0, None, None], None],
    )
    once = one(
        tmp_path,
        BandMeanEncoder(),
        dates=[DATES[:2], DATES[:2]],
        red=[[0.1, 0.3], [0.05, 0.06]],
        nir=[[0.3, 0.4], [0.5, 0.6]],
        vv=[[-9.0, None], None],
    )
    np.testing.assert_allclose(doubled, once, atol=2e-5)


def test_one_date_is_a_vector(tmp_path: Path) -> None:
    """A single date with a single channel gives a unit vector, another for another value."""
    single = {"dates": [DATES[:1], DATES[:1]], "red": None, "nir": [[0.1], [0.5]]}
    vectors = one(tmp_path, **single)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert float(vectors[0] @ vectors[1]) < 0.999


def test_ndvi_alone_stands_for_red_and_nir(tmp_path: Path) -> None:
    """A table with NDVI only is read as red and near infrared of that ratio; beside either it is not read."""
    ndvi = [[0.2, None, 0.8], [0.5, float("nan")]]
    series = read_samples(table(tmp_path, red=None, nir=None, ndvi=ndvi))
    red, nir = series.values[..., INDEX["red"]], series.values[..., INDEX["nir"]]
    seen = series.valid[..., INDEX["red"]]
    assert seen.tolist() == [[True, False, True], [True, False, False]]
    red, nir = red[seen], nir[seen]
    np.testing.assert_allclose((nir - red) / (nir + red), [0.2, 0.8, 0.5], rtol=1e-5)
    with pytest.warns(SamplesWarning, match="nothing reads the columns ndvi"):
        assert read_samples(table(tmp_path, ndvi=ndvi)).values[1, 0, INDEX["nir"]] == np.float32(0.5)


def test_unknown_columns_are_named(tmp_path: Path) -> None:
    """What nothing reads is named once, by a warning and in the report, and changes no vector."""
    path = table(tmp_path, B04=[[0.1] * 3, [0.2] * 2], farmer=["x", "y"])
    with pytest.warns(SamplesWarning, match="B04, farmer.*rename it to its STAC") as caught:
        report = embed_samples(path, tmp_path / "out.parquet", BandMeanEncoder())
    assert len(caught) == 1
    assert report.ignored == ("B04", "farmer")
    embed_samples(table(tmp_path), tmp_path / "plain.parquet", BandMeanEncoder())
    embedded, plain = (pq.read_table(tmp_path / name) for name in ("out.parquet", "plain.parquet"))
    assert embedded["embedding"].equals(plain["embedding"])


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    """Two columns of one name are ambiguous."""
    columns = [pa.array([DATES]), pa.array([[0.1] * 3]), pa.array([[0.2] * 3])]
    pq.write_table(pa.Table.from_arrays(columns, ["dates", "red", "red"]), tmp_path / "t.parquet")
    with pytest.raises(SamplesError, match="`red` 2 times"):
        read_samples(tmp_path / "t.parquet")


@pytest.mark.parametrize("make", [pa.large_list, lambda kind: pa.list_(kind, 3)])
def test_lists_of_every_kind(tmp_path: Path, make: Callable[[pa.DataType], pa.DataType]) -> None:
    """Large and fixed-size lists, timestamps and whole numbers are read as lists of dates and floats are."""
    stamps = [dt.datetime(d.year, d.month, d.day, 14, 30) for d in DATES]
    columns = {
        "dates": pa.array([stamps, stamps], make(pa.timestamp("ms"))),
        "nir": pa.array([[0.1, None, 0.3], None], make(pa.float64())),
        "precipitation": pa.array([[1, 2, 3], [4, 5, 6]], make(pa.int32())),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    series = read_samples(tmp_path / "t.parquet")
    assert series.dates[1].tolist() == DATES
    assert series.valid[:, :, INDEX["nir"]].tolist() == [[True, False, True], [False] * 3]
    assert series.values[1, :, INDEX["precipitation"]].tolist() == [4, 5, 6]


def test_rows_are_counted_through_the_file(tmp_path: Path) -> None:
    """An error in a later batch names the row of the file, and leaves no output."""
    rows = 5000
    dates = [[DATES[0]]] * rows
    dates[4321] = [dt.date(1900, 1, 1)]
    pq.write_table(pa.table({"dates": dates, "nir": [[0.3]] * rows}), tmp_path / "t.parquet")
    with pytest.raises(SamplesError, match="row 4321 has 1900-01-01"):
        embed_samples(tmp_path / "t.parquet", tmp_path / "out.parquet", BandMeanEncoder())
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


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


def test_ndvi_alone_still_tells_classes_apart(tmp_path: Path) -> None:
    """On the real Maule samples, nearest neighbours by vectors of NDVI alone share the class far above chance."""
    path = shared("samples/chile_maule_2020.parquet")
    whole = pq.read_table(path).slice(0, 3400).take(np.arange(0, 3400, 4))
    flat = {name: np.asarray(whole[name].combine_chunks().flatten()) for name in ("red", "nir")}
    ndvi = (flat["nir"] - flat["red"]) / np.maximum(flat["nir"] + flat["red"], 1e-6)
    offsets = whole["red"].combine_chunks().offsets
    alone = whole.drop_columns(["red", "nir", "swir16"]).append_column(
        "ndvi", pa.ListArray.from_arrays(offsets, pa.array(ndvi))
    )
    pq.write_table(alone, tmp_path / "ndvi.parquet")
    series = read_samples(tmp_path / "ndvi.parquet")
    vectors = load_encoder("surco-nano").encode(
        series.values, series.valid, series.dates, series.lonlat, series.static
    )
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)
    same = series.label[similarity.argmax(axis=1)] == series.label
    chance = sum(float(np.mean(series.label == name)) ** 2 for name in set(series.label))
    assert same.mean() > chance + 0.2
