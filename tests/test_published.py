"""Published encoders: weights load strictly, vectors are those of the published code, bad input is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from shared_data import shared
from stac_catalogs import optical, radar, write_catalog

from surco.embedstore import Season, Store, nearest
from surco.encoder import MODELS, Encoder, embed_samples, encode_store, load_encoder, read_samples
from surco.encoder.channels import CHANNELS, INDEX
from surco.encoder.errors import ModelError
from surco.encoder.published.presto_model import PrestoNetwork
from surco.encoder.published.weights import ENVIRONMENT, load_strictly, read_tensors

PUBLISHED = ("presto", "galileo-nano")
Series = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]

REFERENCE = {
    "presto": [
        [-0.0476185, -0.0874699, 0.1697456, -0.0205838, -0.0042870, -0.1838900],
        [-0.0476595, -0.1548974, 0.1381311, 0.0211065, 0.0399239, -0.1590990],
    ],
    "galileo-nano": [
        [0.0227382, 0.0091857, -0.1831699, 0.0361837, 0.0143488, -0.0242984],
        [0.0053350, 0.0051368, -0.2085193, 0.0359544, 0.0203317, -0.0395744],
    ],
}
"""First six numbers of the two vectors of `reference_series`, by the published single-file code of each model, run once
on the published weights (its output brought to unit length)."""


@pytest.fixture(autouse=True)
def published_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of ../shared/data, on one thread."""
    monkeypatch.setenv(ENVIRONMENT, str(shared("weights")))
    torch.set_num_threads(1)


def series(n: int = 5, t: int = 12, start: str = "2024-05") -> Series:
    """N complete series of T months, all different."""
    rng = np.random.default_rng(7)
    values = rng.uniform(0.02, 0.5, (n, t, len(CHANNELS))).astype(np.float32)
    values[..., 10:12] = rng.uniform(-22, -6, (n, t, 2))
    values[..., 12] = rng.uniform(275, 300, (n, t))
    values[..., 13] = rng.uniform(0, 200, (n, t))
    dates = (np.datetime64(start) + np.arange(t)).astype("datetime64[D]") + np.timedelta64(14, "D")
    lonlat = np.column_stack([rng.uniform(-73, -70, n), rng.uniform(-40, -30, n)]).astype(np.float32)
    static = np.column_stack([rng.uniform(0, 900, n), rng.uniform(0, 20, n)]).astype(np.float32)
    return values, np.ones(values.shape, np.bool_), dates, lonlat, static


def reference_series() -> Series:
    """Two series by formula: one complete, one with gaps in every way; no random numbers, so that they last."""
    step = np.arange(2 * 12 * len(CHANNELS), dtype=np.float64).reshape(2, 12, len(CHANNELS))
    wave = 0.5 + 0.5 * np.sin(step * 0.37)
    low = np.array([0.02] * 10 + [-20.0, -26.0, 276.0, 0.0])
    high = np.array([0.45] * 10 + [-8.0, -14.0, 299.0, 160.0])
    values = (low + wave * (high - low)).astype(np.float32)
    valid = np.ones(values.shape, np.bool_)
    valid[1, ::3, :10] = False
    valid[1, 4, INDEX["vh"]] = False
    valid[1, :, INDEX["nir08"]] = False
    valid[1, 6:, 12:] = False
    dates = (np.datetime64("2023-05") + np.arange(12)).astype("datetime64[D]") + np.timedelta64(14, "D")
    lonlat = np.array([[-71.5, -35.25], [-72.25, -39.5]], np.float32)
    return values, valid, dates, lonlat, np.array([[120.0, 2.5], [np.nan, np.nan]], np.float32)


@pytest.mark.parametrize("name", PUBLISHED)
def test_gives_the_vectors_of_the_published_code(name: str) -> None:
    """Vectors are those of the published implementation on the same weights, gaps and all."""
    vectors = load_encoder(name).encode(*reference_series())
    np.testing.assert_allclose(vectors[:, :6], REFERENCE[name], atol=2e-6)


