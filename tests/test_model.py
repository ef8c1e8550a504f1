from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from surco.encoder import CHANNELS, BandMeanEncoder, Encoder, ModelError, load_encoder
from surco.encoder.checkpoint import load_checkpoint, save_checkpoint
from surco.encoder.model import (
    YEAR_DAYS,
    ModelConfig,
    SeriesDecoder,
    SeriesEncoder,
    add_indices,
    season_grid,
)

torch.set_num_threads(1)


def series(n: int = 5, t: int = 12, seed: int = 0) -> tuple[np.ndarray, ...]:
    """N plausible series with gaps: values, valid, dates, lonlat, static."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.02, 0.5, (n, t, len(CHANNELS))).astype(np.float32)
    values[..., 10:12] = rng.uniform(-20, -8, (n, t, 2))
    values[..., 12], values[..., 13] = 288.0, 40.0
    valid = rng.random((n, t, len(CHANNELS))) < 0.7
    dates = np.datetime64("2024-05-15") + 30 * np.arange(t)
    lonlat = np.tile(np.float32([-71.2, -35.3]), (n, 1))
    return values, valid, dates, lonlat, np.tile(np.float32([300.0, np.nan]), (n, 1))


@pytest.fixture(scope="module", params=["surco-nano", "band-mean"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    """Each shipped encoder in turn."""
    return load_encoder(request.param)


def test_unit_vectors(encoder: Encoder) -> None:
    """Every encoder gives one finite unit vector a series, of the dimension it states."""
    out = encoder.encode(*series())
    assert out.shape == (5, encoder.dimension)
    assert out.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1.0, atol=1e-5)


def test_rows_are_independent(encoder: Encoder) -> None:
    """The order of rows, and who else is in the block, does not change a vector; nor do two calls differ."""
    values, valid, dates, lonlat, static = series(9)
    order = np.random.default_rng(1).permutation(9)
    whole = encoder.encode(values, valid, dates, lonlat, static)
    shuffled = encoder.encode(values[order], valid[order], dates, lonlat[order], static[order])
    np.testing.assert_allclose(whole[order], shuffled, atol=1e-5)
    np.testing.assert_array_equal(whole, encoder.encode(values, valid, dates, lonlat, static))


def test_a_vector_does_not_depend_on_its_company() -> None:
    """To the last bit: a run that is spread over machines, in blocks as they come, gives the tables of one process."""
    encoder = load_encoder("surco-nano")
    many = series(700)
    together = encoder.encode(*many)
    for rows in (slice(0, 1), slice(3, 10), slice(0, 200, 3), slice(699, None, -1)):
        alone = encoder.encode(*(each if each.ndim == 1 else each[rows] for each in many))
        np.testing.assert_array_equal(alone, together[rows])


def test_order_of_dates_does_not_matter(encoder: Encoder) -> None:
    """A series with its dates shuffled is the same series."""
    values, valid, dates, lonlat, static = series()
    order = np.random.default_rng(2).permutation(len(dates))
    a = encoder.encode(values, valid, dates, lonlat, static)
    b = encoder.encode(values[:, order], valid[:, order], dates[order], lonlat, static)
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_invalid_values_are_never_read(encoder: Encoder) -> None:
    """What stands under an invalid entry, NaN and infinity too, does not reach the vector."""
    values, valid, dates, lonlat, static = series()
    rubbish = np.where(valid, values, np.float32(np.nan))
    rubbish[~valid & (np.arange(rubbish.size).reshape(rubbish.shape) % 2 == 0)] = np.inf
    np.testing.assert_array_equal(
        encoder.encode(values, valid, dates, lonlat, static),
        encoder.encode(np.where(valid, rubbish, 9e9).astype(np.float32), valid, dates, lonlat, static),
    )


def test_nothing_seen_is_nan(encoder: Encoder) -> None:
    """A series without one valid value has no vector: NaN, never a silent zero, and its neighbours are untouched."""
    values, valid, dates, lonlat, static = series()
    valid[2] = False
    out = encoder.encode(values, valid, dates, lonlat, static)
    assert np.isnan(out[2]).all()
    assert np.isfinite(np.delete(out, 2, axis=0)).all()


@pytest.mark.parametrize("kept", [("red", "nir", "swir16"), ("vv", "vh"), ("red", "nir")])
def test_any_sensor_subset_gives_a_vector(encoder: Encoder, kept: tuple[str, ...]) -> None:
    """Three bands, radar alone, or what an NDVI archive has: each is enough, and different series stay different."""
    values, valid, dates, lonlat, static = series()
    valid &= np.isin(CHANNELS, kept)
    out = encoder.encode(values, valid, dates, lonlat, static)
    assert np.isfinite(out).all()
    assert np.linalg.norm(out[0] - out[1]) > 1e-3


def test_every_parameter_learns() -> None:
    """Each parameter of the network gets a finite gradient from losses on its vectors and on what was learned."""
    config = ModelConfig(width=32, depth=2)
    model, decoder = SeriesEncoder(config), SeriesDecoder(config)
    values, valid, dates, lonlat, static = series()
    days = torch.from_numpy(np.tile(dates.astype("datetime64[D]").astype(np.float32), (5, 1)))
    arrays = (*map(torch.from_numpy, (values, valid)), days, *map(torch.from_numpy, (lonlat, static)))
    taught, learned, season, around = model.parts(*arrays)
    assert season.shape == (5, config.season)
    assert around.shape == (5, config.surroundings)
    assert taught.shape == (5, config.taught)
    torch.testing.assert_close(learned.norm(dim=1), torch.ones(5))
    loss = decoder(learned).square().sum() + (model(*arrays) * torch.arange(config.dimension)).sum()
    loss.backward()
    for name, parameter in [*model.named_parameters(), *decoder.named_parameters()]:
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_season_is_the_same_in_both_hemispheres() -> None:
    """A southern series is the northern one half a year later: both give the same grid, in whatever year."""
    config = ModelConfig()
    values, valid, dates, lonlat, _ = series()
    x, ok = add_indices(torch.from_numpy(values), torch.from_numpy(valid), config)
    days = torch.from_numpy(np.tile(dates.astype("datetime64[D]").astype(np.float32), (5, 1)))
    north = torch.from_numpy(np.abs(lonlat))
    grid, measured = season_grid(x, ok, days, torch.from_numpy(lonlat), config)
    other, also = season_grid(x, ok, days + YEAR_DAYS / 2 + 3 * YEAR_DAYS, north, config)
    assert torch.equal(measured, also)
    torch.testing.assert_close(grid, other, atol=0.02, rtol=0)


def test_a_gap_longer_than_six_weeks_is_not_filled() -> None:
    """A month between two dates is interpolated; three months without a date are not measured."""
    config = ModelConfig()
    days = torch.tensor([[15.0, 75.0, 180.0, 195.0]])
    x, ok = torch.ones(1, 4, 15), torch.ones(1, 4, 15, dtype=torch.bool)
    grid, measured = season_grid(x, ok, days, torch.zeros(1, 2), config)
    seen = measured[0, :, 0].tolist()
    assert seen[:4] == [True] * 4
    assert seen[8:10] == [False] * 2
    torch.testing.assert_close(grid[0, :4], torch.ones(4, 15))


def test_checkpoint_round_trip(tmp_path) -> None:
    """A saved model comes back with its config, its card and, within float16, its vectors."""
    model = SeriesEncoder(ModelConfig(width=32, depth=1)).eval()
    save_checkpoint(tmp_path / "m.safetensors", model, {"model_id": "m-1"})
    again, card = load_checkpoint(tmp_path / "m.safetensors")
    assert again.config == model.config
    assert card["model_id"] == "m-1"
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=2e-3)


def test_damaged_weights_are_refused(tmp_path) -> None:
    """Weights that are not the ones their card names are not loaded."""
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, SeriesEncoder(ModelConfig(width=32, depth=1)), {"model_id": "m-1"})
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="SHA-256"):
        load_checkpoint(path)


def test_a_card_from_before_the_surroundings_still_loads(tmp_path: Path) -> None:
    """Weights whose card names neither weather nor carried season have vectors of the two heads only."""
    heads_only = ModelConfig(
        width=32, depth=1, carried=False, weather=(), weather_centre=(), weather_scale=()
    )
    old = SeriesEncoder(heads_only)
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, old, {"model_id": "m-1"})
    card = json.loads(path.with_suffix(".json").read_text())
    for name in ("carried", "weather", "weather_centre", "weather_scale"):
        del card["config"][name]
    path.with_suffix(".json").write_text(json.dumps(card))
    model, _ = load_checkpoint(path)
    assert model.config == old.config
    assert model.assemble.in_features == old.config.taught + old.config.learned


def test_surroundings_are_linear_and_nothing_where_unknown() -> None:
    """Terrain and weather reach the last layer only: zero where unknown, moved by themselves and by no band."""
    config = ModelConfig(width=32, depth=1)
    model = SeriesEncoder(config).eval()
    values, valid, dates, lonlat, static = series()
    days = torch.from_numpy(np.tile(dates.astype("datetime64[D]").astype(np.float32), (5, 1)))

    def parts(values: np.ndarray, valid: np.ndarray, static: np.ndarray) -> tuple[torch.Tensor, ...]:
        arrays = (*map(torch.from_numpy, (values, valid)), days, *map(torch.from_numpy, (lonlat, static)))
        with torch.inference_mode():
            return model.parts(*arrays)

    temperature = CHANNELS.index("temperature")
    valid[..., temperature] = True
    values[..., temperature] = 298.0
    unseen = valid.copy()
    unseen[..., temperature] = False
    *heads, around = parts(values, valid, static)
    torch.testing.assert_close(around[:, 2:], torch.ones(5, config.bins))
    without = parts(values, unseen, static)
    torch.testing.assert_close(without[:3], tuple(heads))
    assert not without[3][:, 2:].any()
    assert not parts(values, unseen, np.full_like(static, np.nan))[3].any()


def test_the_carried_season_is_what_was_measured() -> None:
    """Where a bin was measured it is carried as it is; elsewhere stands what the taught head says."""
    config = ModelConfig(width=32, depth=1)
    model = SeriesEncoder(config).eval()
    rng = np.random.default_rng(0)
    channels = len(config.seen) + len(config.weather)
    grid = torch.from_numpy(rng.standard_normal((4, config.bins, channels)).astype(np.float32))
    measured = torch.from_numpy(rng.random(grid.shape) < 0.5)
    with torch.inference_mode():
        taught, _, season, _ = model.through(grid * measured, measured, torch.full((4, 2), torch.nan))
        filled = model.fill(taught)
    seen, known = (x[..., : len(config.seen)].flatten(1) for x in (grid, measured))
    torch.testing.assert_close(season, torch.where(known, seen, filled))


def test_unknown_model_is_named() -> None:
    """An unknown model name is an error that lists the known ones."""
    with pytest.raises(ModelError, match=r"surco-nano.*'nosuch'"):
        load_encoder("nosuch")


def test_wrong_shapes_are_refused() -> None:
    """Arrays that do not belong together are refused with their shapes."""
    values, valid, dates, lonlat, static = series()
    with pytest.raises(ModelError, match=r"Expected values and valid"):
        load_encoder("surco-nano").encode(values, valid, dates[:-1], lonlat, static)


def test_band_mean_keeps_the_protocol() -> None:
    """The encoder without weights is an `Encoder` to a type checker and at run time."""
    assert isinstance(BandMeanEncoder(), Encoder)


@pytest.mark.parametrize("room", ["embedstore", "adapters", "viewer", "encoder", "api", "api.cli", "api.app"])
def test_rooms_import_without_torch(room: str) -> None:
    """Every room can be imported where torch is not installed."""
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError('torch is not installed here')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        f"import surco.{room}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
