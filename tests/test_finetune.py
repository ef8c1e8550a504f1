from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from test_cli import refused, surco
from test_evaluate_scripts import SCRIPTS, write_table

from surco.encoder import BandMeanEncoder, EncoderError, SampleSeries, load_encoder
from surco.encoder.channels import CHANNELS, INDEX
from surco.encoder.checkpoint import load_checkpoint, save_checkpoint
from surco.encoder.finetune import (
    METHODS,
    FineTuneError,
    MetaConfig,
    TaskSource,
    fine_tune,
    meta_train_encoder,
    simulated_sources,
    table_source,
)
from surco.encoder.finetune.closed_head import ClosedHead, folds_of, left_out_loss, split_loss
from surco.encoder.finetune.inner_loop import InnerLoop, descend
from surco.encoder.finetune.task_sources import draw_task
from surco.encoder.finetune.tasks import labelled_task, task_vectors
from surco.encoder.model import ModelConfig, SeriesEncoder
from surco.encoder.surco_encoder import SurcoEncoder

torch.set_num_threads(1)
TINY = ModelConfig(width=16, depth=1, hidden=32, taught=16, learned=16, dimension=16)
CPU = torch.device("cpu")


def small_encoder(seed: int = 0) -> SurcoEncoder:
    """A small network whose weights are drawn by lot."""
    torch.manual_seed(seed)
    return SurcoEncoder.of_model(SeriesEncoder(TINY), {"model_id": "tiny-1"})


def crops(n: int = 60, seed: int = 0, places: int = 6) -> SampleSeries:
    """Three crops in several places, told apart by when they are green, under larger differences of radar and SWIR."""
    rng = np.random.default_rng(seed)
    code, t = np.arange(n) % 3, np.arange(12)
    green = np.exp(-(((t - 3 - 2 * code[:, None]) / 1.5) ** 2))
    values = np.full((n, 12, len(CHANNELS)), 0.1, np.float32)
    values[..., 4:10] = 0.2 + 0.15 * rng.random((n, 12, 6))
    values[..., 3] = 0.2 + 0.04 * green + 0.02 * rng.standard_normal((n, 12))
    values[..., 2] = 0.15 - 0.02 * green + 0.01 * rng.standard_normal((n, 12))
    values[..., 10:12] = -14.0 + 6.0 * rng.standard_normal((n, 1, 2)) + 2.0 * rng.standard_normal((n, 12, 2))
    dates = np.broadcast_to(np.datetime64("2024-05-15") + 30 * t, (n, 12))
    nowhere = np.full((n, 2), np.nan, np.float32)
    group = np.array([f"g{i // 3 % places}" for i in range(n)], object)
    label = np.array(["wheat", "maize", "vine"], object)[code]
    names = np.arange(n).astype(str).astype(object)
    return SampleSeries(values, np.ones_like(values, bool), dates, nowhere, nowhere, names, label, group)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """The crops as a table."""
    series = crops(90, places=15)
    columns = {
        "sample_id": list(series.sample_id),
        "lon": [-71.0] * 90,
        "lat": [-35.0] * 90,
        "label": list(series.label),
        "group": list(series.group),
        "dates": pa.array(series.dates.astype(object).tolist(), pa.list_(pa.date32())),
    }
    columns |= {name: list(series.values[..., INDEX[name]]) for name in ("red", "nir", "swir16", "vv", "vh")}
    pq.write_table(pa.table(columns), tmp_path / "crops.parquet")
    return tmp_path / "crops.parquet"


def cut(series: SampleSeries, rows: slice | np.ndarray) -> SampleSeries:
    """Some rows."""
    return SampleSeries(**{f.name: getattr(series, f.name)[rows] for f in fields(series)})


def vectors_of(encoder: SurcoEncoder, series: SampleSeries) -> np.ndarray:
    """Vectors of all rows."""
    return encoder.encode(series.values, series.valid, series.dates, series.lonlat, series.static)