@pytest.mark.parametrize("name", PUBLISHED)
def test_keeps_the_protocol(name: str) -> None:
    """One finite unit vector of 128 numbers a sample, the same at every call, with a card and an id."""
    encoder = load_encoder(name)
    assert isinstance(encoder, Encoder)
    first, second = encoder.encode(*series()), encoder.encode(*series())
    assert first.shape == (5, encoder.dimension) == (5, 128)
    assert first.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(first, second)
    assert encoder.model_id == f"{name}-1"
    assert len(np.unique(first[:, 0])) == 5


@pytest.mark.parametrize("name", PUBLISHED)
def test_rows_are_independent(name: str) -> None:
    """A row's vector does not depend on the other rows, on their gaps, or on the order."""
    encoder = load_encoder(name)
    values, valid, dates, lonlat, static = series(40)
    valid = valid & (np.random.default_rng(1).random(valid.shape) > 0.2)
    dates = np.broadcast_to(dates, values.shape[:2]).copy()
    dates[::2] += np.timedelta64(31, "D")
    whole = encoder.encode(values, valid, dates, lonlat, static)
    turned = encoder.encode(*(x[::-1] for x in (values, valid, dates, lonlat, static)))
    alone = np.concatenate(
        [encoder.encode(*(x[i : i + 1] for x in (values, valid, dates, lonlat, static))) for i in range(40)]
    )
    np.testing.assert_allclose(turned[::-1], whole, atol=3e-6)
    np.testing.assert_allclose(alone, whole, atol=3e-6)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_not_valid_is_not_seen(name: str) -> None:
    """Numbers under a False valid, NaN and infinity included, change nothing; the order of dates changes nothing."""
    encoder = load_encoder(name)
    values, valid, dates, lonlat, static = series()
    valid[:, 3:6, :10] = False
    plain = encoder.encode(values, valid, dates, lonlat, static)
    other = values.copy()
    other[~valid] = np.resize([np.nan, np.inf, -1e9], int((~valid).sum()))
    np.testing.assert_array_equal(encoder.encode(other, valid, dates, lonlat, static), plain)
    turned = encoder.encode(values[:, ::-1], valid[:, ::-1], dates[::-1], lonlat, static)
    np.testing.assert_allclose(turned, plain, atol=1e-6)


@pytest.mark.parametrize("name", PUBLISHED)
def test_rows_without_a_measurement_are_nan(name: str) -> None:
    """No valid value, or no complete group of channels, gives NaN, not a vector of the place alone."""
    values, valid, dates, lonlat, static = series(3)
    valid[0] = False
    valid[1] = False
    valid[1, :, INDEX["red"]] = True
    vectors = load_encoder(name).encode(values, valid, dates, lonlat, static)
    assert np.isnan(vectors[:2]).all()
    assert np.isfinite(vectors[2]).all()


@pytest.mark.parametrize("name", PUBLISHED)
def test_place_month_and_terrain_matter(name: str) -> None:
    """Position, calendar month and terrain reach the network, and may be unknown."""
    encoder = load_encoder(name)
    values, valid, dates, lonlat, static = series(1)
    plain = encoder.encode(values, valid, dates, lonlat, static)
    later = dates + np.timedelta64(182, "D")
    for changed in (
        encoder.encode(values, valid, later, lonlat, static),
        encoder.encode(values, valid, dates, -lonlat, static),
        encoder.encode(values, valid, dates, lonlat, static + 500),
        encoder.encode(values, valid, dates, np.full_like(lonlat, np.nan), static),
        encoder.encode(values, valid, dates, lonlat, np.full_like(static, np.nan)),
    ):
        assert np.isfinite(changed).all()
        assert np.abs(changed - plain).max() > 1e-4


def test_refuses_a_series_over_24_months() -> None:
    """A series longer than the position table is an error that names the row."""
    values, valid, dates, lonlat, static = series(2, 25)
    both = np.stack([np.full(25, dates[0]), dates])
    with pytest.raises(ModelError, match=r"at most 24 months.*25 in row 1.*Cut"):
        load_encoder("presto").encode(values, valid, both, lonlat, static)


