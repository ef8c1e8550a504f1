from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from field_patchwork import patchwork
from rasterio.features import shapes
from sklearn.base import clone

from surco.adapters import (
    CardError,
    LabelsError,
    SettingsError,
    UnfittedError,
    VectorsError,
    load_adapter,
    save_adapter,
)
from surco.adapters.boundaries import BoundaryAdapter, PixelVectors, score_objects

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"


def polygons(area: PixelVectors, fields: np.ndarray, numbers: range) -> list[shapely.Polygon]:
    """Some fields of a patchwork as somebody draws them."""
    found = shapes(fields, transform=area.transform)
    return [shapely.geometry.shape(s) for s, v in found if int(v) in numbers]


def saved(adapter: BoundaryAdapter, model_id: str) -> dict[str, bytes]:
    """An adapter's files."""
    return save_adapter(adapter, name="fields", model_id=model_id, task="boundary", training={})


def changed_card(files: dict[str, bytes], **values: Any) -> dict[str, bytes]:
    """The same files with other facts in the card."""
    card = json.loads(files["card.json"])
    return {**files, "card.json": json.dumps({**card, **values}).encode()}


@pytest.mark.parametrize("dimension", [16, 64, 128])
def test_vectors_of_any_encoder_are_taken(dimension: int) -> None:
    """The shipped network finds the fields of a patchwork that no encoder of ours made, in any dimension."""
    area, fields = patchwork(dimension=dimension, lane=1)
    found = BoundaryAdapter.pretrained().predict(area)
    scores = score_objects(found.labels, fields)
    assert scores.recall > 0.9
    assert scores.f1 > 0.8
    assert found.crs == area.crs
    assert found.transform == area.transform
    assert len(found) == len(found.confidence) == found.labels.max()


def test_heads_are_shares_and_nothing_where_nothing_was_seen() -> None:
    """Extent, boundary and distance are between 0 and 1, the size of the area, and 0 where nothing was seen."""
    area, _ = patchwork(rows=2, columns=3)
    valid = area.valid.copy()
    valid[:5] = False
    holed = replace(area, valid=valid, vectors=np.where(valid[..., None], area.vectors, np.float32(0)))
    adapter = BoundaryAdapter.pretrained()
    heads = adapter.predict_heads(holed)
    for values in (heads.extent, heads.boundary, heads.distance):
        assert values.shape == area.shape
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() <= 1
        assert (values[~valid] == 0).all()
    assert (adapter.predict(holed).labels[~valid] == 0).all()


def test_an_unseen_area_has_no_fields() -> None:
    """An area without a single observation gives no fields and no error."""
    area, _ = patchwork(rows=1, columns=1)
    unseen = replace(area, valid=np.zeros_like(area.valid), vectors=np.zeros_like(area.vectors))
    assert len(BoundaryAdapter.pretrained().predict(unseen)) == 0


def test_fit_is_deterministic_and_a_clone_knows_nothing() -> None:
    """Two fits on the same fields are the same to the bit; a clone keeps the parameters and nothing learned."""
    area, fields = patchwork(rows=2, columns=3, noise=0.05)
    one, other = (BoundaryAdapter(extent=0.4).fit([area], [fields]) for _ in range(2))
    for name, values in one.learned().tensors.items():
        np.testing.assert_array_equal(values, other.learned().tensors[name])
    copy = clone(one)
    assert copy.get_params() == one.get_params()
    with pytest.raises(UnfittedError, match="call fit"):
        copy.predict(area)
    with pytest.raises(UnfittedError, match="call fit before saving"):
        copy.learned()


def test_the_area_may_be_turned() -> None:
    """Another basis of the same vectors, as another encoder has it, gives the same fields but for a few pixels."""
    area, _ = patchwork()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(64, 64)))[0].astype(np.float32)
    adapter = BoundaryAdapter.pretrained()
    straight = adapter.predict(area).labels
    turned = adapter.predict(replace(area, vectors=area.vectors @ turn)).labels
    assert ((straight > 0) == (turned > 0)).mean() > 0.98


@pytest.mark.parametrize("drawn", ["none", "raster"])
def test_round_trip(drawn: str) -> None:
    """Saved and loaded, an adapter draws the same fields with the same confidence."""
    area, fields = patchwork(rows=2, columns=3)
    adapter = BoundaryAdapter(min_pixels=5)
    adapter = adapter.fit() if drawn == "none" else adapter.fit([area], [fields])
    loaded = load_adapter(saved(adapter, area.model_id), model_id=area.model_id, task="boundary")
    one, other = adapter.predict(area), loaded.predict(area)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.confidence, other.confidence)
    assert loaded.get_params() == adapter.get_params()
    assert loaded.n_features_in_ == adapter.n_features_in_


def test_drawn_fields_teach() -> None:
    """Told of one place that its lanes are no fields, an adapter leaves out more of them in another place."""
    area, fields = patchwork(lane=2, seed=1)
    other, truth = patchwork(lane=2, seed=2)
    before = BoundaryAdapter.pretrained()
    taught = BoundaryAdapter(prior_strength=200.0).fit([area], [fields])
    assert taught.score([other], [truth]) > before.score([other], [truth])


def test_a_few_polygons_do_no_harm() -> None:
    """Polygons say nothing of the ground outside: learned from, the others of the place are found as before."""
    area, fields = patchwork(rows=5, columns=5, lane=1, noise=0.05, seed=4)
    before = BoundaryAdapter.pretrained().predict(area)
    taught = BoundaryAdapter().fit([area], [polygons(area, fields, range(1, 9))])
    others = np.where(fields > 8, fields, 0)
    recall = [score_objects(o.labels, others).recall for o in (before, taught.predict(area))]
    assert recall[1] >= recall[0] > 0.8