def asked_loss(encoder: SurcoEncoder, known: SampleSeries, asked: SampleSeries) -> float:
    """Loss on `asked` of the closed head fitted on `known`."""
    parts = [labelled_task(s, list(s.label), None, TINY, CPU)[0] for s in (known, asked)]
    with torch.no_grad():
        a, b = (task_vectors(encoder.model, p) for p in parts)
        return float(split_loss(a, parts[0].code, b, parts[1].code, 3, ClosedHead()))


def test_left_out_answers_are_those_of_heads_fitted_without() -> None:
    """The closed form for a fold left out is, to rounding, a ridge regression fitted without that fold."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 5, generator=generator, dtype=torch.float64)
    code = torch.arange(30) % 3
    fold = torch.arange(30) // 5
    head = ClosedHead(0.3, 4.0)
    z = (x - x.mean(0)) / (x - x.mean(0)).pow(2).mean().sqrt()
    y = torch.nn.functional.one_hot(code, 3).double()
    logits = torch.empty_like(y)
    for f in range(6):
        kept = fold != f
        centre, mean = z[kept].mean(0), y[kept].mean(0)
        inner = (z[kept] - centre).T @ (z[kept] - centre) + 0.3 * 5 * torch.eye(5)
        weight = torch.linalg.solve(inner, (z[kept] - centre).T @ (y[kept] - mean))
        logits[~kept] = 4.0 * ((z[~kept] - centre) @ weight + mean)
    expected = torch.nn.functional.cross_entropy(logits, code)
    found = left_out_loss(x, code, fold, torch.ones(30, dtype=torch.bool), head)
    assert float(found) == pytest.approx(float(expected), rel=1e-9)


def test_folds_leave_no_class_without_a_label() -> None:
    """Groups are left out whole, a class of one group row by row, and a row alone in its class is not judged."""
    code = torch.tensor([0, 0, 0, 1, 1, 2])
    group = torch.tensor([0, 0, 1, 1, 1, 0])
    fold, judged = folds_of(code, group)
    assert fold[0] == fold[1] != fold[2]
    assert len({int(f) for f in fold[2:]}) == 4
    assert judged.tolist() == [True] * 5 + [False]


def test_classes_count_alike() -> None:
    """A class of ten rows weighs no more than one of two."""
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0]] * 10 + [[0.0, 1.0]] * 2), dim=1)
    code = torch.tensor([0] * 10 + [1] * 2)
    swapped = split_loss(vectors, code, vectors[:10], torch.tensor([0] * 9 + [1]), 2, ClosedHead())
    right = split_loss(vectors, code, vectors[:9], code[:9], 2, ClosedHead())
    wrong = split_loss(vectors, code, vectors[:1], torch.tensor([1]), 2, ClosedHead())
    assert float(swapped) == pytest.approx(float(right + wrong) / 2, rel=1e-5)


@pytest.mark.parametrize("update", ["head", "all"])
def test_fine_tuning_helps_rows_it_has_not_seen(update: str) -> None:
    """Where other things vary more than the crops, tuned vectors serve a head better in places not tuned on."""
    encoder, series = small_encoder(), crops(240, places=20)
    known, asked = cut(series, slice(0, 90)), cut(series, slice(90, None))
    tuned = fine_tune(encoder, known, update=update, steps=20, learning_rate=5e-3)
    assert asked_loss(tuned, known, asked) < asked_loss(encoder, known, asked) - 0.1


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ("last", {"assemble"}),
        ("head", {"assemble", "taught", "learned", "straight"}),
        ("all", {"assemble", "taught", "learned", "straight", "enter", "phase", "blocks", "gather"}),
    ],
)
def test_an_update_moves_its_layers_of_a_copy(update: str, expected: set[str]) -> None:
    """What is asked for is moved and nothing else, and the encoder given stays as it was."""
    encoder = small_encoder()
    with torch.no_grad():
        for p in encoder.model.parameters():
            p.copy_(p.half())
    before = {k: v.clone() for k, v in encoder.model.state_dict().items()}
    tuned = fine_tune(encoder, crops(), update=update, steps=2, learning_rate=5e-3, folds=0)
    moved = {k.split(".")[0] for k, v in tuned.model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == expected
    assert all(torch.equal(before[k], v) for k, v in encoder.model.state_dict().items())


def test_same_call_same_weights_and_an_id_of_its_own() -> None:
    """Tuning is deterministic; other weights have another id, which names what they came from."""
    encoder, series = small_encoder(), crops()
    a, b = (fine_tune(encoder, series, steps=6, learning_rate=5e-3, folds=2) for _ in range(2))
    other = fine_tune(encoder, series, steps=6, learning_rate=6e-3, folds=2)
    assert a.model_id == b.model_id
    np.testing.assert_array_equal(vectors_of(a, series), vectors_of(b, series))
    assert len({encoder.model_id, a.model_id, other.model_id}) == 3
    assert a.card["tuned"][0]["from"] == "tiny-1"
    assert a.card["tuned"][0]["labels_per_class"] == {"maize": 20, "vine": 20, "wheat": 20}


def test_saved_and_loaded_it_gives_the_same_vectors(tmp_path: Path) -> None:
    """A tuned encoder is a model file like any other, and gives from there the very vectors that it gave in memory."""
    series = crops()
    tuned = fine_tune(small_encoder(), series, steps=6, learning_rate=5e-3)
    path = tmp_path / "mine.safetensors"
    save_checkpoint(path, tuned.model, tuned.card)
    loaded = load_encoder(str(path))
    assert loaded.model_id == tuned.model_id != "tiny-1"
    np.testing.assert_array_equal(vectors_of(loaded, series), vectors_of(tuned, series))
    again = fine_tune(SurcoEncoder(path, "cpu"), crops(seed=5), steps=6, learning_rate=5e-3)
    assert [x["from"] for x in again.card["tuned"]] == ["tiny-1", tuned.model_id]
    save_checkpoint(path, again.model, again.card)
    assert load_checkpoint(path)[1]["model_id"] == again.model_id


def test_where_no_step_helps_the_encoder_comes_back() -> None:
    """With labels drawn by lot there is nothing to learn: what was given comes back with its id."""
    encoder, series = small_encoder(), crops(120, places=40)
    label = np.random.default_rng(1).permutation(series.label)
    kept = [fine_tune(encoder, series, list(label), steps=8, learning_rate=2e-2, seed=s) for s in range(3)]
    assert sum(e is encoder for e in kept) >= 2


def test_a_pull_keeps_weights_near() -> None:
    """The stronger the pull to the first weights, the shorter the way."""
    encoder = small_encoder()
    task, _ = labelled_task(crops(), list(crops().label), None, TINY, CPU)
    ways = []
    for proximal in (0.0, 10.0):
        moved = small_encoder()
        descend(moved.model, task, InnerLoop("all", 20, 3e-3, proximal), np.random.default_rng(0))
        pairs = zip(moved.model.parameters(), encoder.model.parameters(), strict=True)
        ways.append(sum(float((a - b).pow(2).sum().detach()) for a, b in pairs))
    assert ways[1] < 0.5 * ways[0]


def test_vectors_of_a_task_are_the_encoders() -> None:
    """What is tuned is what is later encoded: the season's grid made once gives the same vectors."""
    encoder, series = small_encoder(), crops()
    task, classes = labelled_task(series, list(series.label), list(series.group), TINY, CPU)
    with torch.no_grad():
        found = task_vectors(encoder.model, task).numpy()
    np.testing.assert_allclose(found, vectors_of(encoder, series), atol=1e-6)
    assert classes == ("maize", "vine", "wheat")


