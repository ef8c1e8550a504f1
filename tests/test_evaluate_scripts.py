from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from surco.encoder import ModelError
from surco.encoder.channels import CHANNELS, RADAR
from surco.encoder.model import ModelConfig
from surco.encoder.pretrain import PretrainConfig
from surco.encoder.samples import SampleSeries

SCRIPTS = str(Path(__file__).resolve().parents[1] / "scripts")
TINY = PretrainConfig(model=ModelConfig(width=16, depth=1), steps=2, batch=24, warmup=1)
NAMES = ("north", "south")


@pytest.fixture(autouse=True, scope="module")
def scripts_on_path() -> Iterator[None]:
    """The scripts import each other by their plain names."""
    sys.path.insert(0, SCRIPTS)
    yield
    sys.path.remove(SCRIPTS)


def write_table(path: Path, seed: int) -> None:
    """A sample table of three crops in twelve places, told apart by the month in which they are green."""
    rng = np.random.default_rng(seed)
    n, t = 96, 8
    code = np.arange(n) % 3
    green = np.exp(-(((np.arange(t) - 1 - 2.5 * code[:, None]) / 1.2) ** 2))
    nir = 0.2 + 0.25 * green + 0.03 * rng.standard_normal((n, t))
    red = 0.15 - 0.1 * green + 0.01 * rng.standard_normal((n, t))
    vv = -14.0 + 3.0 * green + rng.standard_normal((n, t))
    dates = [date(2020, 5, 15) + timedelta(days=30 * k) for k in range(t)]
    columns = {
        "sample_id": [f"{path.stem}{i}" for i in range(n)],
        "lon": np.full(n, -71.0),
        "lat": np.full(n, -35.0),
        "label": np.where(np.arange(n) % 24 == 2, "Unknown", np.array(["wheat", "maize", "vine"])[code]),
        "group": [f"g{i // 8}" for i in range(n)],
        "dates": pa.array([dates] * n, pa.list_(pa.date32())),
        **{name: list(np.clip(v, 0.01, 1).astype(np.float32)) for name, v in (("red", red), ("nir", nir))},
        "vv": list(vv.astype(np.float32)),
        "vh": list((vv - 6).astype(np.float32)),
    }
    pq.write_table(pa.table(columns), path)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two small tables."""
    folder = tmp_path_factory.mktemp("samples")
    for seed, name in enumerate(NAMES):
        write_table(folder / f"{name}.parquet", seed)
    return folder


def series_of(n: int, t: int = 6) -> SampleSeries:
    """Series whose every value is valid."""
    rng = np.random.default_rng(0)
    words = np.full(n, "", object)
    dates = np.tile(np.datetime64("2020-01-15") + 30 * np.arange(t), (n, 1))
    nan = np.full((n, 2), np.nan, np.float32)
    values = rng.uniform(0.1, 0.3, (n, t, len(CHANNELS))).astype(np.float32)
    return SampleSeries(values, np.ones_like(values, bool), dates, nan, nan, words, words, words)


def test_episodes_keep_places_apart(samples: Path) -> None:
    """No spatial group is on both sides of a task, each class has its labels, and nothing unlabelled is asked for."""
    from evaluate_encoder import read_table

    table = read_table(samples / "north.parquet", (1, 5), 6, 0)
    for shots, tasks in table.tasks.items():
        assert len(tasks) == 6
        for train, test in tasks:
            assert not set(table.series.group[train]) & set(table.series.group[test])
            assert np.unique(table.label[train], return_counts=True)[1].tolist() == [shots] * 3
            assert "" not in table.label[test]
    assert (table.label == "").sum() == 4


def test_macro_f1_knows_good_vectors_from_noise(samples: Path) -> None:
    """Vectors that hold the class score 1 in every task and every form; random ones score about a third."""
    from encoder_few_shot import vector_scores
    from evaluate_encoder import read_table

    table = read_table(samples / "north.parquet", (5,), 4, 0)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 32))[np.unique(table.label, return_inverse=True)[1]]
    good = centres + 0.05 * rng.standard_normal((96, 32))
    good[5] = np.nan  # a row that the encoder could make nothing of must not spoil the others
    found = vector_scores(table, good, 0)
    assert {"int8, logistic", "float, cosine k-NN", "int8, first 16, logistic"} <= set(found)
    assert min(np.mean(scores["north 5"]) for scores in found.values()) > 0.97
    noise = vector_scores(table, rng.standard_normal((96, 32)), 0, ("int8, logistic",))
    assert 0.15 < np.mean(noise["int8, logistic"]["north 5"]) < 0.55


def test_raw_scores_are_made_once(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept scores are read again, more episodes extend them as if made at once, other numbers are made anew."""
    import encoder_few_shot
    from evaluate_encoder import read_table

    fits = []
    plain = encoder_few_shot.logistic

    def counted(seed: int) -> object:
        fits.append(seed)
        return plain(seed)

    monkeypatch.setattr(encoder_few_shot, "RAW_HEADS", {"logistic": counted})
    short, long = (read_table(samples / "north.parquet", (1,), n, 0) for n in (2, 4))
    x = encoder_few_shot.raw_features(short.series)
    cache, other = (encoder_few_shot.RawCache(tmp_path / name) for name in ("a.json", "b.json"))
    first = cache.scores(x, short, 1, 0)
    assert (cache.scores(x, short, 1, 0), fits) == (first, [0, 1])
    assert cache.scores(x, long, 1, 0) == other.scores(x, long, 1, 0)
    assert fits == [0, 1, 2, 3, 0, 1, 2, 3]
    cache.scores(x + 1, short, 1, 0)
    assert len(fits) == 10