def test_another_encoder_learns_what_a_field_looks_like() -> None:
    """Told where fields are and where none are, an adapter leaves out ground that only its vectors tell from fields."""
    area, fields = patchwork(rows=4, columns=4, side=14)
    wood = np.isin(fields, [3, 4, 7, 8, 11, 12, 15, 16])
    rng = np.random.default_rng(5)
    kinds = rng.normal(size=(2, 64)) * 2
    marked = area.vectors + (kinds[wood.astype(int)] / 8).astype(np.float32)
    marked = marked / np.linalg.norm(marked, axis=2, keepdims=True)
    area = replace(area, vectors=marked.astype(np.float32))
    truth = np.where(wood, 0, fields).astype(np.int32)
    said = truth.copy()
    said[40:] = -1
    taught = BoundaryAdapter(prior_strength=50.0).fit([area], [said])
    assert taught.cropness_ is not None
    assert taught.cropness_.model_id == area.model_id
    untaught = score_objects(BoundaryAdapter.pretrained().predict(area).labels, truth)
    assert score_objects(taught.predict(area).labels, truth).precision > untaught.precision


def test_windows_do_not_show() -> None:
    """Large areas are worked on in windows; what the network says is that of the whole, to the last bits."""
    network = BoundaryAdapter.pretrained().network_
    inputs = np.random.default_rng(0).normal(size=(150, 203, network.components + 3)).astype(np.float32)
    whole = network.features(inputs, window=512)
    np.testing.assert_allclose(network.features(inputs, window=64), whole, atol=1e-4)


def test_torch_says_the_same() -> None:
    """The network in numpy is the one that torch trains: the same logits for the same random weights."""
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(SCRIPTS))
    try:
        from fields_torch_net import FieldsNetConfig, TorchFieldsNet, exported
    finally:
        sys.path.remove(str(SCRIPTS))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = TorchFieldsNet(FieldsNetConfig(components=4, widths=(8, 12, 16)))
        network.train()
        with torch.no_grad():
            network(torch.randn(4, 7, 32, 32) * 3 + 1)
    network.eval()
    inputs = np.random.default_rng(2).normal(size=(24, 40, 7)).astype(np.float32)
    ours = exported(network)
    with torch.no_grad():
        theirs = network(torch.from_numpy(inputs).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours.logits(ours.features(inputs)), theirs, atol=1e-4)


def test_nothing_of_it_needs_torch() -> None:
    """Drawing fields and learning from drawn ones imports no torch."""
    script = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from field_patchwork import patchwork\n"
        "from surco.adapters.boundaries import BoundaryAdapter\n"
        "area, fields = patchwork(rows=2, columns=2)\n"
        "BoundaryAdapter().fit([area], [fields]).predict(area)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_learned_from_is_refused() -> None:
    """Fields that are none, of another place, or of another shape: a sentence that says what to do."""
    area, fields = patchwork(rows=1, columns=2)
    far = shapely.box(0, 0, 100, 100)
    other = replace(area, model_id="another-1")
    cases: list[tuple[type[ValueError], str, list[PixelVectors], list[Any]]] = [
        (LabelsError, "1 areas and 0 sets of fields", [area], []),
        (LabelsError, "got none on its pixels", [area], [[far]]),
        (LabelsError, "expected polygons for area 0; got none", [area], [[]]),
        (LabelsError, "draw fields as polygons", [area], [[shapely.Point(1, 2)]]),
        (LabelsError, "draw fields as polygons", [area], [["a field"]]),
        (LabelsError, r"raster \(20, 38\) of field numbers", [area], [fields[:5]]),
        (LabelsError, "of field numbers from -1", [area], [fields - 7]),
        (LabelsError, "got none on its pixels", [area], [np.zeros_like(fields)]),
        (VectorsError, "areas of one encoder", [area, other], [fields, fields]),
    ]
    for error, message, areas, drawn in cases:
        with pytest.raises(error, match=message):
            BoundaryAdapter().fit(areas, drawn)
    for settings in ({"height": 2.0}, {"extent": -1.0}, {"min_pixels": 0}, {"prior_strength": float("nan")}):
        with pytest.raises(SettingsError, match="leave them out"):
            BoundaryAdapter(**settings).fit()
    taught = BoundaryAdapter().fit()
    short = replace(area, vectors=area.vectors[..., :16].copy(), model_id=taught.cropness_.model_id)
    with pytest.raises(VectorsError, match="not shortened"):
        taught.predict(short)


def test_damaged_files_are_refused() -> None:
    """Files that come from anyone: facts and tensors that do not belong together raise CardError, nothing else."""
    adapter = BoundaryAdapter.pretrained()
    files = saved(adapter, "m-1")
    for values in (
        {"components": "ten"},
        {"components": -3},
        {"components": 10**9},
        {"widths": None},
        {"widths": [16, 32]},
        {"widths": [10**6] * 4},
        {"widths": [True, 2, 3]},
        {"height": "high"},
        {"height": 7.0},
        {"height": None},
        {"cropness_model_id": 5},
        {"parameters": {"extent": 9.0}},
        {"parameters": {"min_pixels": "x"}},
    ):
        with pytest.raises(CardError):
            load_adapter(changed_card(files, **values))
    learned = adapter.learned()
    for name in ("network.head.bias", "network.stem.0.weight"):
        for broken in (learned.tensors[name] * np.float32(np.nan), learned.tensors[name][:1], None):
            tensors = {k: v for k, v in learned.tensors.items() if k != name or broken is not None}
            if broken is not None:
                tensors[name] = broken
            with pytest.raises(CardError, match="copy the adapter again"):
                BoundaryAdapter.restored({}, replace(learned, tensors=tensors), 64)