def test_rows_that_teach_nothing_are_left_out() -> None:
    """Rows without a class, without a value, or alone in their class are no part of a task."""
    series = crops(12)
    label = [*["a", "b"] * 4, "Unknown", None, "alone", float("nan")]
    valid = series.valid.copy()
    valid[0] = False
    task, classes = labelled_task(replace(series, valid=valid), label, None, TINY, CPU)
    assert classes == ("a", "b")
    assert torch.bincount(task.code).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a"] * 12}, "at least two classes"),
        ({"labels": [f"c{i}" for i in range(12)]}, "at least two classes"),
        ({"labels": ["a"] * 3}, "a label and a group for each"),
        ({"groups": ["a"] * 3}, "a label and a group for each"),
        ({"update": "some"}, "update among last, head, all"),
        ({"steps": 0}, "steps of 1 or more"),
        ({"folds": 1}, "folds of 0"),
        ({"learning_rate": float("nan")}, "learning_rate above 0"),
        ({"proximal": -1.0}, "proximal of 0 or more"),
        ({"labels": ["a", "a", "b", "b", *[""] * 8], "groups": ["x"] * 12, "folds": 2}, None),
    ],
)
def test_bad_input_is_told_what_to_do(change: dict, message: str | None) -> None:
    """What cannot be tuned on is refused in a sentence of the room's errors; the least that can be is taken."""
    if message is None:
        try:
            fine_tune(small_encoder(), crops(12), steps=2, **change)
        except FineTuneError as error:
            assert "Label more places" in str(error)
        return
    with pytest.raises(FineTuneError, match=message) as caught:
        fine_tune(small_encoder(), crops(12), **change)
    assert isinstance(caught.value, EncoderError)