def test_mean_average_precision_by_hand() -> None:
    """Ranks 1 and 3 of two hits give (1 + 2/3) / 2; classes count the same; empty labels are not in the gallery."""
    from encoder_retrieval import mean_average_precision

    angle = np.radians([0, 5, 20, 30, 40, 0, 180, 1, 2])
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    label = np.array(["a", "a", "b", "a", "b", "", "b", "b", "a"])
    query = np.array([True] + [False] * 8)
    # the gallery by likeness to 0 degrees: b(1) a(2) a(5) b(20) a(30) b(40) b(180)
    assert mean_average_precision(vectors, label, query) == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)
    asked = np.array([True, False, False, False, False, False, True, False, False])
    by_a = (1 / 2 + 2 / 3 + 3 / 5) / 3
    by_b = (1 / 1 + 2 / 3 + 3 / 6) / 3
    assert mean_average_precision(vectors, label, asked) == pytest.approx((by_a + by_b) / 2)
    assert np.isnan(mean_average_precision(vectors[:3], label[:3], query[:3]))


def test_intervals_hold_the_mean_and_narrow() -> None:
    """The interval is around the mean over tables, narrower with more tasks; a table without a task does not count."""
    from encoder_scores import estimate

    rng = np.random.default_rng(0)
    few, many = (estimate([list(rng.normal(m, 0.1, n)) for m in (0.2, 0.6)] + [[]]) for n in (8, 800))
    assert few.low < few.mean < few.high
    assert many.mean == pytest.approx(0.4, abs=0.01)
    assert many.high - many.low < 0.3 * (few.high - few.low)
    assert np.isnan(estimate([]).mean)


def test_dropping_sensors() -> None:
    """A condition takes just its channels away, and is passed over where it would change nothing or leave nothing."""
    from encoder_gaps import CONDITIONS, tells, with_channels

    full = series_of(4)
    without = with_channels(full, CONDITIONS["without radar"])
    assert not without.valid[..., list(RADAR)].any()
    assert int(without.valid.sum()) == int(full.valid.sum()) - 4 * 6 * 2
    assert tells(full, CONDITIONS["only red, nir"])
    assert not tells(without, CONDITIONS["without radar"])
    assert not tells(
        with_channels(full, CONDITIONS["without radar"] - CONDITIONS["without optical"]),
        CONDITIONS["without optical"],
    )


def test_half_seasons_share_no_date() -> None:
    """The two halves are of six months each, have no date in common and together are the season."""
    from encoder_gaps import half_season

    full = series_of(3, t=12)
    full = replace(full, dates=full.dates[:, ::-1].copy())
    first, last = (half_season(full, which).valid for which in (False, True))
    assert not (first & last).any()
    assert (first | last).all()
    assert first[:, :6].sum() == 0
    assert int(first.sum()) == int(last.sum())


