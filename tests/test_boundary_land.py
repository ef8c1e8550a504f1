"""The shipped network on land: a synthetic valley that nobody has seen, and the real patch of Flanders."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from shared_data import shared

from surco.adapters.boundaries import (
    BoundaryAdapter,
    ObjectScores,
    PixelVectors,
    gradient_objects,
    score_objects,
)
from surco.encoder import Encoder, load_encoder

SCRIPTS = str(Path(__file__).resolve().parents[1] / "scripts")


@pytest.fixture(autouse=True, scope="module")
def scripts_on_path() -> Iterator[None]:
    """The scripts import each other by their plain names."""
    sys.path.insert(0, SCRIPTS)
    yield
    sys.path.remove(SCRIPTS)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The shipped encoder."""
    return load_encoder()


def both(area: PixelVectors, fields: np.ndarray) -> tuple[ObjectScores, ObjectScores]:
    """Scores of the network and of the training-free fallback."""
    network = BoundaryAdapter.pretrained().predict(area)
    return score_objects(network.labels, fields), score_objects(gradient_objects(area).labels, fields)


def test_an_unseen_valley(encoder: Encoder, tmp_path: Path) -> None:
    """In a valley of another region and seed than trained on, F1 is at least 0.6 and above the fallback's."""
    from boundary_valleys import Valley, load_valley, make_valley

    make_valley(Valley("curico", (-71.25, -35.0), 700.0, 77, 2016, "test"), tmp_path, encoder)
    network, gradient = both(*load_valley(tmp_path, "curico"))
    assert network.true >= 10
    assert network.f1 >= 0.6
    assert network.f1 > gradient.f1


def test_the_real_patch(encoder: Encoder, tmp_path: Path) -> None:
    """On the real scenes of Flanders the network finds more of the declared fields than the fallback does."""
    from boundary_valleys import FLANDERS, load_valley, make_flanders

    shared("stac/flanders_2019")
    make_flanders(tmp_path, encoder)
    network, gradient = both(*load_valley(tmp_path, FLANDERS))
    assert network.true == 17
    assert network.f1 > gradient.f1