def test_published_encoders_are_refused() -> None:
    """Only our own network is tuned."""
    with pytest.raises(FineTuneError, match="got BandMeanEncoder"):
        fine_tune(BandMeanEncoder(), crops(12))  # type: ignore[arg-type]
    with pytest.raises(FineTuneError, match="got BandMeanEncoder"):
        meta_train_encoder(BandMeanEncoder(), sources())  # type: ignore[arg-type]


def sources() -> list[TaskSource]:
    """Two tables and four synthetic sets."""
    tables = [table_source(f"t{k}", crops(90, seed=k)) for k in range(2)]
    return [*tables, *simulated_sources(200, 3)]


def test_tasks_keep_places_and_regions_apart() -> None:
    """Support and query share no place, have the same classes, and a synthetic task lies in one climate and year."""
    rng = np.random.default_rng(0)
    known = sources()
    drawn = [t for t in (draw_task(known, TINY, 0.3, rng) for _ in range(60)) if t is not None]
    assert len(drawn) > 40
    for support, query in drawn:
        assert not set(support.group.tolist()) & set(query.group.tolist())
        assert set(support.code.tolist()) == set(range(support.classes)) >= set(query.code.tolist())
        assert 2 <= support.classes <= 8
        assert torch.isfinite(support.grid).all()
    seen = {tuple(s.measured.flatten(0, 1).any(0).tolist()) for s, _ in drawn}
    assert len(seen) > 1


@pytest.mark.parametrize("method", METHODS)
def test_meta_training_teaches_its_tasks(method: str) -> None:
    """The query loss falls over the run, the run is deterministic, and the first weights are untouched."""
    encoder, known = small_encoder(), sources()[:2]
    before = [p.clone() for p in encoder.model.parameters()]
    config = MetaConfig(steps=10, tasks=2, inner_steps=2, inner_rate=3e-3, outer_rate=5e-3, share=0.7)
    a, b = (meta_train_encoder(encoder, known, method=method, config=config) for _ in range(2))
    assert a.model_id == b.model_id != encoder.model_id
    assert all(torch.equal(x, y) for x, y in zip(before, encoder.model.parameters(), strict=True))
    asked = crops(180, seed=9, places=30)
    parts = cut(asked, slice(0, 30)), cut(asked, slice(30, None))
    assert asked_loss(a, *parts) < asked_loss(encoder, *parts)
    assert a.card["tuned"][0]["method"] == method
    assert set(a.card["tuned"][0]["data"]) == {"t0", "t1"}


