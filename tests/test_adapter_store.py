"""Adapter files: exact round trips, and refusal of everything damaged, foreign or of another encoder."""

import hashlib
import json

import numpy as np
import pytest
import safetensors.numpy
from adapter_contract import labelled_vectors

from surco.adapters import (
    CardError,
    CropTypeAdapter,
    UnfittedError,
    cross_validate,
    load_adapter,
    save_adapter,
)


def _saved(labels=None, **change):
    X, y, groups = labelled_vectors(60)
    adapter = CropTypeAdapter().fit(X, y if labels is None else labels, groups=groups)
    given = {"name": "valle", "model_id": "surco-nano-1", "task": "crop-type", "training": {}, **change}
    return adapter, save_adapter(adapter, **given), X


def _changed_card(files, **change):
    card = json.loads(files["card.json"])
    return {**files, "card.json": json.dumps({**card, **change}).encode()}


def test_files_of_a_folder(tmp_path):
    """Written to a folder and read from it, predictions are the same."""
    adapter, files, X = _saved()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    np.testing.assert_array_equal(load_adapter(tmp_path).predict_proba(X), adapter.predict_proba(X))


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(60) % 3,
        np.arange(60) % 2 == 0,
        np.array([["trigo", "maíz", "Ñuble 稲"][i % 3] for i in range(60)]),
    ],
    ids=["integers", "truth values", "names"],
)
def test_kinds_of_classes(labels):
    """Classes come back as what they were: whole numbers, truth values or names in any script."""
    adapter, files, X = _saved(labels)
    loaded = load_adapter(files)
    assert loaded.classes_.tolist() == adapter.classes_.tolist()
    assert loaded.predict(X).tolist() == adapter.predict(X).tolist()


def test_card_says_what_it_is():
    """The card holds format, task, model, classes, labels a class, date and scores beside the baselines."""
    X, y, groups = labelled_vectors(60)
    scores = cross_validate(CropTypeAdapter(), X, y, groups).as_dict()
    _, files, _ = _saved(training={"sources": ["field visits 2024"], "evaluation": scores})
    card = json.loads(files["card.json"])
    assert (card["format_version"], card["task"], card["model_id"]) == (2, "crop-type", "surco-nano-1")
    assert card["labels_per_class"] == [15, 15, 15, 15]
    assert card["training"]["evaluation"]["baselines"]["random forest"]["n"] == 60
    assert card["created"].endswith("+00:00")
    assert "surco.adapters" not in files["card.json"].decode()


def test_files_are_small():
    """An adapter of a few classes fits in a few tens of kilobytes."""
    _, files, _ = _saved()
    assert sum(map(len, files.values())) < 30_000


def test_another_model_is_refused_by_both_names():
    """Vectors of another encoder are refused, naming both encoders."""
    _, files, _ = _saved()
    with pytest.raises(CardError, match=r"model 'presto-1'; got adapter 'valle' of model 'surco-nano-1'"):
        load_adapter(files, model_id="presto-1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "no adapter"),
        ({"format_version": 1}, "version 2; got 1"),
        ({"task": "os.system"}, "one of the tasks .*crop-type.*; got 'os.system'"),
        ({"model_id": 3}, "damaged"),
        ({"classes": ["crop 000"]}, "damaged"),
        ({"classes": ["b", "a", "c", "d"]}, "damaged"),
        ({"classes": [0, 1, 2, 3]}, "damaged"),
        ({"class_kind": ["text"]}, "damaged"),
        ({"labels_per_class": [1, 2, 3, -4]}, "damaged"),
        ({"temperature": float("nan")}, "damaged"),
        ({"parameters": {"__class__": "os"}}, "damaged"),
        ({"dimension": 63}, r"weights \(63, 4\)"),
        ({"weights_sha256": "0" * 64}, "SHA-256"),
    ],
)
def test_cards_that_lie_are_refused(change, message):
    """Every field of a card is checked before anything is built from it."""
    _, files, _ = _saved()
    with pytest.raises(CardError, match=message):
        load_adapter(_changed_card(files, **change))


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_card_that_is_no_card(data):
    """Bytes that are no card are refused, however deep they nest."""
    _, files, _ = _saved()
    with pytest.raises(CardError, match=r"card\.json"):
        load_adapter({**files, "card.json": data})


def test_any_flipped_byte_of_the_weights_is_noticed():
    """One changed byte anywhere in the weights is refused."""
    _, files, _ = _saved()
    for place in (0, 100, len(files["adapter.safetensors"]) - 1):
        data = bytearray(files["adapter.safetensors"])
        data[place] ^= 1
        with pytest.raises(CardError, match="SHA-256"):
            load_adapter({**files, "adapter.safetensors": bytes(data)})


@pytest.mark.parametrize(
    "data",
    [
        b"no safetensors",
        safetensors.numpy.save({"weights": np.zeros((64, 4), np.float32)}),
        safetensors.numpy.save(
            {"weights": np.full((64, 4), np.nan, np.float32), "bias": np.zeros(4, np.float32)}
        ),
        safetensors.numpy.save({"weights": np.zeros((64, 4)), "bias": np.zeros(4)}),
    ],
    ids=["noise", "no bias", "NaN", "doubles"],
)
def test_weights_with_a_matching_hash_are_still_checked(data):
    """A forger who corrects the hash still gets no other tensors in."""
    _, files, _ = _saved()
    forged = _changed_card(
        {**files, "adapter.safetensors": data}, weights_sha256=hashlib.sha256(data).hexdigest()
    )
    with pytest.raises(CardError, match="copy the adapter again"):
        load_adapter(forged)


def test_missing_files(tmp_path):
    """A folder or mapping without both files is refused by the name of the file."""
    with pytest.raises(CardError, match=r"adapter\.safetensors"):
        load_adapter(tmp_path)
    with pytest.raises(CardError, match=r"card\.json"):
        load_adapter({"adapter.safetensors": b""})


@pytest.mark.parametrize(
    "change",
    [{"name": "../../etc"}, {"name": ""}, {"task": "yield"}, {"model_id": ""}, {"training": {"a": object()}}],
)
def test_what_cannot_be_written(change):
    """Names that are paths, foreign tasks, no model and values that are no JSON are refused when saving."""
    with pytest.raises(CardError, match="expected"):
        _saved(**change)


def test_an_unfitted_adapter_is_not_saved():
    """Nothing learned, nothing to save."""
    with pytest.raises(UnfittedError, match="call fit"):
        save_adapter(CropTypeAdapter(), name="a", model_id="m", task="crop-type", training={})