def test_refuses_arrays_that_do_not_fit() -> None:
    """Shapes that do not belong together are named."""
    values, valid, dates, lonlat, static = series()
    with pytest.raises(ModelError, match=r"Expected values and valid \(N, T, 14\)"):
        load_encoder("presto").encode(values, valid, dates[:-1], lonlat, static)


@pytest.mark.parametrize("name", PUBLISHED)
def test_says_where_weights_are_looked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the variable, or with a folder that has no weights, the message says what to set."""
    assert name in MODELS
    monkeypatch.delenv(ENVIRONMENT)
    with pytest.raises(ModelError, match=r"got no SURCO_WEIGHTS in the environment.*set SURCO_WEIGHTS"):
        load_encoder(name)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    with pytest.raises(ModelError, match=f"got no folder {tmp_path}"):
        load_encoder(name)


def test_loads_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor missing, over, or of another shape is refused by name; the decoder is known and left out."""
    source = shared("weights/presto/default_model.pt")
    tensors = read_tensors(source)
    encoder = {k.removeprefix("encoder."): v for k, v in tensors.items() if k.startswith("encoder.")}
    load_strictly(PrestoNetwork(), encoder, source)
    with pytest.raises(ModelError, match=r"norm\.bias"):
        load_strictly(PrestoNetwork(), {k: v for k, v in encoder.items() if k != "norm.bias"}, source)
    with pytest.raises(ModelError, match="size mismatch"):
        load_strictly(PrestoNetwork(), encoder | {"norm.bias": torch.zeros(3)}, source)
    folder = tmp_path / "presto"
    folder.mkdir()
    torch.save(tensors | {"head.weight": torch.zeros(1)}, folder / "default_model.pt")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    with pytest.raises(ModelError, match=r"encoder and decoder.*head\.weight"):
        load_encoder("presto")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.json", "{}"),
        ("config.json", "[1]"),
        ("config.json", '{"model": {"encoder": {"embedding_size": "128"}}}'),
        ("normalization.json", '{"13": {"mean": [1], "std": [1]}}'),
        ("normalization.json", "not JSON"),
    ],
)
def test_refuses_damaged_companions(
    file: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Galileo's configuration and statistics are checked before they are used."""
    folder = tmp_path / "galileo_nano"
    shutil.copytree(shared("weights/galileo_nano"), folder)
    folder.chmod(0o755)
    (folder / file).unlink()
    (folder / file).write_text(text)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    with pytest.raises(ModelError, match=rf"Expected .*{file}"):
        load_encoder("galileo-nano")


def test_embeds_real_samples(tmp_path: Path) -> None:
    """`surco embed` takes any encoder: the table has 128 numbers a row and names the model."""
    source = shared("samples/corsica_2022.parquet")
    report = embed_samples(source, tmp_path / "out.parquet", load_encoder("presto"))
    table = pq.read_table(tmp_path / "out.parquet")
    assert report.rows == table.num_rows == 500
    assert table.schema.field("embedding").type.list_size == 128
    assert json.loads(table.schema.metadata[b"emb"])["model_id"] == "presto-1"
    assert len(read_samples(source).label) == 500


@pytest.mark.parametrize("name", PUBLISHED)
def test_encodes_scenes_into_a_store(name: str, tmp_path: Path) -> None:
    """`surco encode` takes any encoder: cells of 128 numbers that can be searched, and the model's card."""
    numbers = {"red": 500 + np.arange(30), "nir": 3000 - np.arange(30), "blue": 300, "green": 400}
    items = [optical(f"s2-{d}", d, numbers, wide=30) for d in ("2024-05-03", "2024-09-11")]
    catalog = write_catalog(tmp_path / "stac", [*items, radar("s1", "2024-06-06", 0.08, 0.02, wide=30)])
    store = Store.open_or_create(tmp_path / "store")
    encode_store(catalog, Season(2024), store, load_encoder(name), resolutions=(12,))
    cells = store.read("cells", model_id=f"{name}-1")
    assert cells.schema.field("embedding").type.list_size == 128
    assert store.model_card(f"{name}-1")["licence"] == "MIT"
    found = nearest(store, int(cells["h3"][0].as_py()), 3, table="cells")
    assert found["similarity"][0].as_py() == pytest.approx(1, abs=1e-3)
