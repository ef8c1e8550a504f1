"""Meta-training: what tasks of other places teach, and its files."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from shared_data import shared

from surco.adapters import (
    CardError,
    CropTypeAdapter,
    LabelledTable,
    LabelsError,
    LearnedPrior,
    VectorsError,
    clustered_table,
    draw_tasks,
    find_prior,
    meta_train,
)
from surco.adapters.meta_train import learned_covariance
from surco.api.cli import main

LOUD = np.random.default_rng(1).normal(size=(3, 24)) * 1.2
"""Directions in which every class varies, in every country: what a prior is to learn."""


def country(seed: int, n: int = 600, classes: int = 8) -> LabelledTable:
    """A country with classes of its own, whose vectors vary within classes as everywhere."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 24)) * 0.6
    codes = rng.integers(0, classes, n)
    vectors = centres[codes] + rng.normal(size=(n, 3)) @ LOUD + 0.4 * rng.normal(size=(n, 24))
    return LabelledTable(
        f"country {seed}",
        vectors.astype(np.float32),
        np.array([f"crop {c}" for c in codes]),
        rng.integers(0, 20, n),
    )


@pytest.fixture(scope="module")
def prior() -> LearnedPrior:
    """A prior of three countries."""
    return meta_train([country(seed) for seed in range(3)], model_id="m", tasks=3)


def score(table: LabelledTable, adapter: CropTypeAdapter, shots: int) -> float:
    """Mean accuracy on fresh tasks of a table."""
    right = []
    for task in draw_tasks(table, shots, 10, np.random.default_rng(9)):
        fitted = adapter.fit(table.vectors[task.train], task.train_codes)
        right.append((fitted.predict(table.vectors[task.test]) == task.test_codes).mean())
    return float(np.mean(right))


def test_a_prior_of_other_countries_helps_a_new_one(prior, tmp_path):
    """With one and three labels a class the prior gains five points and more in a country it has not seen."""
    for name, data in prior.as_files().items():
        (tmp_path / name).write_bytes(data)
    new = country(77)
    for shots in (1, 3):
        gain = score(new, CropTypeAdapter(prior=str(tmp_path)), shots) - score(new, CropTypeAdapter(), shots)
        assert gain > 0.05


def test_the_covariance_is_that_within_classes():
    """The loud directions carry most of the learned covariance, whatever the classes are."""
    covariance = learned_covariance([country(3), country(4)])
    assert np.trace(covariance) == pytest.approx(24)
    truth = LOUD.T @ LOUD + 0.16 * np.eye(24)
    assert np.corrcoef(covariance.ravel(), truth.ravel())[0, 1] > 0.98


def test_meta_training_is_deterministic(prior):
    """The same tables and seed give the same prior, to the byte."""
    again = meta_train([country(seed) for seed in range(3)], model_id="m", tasks=3)
    assert again.as_files() == prior.as_files()


def test_files_hold_the_prior_whole(prior):
    """Read back, a prior is what it was; damaged or foreign files are refused."""
    files = prior.as_files()
    read = LearnedPrior.of_files(files)
    assert (read.identity_share, read.learned_share) == (prior.identity_share, prior.learned_share)
    assert read.temperatures == prior.temperatures
    np.testing.assert_allclose(read.covariance, prior.covariance, rtol=1e-6)
    card = json.loads(files["prior.json"])
    for wrong in ({"learned_share": 7}, {"temperatures": {"pool": []}}, {"format": "x"}, {"record": None}):
        with pytest.raises(CardError, match="fields missing or damaged"):
            LearnedPrior.of_files({**files, "prior.json": json.dumps(card | wrong).encode()})
    with pytest.raises(CardError, match=r"the files prior\.json and prior\.safetensors"):
        LearnedPrior.of_files({"prior.json": files["prior.json"]})


def test_a_prior_that_is_not_there_is_a_sentence(tmp_path, prior):
    """An unknown name, and a prior for longer vectors, say what is there and what to do."""
    X, y = country(5).vectors, country(5).labels
    with pytest.raises(CardError, match="a prior: a folder of `surco meta-train`, or one of"):
        CropTypeAdapter(prior=str(tmp_path)).fit(X, y)
    for name, data in prior.as_files().items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(CardError, match="vectors of 8 numbers; got that of model 'm'"):
        find_prior(str(tmp_path), 8)


def test_tasks_keep_groups_apart_and_classes_whole():
    """No group is on both sides of a task; every class has its labels and a test."""
    table = country(6)
    tasks = list(draw_tasks(table, 5, 8, np.random.default_rng(0), without=["crop 0"]))
    assert len(tasks) == 8
    for task in tasks:
        assert not set(table.groups[task.train]) & set(table.groups[task.test])
        assert np.bincount(task.train_codes).tolist() == [5] * len(task.classes)
        assert np.bincount(task.test_codes, minlength=len(task.classes)).min() >= 5
        assert "crop 0" not in task.classes
        np.testing.assert_array_equal(task.classes[task.train_codes], table.labels[task.train])


def test_clusters_stand_in_for_classes():
    """An unlabelled table gives tasks too: its clusters are mostly its classes; too few rows are refused."""
    table = country(7, classes=4)
    found = clustered_table("c", table.vectors, table.groups, clusters=12)
    assert len(np.unique(found.labels)) == 12
    assert list(draw_tasks(found, 3, 2, np.random.default_rng(0)))
    with pytest.raises(LabelsError, match="at least 240 vectors for 24 clusters; got 100"):
        clustered_table("c", table.vectors[:100], table.groups[:100])


def test_tables_that_teach_nothing_are_refused():
    """One group, or vectors of two encoders: a sentence says what is wanted."""
    table = country(8)
    alone = LabelledTable("alone", table.vectors, table.labels, np.zeros(len(table.labels), int))
    with pytest.raises(LabelsError, match="three classes in at least two spatial groups"):
        meta_train([alone], model_id="m")
    short = LabelledTable("short", table.vectors[:, :8], table.labels, table.groups)
    with pytest.raises(VectorsError, match=r"got dimensions \[8, 24\]"):
        meta_train([table, short], model_id="m")


def test_the_command_refuses_a_folder_that_is_there(tmp_path):
    """`surco meta-train` writes a new folder only: nothing is overwritten."""
    result = CliRunner().invoke(main, ["meta-train", str(tmp_path), "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "a new folder" in result.output
    result = CliRunner().invoke(main, ["meta-train", str(tmp_path), "--out", str(tmp_path / "p")])
    assert result.exit_code == 2
    assert "Expected sample tables" in result.output
    assert not (tmp_path / "p").exists()


def test_models_that_say_nothing_of_their_tables_are_refused(tmp_path):
    """`--left-out` with no cards, and with a damaged one: a sentence, and nothing written."""
    samples, models = shared("samples"), tmp_path / "models"
    models.mkdir()
    words = [
        "meta-train",
        str(samples),
        "--out",
        str(tmp_path / "p"),
        "--left-out",
        str(models),
        "--simulated",
        "0",
    ]
    without = [w for t in sorted(samples.glob("*.parquet"))[1:] for w in ("--without", t.stem)]
    result = CliRunner().invoke(main, [*words, *without])
    assert (result.exit_code, "got 0 cards" in result.output) == (2, True), result.output
    (models / "a.json").write_text('{"left_out": [')
    result = CliRunner().invoke(main, [*words, *without])
    assert (result.exit_code, "Expected a model's card" in result.output) == (2, True), result.output
    assert not (tmp_path / "p").exists()