def test_anil_moves_in_its_outer_loop_what_its_inner_loop_does_not() -> None:
    """ANIL adapts the last layer to a task, and learns all weights over tasks."""
    encoder = small_encoder()
    found = meta_train_encoder(encoder, sources()[:1], method="anil", config=MetaConfig(steps=2, tasks=1))
    pairs = zip(found.model.parameters(), encoder.model.parameters(), strict=True)
    assert all(not torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("change", [{"steps": 0}, {"inner_rate": 0.0}, {"thinned": 2.0}, {"share": 0.0}])
def test_settings_of_meta_training_are_checked(change: dict) -> None:
    """A setting outside its range is refused before anything runs."""
    with pytest.raises(FineTuneError, match="Correct the setting"):
        MetaConfig(**change)


def test_meta_training_without_tasks_is_refused() -> None:
    """No source, one class, one place, or an unknown method: a sentence says so."""
    one_class = crops(20)
    one_class.label[:] = "wheat"
    for empty in ([], [table_source("one", one_class)], [table_source("place", crops(20, places=1))]):
        with pytest.raises(FineTuneError, match="found no task"):
            meta_train_encoder(small_encoder(), empty)
    with pytest.raises(FineTuneError, match="method among maml"):
        meta_train_encoder(small_encoder(), sources(), method="sgd")  # type: ignore[arg-type]


def test_the_command_writes_weights_that_embed(samples: Path, tmp_path: Path) -> None:
    """`surco fine-tune` writes a model that `surco embed` takes, and never over another file."""
    out, vectors = tmp_path / "mine.safetensors", tmp_path / "vectors.parquet"
    source = tmp_path / "tiny.safetensors"
    save_checkpoint(source, small_encoder().model, {"model_id": "tiny-1"})
    result = surco("fine-tune", samples, "--out", out, "--model", source, "--steps", 5)
    assert result.exit_code == 0, result.output
    assert load_checkpoint(out)[1]["model_id"] in result.output
    assert surco("embed", samples, "--out", vectors, "--model", out).exit_code == 0
    assert "new file" in refused("fine-tune", samples, "--out", out, "--model", source)
    assert "new file" in refused("fine-tune", samples, "--out", tmp_path / "mine.pt")
    assert "got BandMeanEncoder" in refused(
        "fine-tune", samples, "--out", tmp_path / "b.safetensors", "--model", "band-mean"
    )


def test_the_command_writes_nothing_where_nothing_helps(samples: Path, tmp_path: Path) -> None:
    """Labels drawn by lot leave no file behind, and the command says so."""
    table = pq.read_table(samples)
    lot = np.random.default_rng(1).permutation(table["label"].to_numpy(zero_copy_only=False))
    pq.write_table(
        table.set_column(table.schema.get_field_index("label"), "label", pa.array(lot)),
        tmp_path / "lot.parquet",
    )
    source, out = tmp_path / "tiny.safetensors", tmp_path / "mine.safetensors"
    save_checkpoint(source, small_encoder().model, {"model_id": "tiny-1"})
    result = surco("fine-tune", tmp_path / "lot.parquet", "--out", out, "--model", source)
    assert "No step helped" in result.output
    assert not out.exists()


def test_the_comparison_scores_every_method_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script scores each method on the same draws, by the model that has not seen the table; once is enough."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import compare_finetune

    write_table(tmp_path / "north.parquet", 0)
    card = {"model_id": "tiny-1", "left_out": ["north"]}
    save_checkpoint(tmp_path / "models" / "without_north.safetensors", small_encoder().model, card)
    methods = ("frozen", "tuned, last layer", "small net from scratch")
    words = [
        str(tmp_path),
        "--models",
        str(tmp_path / "models"),
        "--out",
        str(tmp_path / "out"),
        "--tables",
        "north",
    ]
    words += ["--shots", "3", "--draws", "2", "--methods", *methods]
    for _ in range(2):
        compare_finetune.main(words)
    rows = [json.loads(line) for line in (tmp_path / "out" / "scores.jsonl").read_text().splitlines()]
    assert sorted((r["method"], r["draw"]) for r in rows) == sorted((m, d) for m in methods for d in range(2))
    assert all(0.0 <= r["f1"] <= 1.0 for r in rows)
    printed = capsys.readouterr().out
    assert "3 labels a class, 2 tasks of 1 tables" in printed
    assert "| frozen |" in printed