def test_neighbours_are_of_other_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors that hold the class give 1, others chance; a row's twin in its own spatial group does not count."""
    import encoder_gaps

    rng = np.random.default_rng(0)
    label = np.repeat(["a", "b"], 40)
    place = np.arange(80) // 2
    good = np.eye(2)[(label == "b").astype(int)] + 0.01 * rng.standard_normal((80, 2))
    assert encoder_gaps.same_class_share(good, good, label, place) == 1.0
    twins = rng.standard_normal((40, 16))[place]
    monkeypatch.setattr(encoder_gaps, "NEIGHBOURS", 1)
    assert encoder_gaps.same_class_share(twins, twins, label, np.arange(80)) == 1.0
    assert 0.3 < encoder_gaps.same_class_share(twins, twins, label, place) < 0.7


@dataclass(frozen=True)
class Inner:
    """A config within a config."""

    length: int = 64


@dataclass(frozen=True)
class Outer:
    """A config with a field of each kind."""

    inner: Inner = Inner()
    weight: float = 1.0
    on: bool = False
    name: str = "x"
    sizes: tuple[int, ...] = (1,)
    teacher: float | None = None


def test_any_field_can_be_set() -> None:
    """Fields of every type are set by Python literals, inner ones by a dot; the rest stays."""
    from encoder_recipes import changed

    out = changed(
        Outer(), ["inner.length=32", "weight=5", "on=True", "name='y'", "sizes=[16, 32]", "teacher=2"]
    )
    assert out == Outer(Inner(32), 5.0, True, "y", (16, 32), 2.0)
    assert type(out.weight) is float
    assert changed(out, ["teacher=None"]).teacher is None
    assert changed(PretrainConfig(), ["model.dimension=32"]).model.dimension == 32


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("weight", "NAME=VALUE"),
        ("wieght=3", "wieght"),
        ("weight=many", "many"),
        ("weight='5'", "float"),
        ("inner.length=3.5", "int"),
        ("inner=3", "inner.FIELD"),
        ("weight.x=3", "weight=VALUE"),
        ("on=1", "bool"),
        ("sizes=(1, 'a')", "tuple"),
        ("weight=__import__('os')", "literal"),
    ],
)
def test_a_wrong_setting_is_told(setting: str, told: str) -> None:
    """A setting that is none, of no field, or of another type is an error that names it and what to write."""
    from encoder_recipes import SettingError, changed

    with pytest.raises(SettingError, match="Expected") as error:
        changed(Outer(), [setting])
    assert told in str(error.value)


def test_models_serve_only_tables_they_have_not_seen(samples: Path, tmp_path: Path) -> None:
    """Each table gets the model that was trained without it; a model is made again only for another recipe."""
    from encoder_recipes import Recipe
    from encoder_sources import encode, encoders, seen_in_training
    from evaluate_encoder import read_table
    from leave_files_out import train_all

    recipe, sets = Recipe(TINY, simulated=0, teacher=None), [(name,) for name in NAMES]
    train_all(samples, sets, recipe, tmp_path)
    cards = {name: json.loads((tmp_path / f"without_{name}.json").read_text()) for name in NAMES}
    found = encoders(str(tmp_path), NAMES)
    assert {name: found[name].model_id for name in NAMES} == {n: c["model_id"] for n, c in cards.items()}
    assert not list(tmp_path.glob("*.state"))
    assert not seen_in_training(found, NAMES)
    swapped = dict(zip(NAMES, reversed(found.values()), strict=True))
    assert seen_in_training(swapped, NAMES) == list(NAMES)
    table = read_table(samples / "north.parquet", (1,), 1, 0)
    assert encode(found["north"], table.series).shape == (96, 64)
    before = (tmp_path / "without_north.safetensors").stat().st_mtime_ns
    train_all(samples, sets, recipe, tmp_path)
    assert (tmp_path / "without_north.safetensors").stat().st_mtime_ns == before
    train_all(samples, sets, Recipe(replace(TINY, seed=1), simulated=0, teacher=None), tmp_path)
    assert json.loads((tmp_path / "without_north.json").read_text())["model_id"] != cards["north"]["model_id"]
    with pytest.raises(ModelError, match="without elsewhere"):
        encoders(str(tmp_path), ("elsewhere",))
    with pytest.raises(ValueError, match="another --out"):
        train_all(samples, [NAMES], recipe, tmp_path)


def test_corpora_can_be_left_out(samples: Path) -> None:
    """Without real labels no class is left, without the real or the simulated series none of them is drawn from."""
    from encoder_recipes import Recipe
    from leave_files_out import corpora

    def names(recipe: Recipe) -> list[str]:
        return [d.name for d in corpora(samples, ("north",), recipe)]

    assert names(Recipe(TINY, simulated=0)) == ["south"]
    assert all(name.startswith("simulated") for name in names(Recipe(TINY, simulated=40, real=False)))
    (bare,) = corpora(samples, ("north",), Recipe(TINY, simulated=0, real_labels=False))
    assert (bare.label == -1).all()
    assert bare.classes == ()
    assert len(bare.draw(12, np.random.default_rng(0)).label) == 12


def test_ablation_goes_on_where_it_was(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table has a row a configuration; rows that are there are not made again, changed ones are."""
    import ablate
    import leave_files_out

    pairs = tuple((name,) for name in NAMES)
    monkeypatch.setattr(ablate, "PAIRS", pairs)
    options = [
        "--steps",
        "2",
        "--no-simulated",
        "--no-teacher",
        "--set",
        "model.width=16",
        "--set",
        "batch=24",
    ]
    options += ["--episodes", "2", "--halves", "2", "--shots", "1", "--cache", str(tmp_path / "raw.json")]
    wanted = ["--only", "full", "dimension 16", "--add", "light", "reconstruct=1"]
    ablate.main([str(samples), "--out", str(tmp_path), *options, *wanted])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| full", "| dimension 16", "| light", "| best on raw bands"
    ]  # fmt: skip
    kept = (tmp_path / "dimension_16.json").read_bytes()

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(leave_files_out, "train", refuse)
    ablate.main([str(samples), "--out", str(tmp_path), *options, *wanted])
    assert capsys.readouterr().out.splitlines() == lines
    assert (tmp_path / "dimension_16.json").read_bytes() == kept
    with pytest.raises(AssertionError, match="trained again"):
        ablate.main([str(samples), "--out", str(tmp_path), *options, "--seed", "3", *wanted])


def test_objectives_are_ablated_where_there_are_any() -> None:
    """An objective of weight 0 is no row; a length, no teacher and no simulated series change just that."""
    from ablate import configurations
    from encoder_recipes import Recipe

    base = replace(PretrainConfig(), spread=0.0, agree=0.2, prefixes=(16, 32, 64))
    found = configurations(base)
    assert "without agree" in found
    assert "without spread" not in found
    assert found["without agree"].applied(Recipe(base)).config.agree == 0.0
    assert found["dimension 128"].applied(Recipe(base)).config.model.dimension == 128
    assert found["no teacher"].applied(Recipe(base)) == replace(Recipe(base), teacher=None)
    assert found["no simulated series"].applied(Recipe(base)).simulated == 0


def test_a_report_says_what_was_measured(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every measurement prints its Markdown table, and the JSON file holds the episodes; a wrong model ends it."""
    from evaluate_encoder import main

    paths = [str(samples / f"{name}.parquet") for name in NAMES]
    options = ["--episodes", "2", "--halves", "2", "--shots", "1", "5", "--cache", str(tmp_path / "raw.json")]
    main([*paths, "--model", "band-mean", "--measure", "all", *options, "--json", str(tmp_path / "all.json")])
    text = capsys.readouterr().out
    assert len([line for line in text.splitlines() if set(line) == set("| -")]) == 5
    assert "only red, nir |" in text
    found = json.loads((tmp_path / "all.json").read_text())
    assert {"f1", "retrieval", "sensors", "seasons"} <= set(found)
    assert len(found["f1"]["vectors"]["band-mean"]["int8, logistic"]["north 5"]) == 2
    with pytest.raises(SystemExit):
        main([*paths, "--model", "nothing", *options])
    assert "nothing" in capsys.readouterr().err
