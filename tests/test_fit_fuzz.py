"""Bodies and parameters of any kind sent to `/adapters`: an answer or a problem, never a fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fit_builders import crops, key, served
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["crops", "cells", "2024-25", "yield", "../x", "ine", "\x00", "é", "a" * 300]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
WISH = (
    "name",
    "labels",
    "task",
    "column",
    "target",
    "season",
    "unit",
    "model",
    "legend",
    "consensus",
    "target_unit",
)
ASKED = ("points", "ids", "vectors", "season", "unit", "coverage")
SHAPES = ["Point", "Polygon", "MultiPolygon", "LineString"]
PARAMETERS = ["count", "bbox", "labels", "season", "version", "seed", "a", "b"]
GEOMETRY = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["Point", "Polygon", "MultiPolygon", "LineString"]), "coordinates": JSON}
    ),
)
FEATURES = st.lists(
    st.one_of(
        JSON,
        st.fixed_dictionaries(
            {
                "type": st.just("Feature"),
                "geometry": GEOMETRY,
                "properties": st.dictionaries(st.just("crop"), JSON),
            }
        ),
        st.sampled_from(crops()["features"]),
    ),
    max_size=5,
)
FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """A client of a valley that may do everything."""
    path: Path = tmp_path_factory.mktemp("fuzz") / "store"
    with served(path, writes_per_minute=100_000, requests_per_minute=100_000) as (client, store):
        client.headers.update(key(store.path, "admin"))
        yield client


def sound(answer: Any) -> None:
    """An answer, or a problem of the client's that says what it is."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] and "Traceback" not in answer.text


@FUZZ
@given(st.dictionaries(st.sampled_from(WISH), JSON, max_size=8), FEATURES, st.booleans())
def test_no_wish_is_a_fault(
    client: TestClient[Any], body: dict[str, Any], features: list[Any], whole: bool
) -> None:
    """Any fields with any values, with labels that are nearly labels."""
    wish = {"name": "fuzzed", "labels": {"type": "FeatureCollection", "features": features}, **body}
    sound(client.post("/adapters", json=wish if whole else body))


@FUZZ
@given(st.dictionaries(st.sampled_from(ASKED), JSON, max_size=4))
def test_no_question_is_a_fault(client: TestClient[Any], body: dict[str, Any]) -> None:
    """Any places, ids and vectors."""
    sound(client.post("/adapters/crops/predict", json=body))


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from(["count", "bbox", "labels", "season", "version", "seed", "a", "b"]),
        st.text(max_size=30),
    )
)
def test_no_parameter_is_a_fault(client: TestClient[Any], params: dict[str, str]) -> None:
    """Any parameters of anything that is read."""
    for path in ("/adapters/crops", "/adapters/crops/next", "/adapters/compare", "/adapters/crops/bundle"):
        sound(client.get(path, params=params))


@FUZZ
@given(st.text(min_size=1, max_size=40))
def test_no_name_is_a_fault(client: TestClient[Any], name: str) -> None:
    """Any name in the address."""
    for path in ("", "/versions", "/next", "/bundle"):
        sound(client.get(f"/adapters/{quote(name, safe='')}{path}"))
    sound(client.delete(f"/adapters/{quote(name + 'x', safe='')}"))


@pytest.mark.parametrize("depth", [200, 100_000])
def test_deep_nesting_is_a_problem(client: TestClient[Any], depth: int) -> None:
    """A body nested deeper than Python's stack."""
    nested = "[" * depth + "]" * depth
    body = f'{{"name": "deep", "labels": {{"type": "FeatureCollection", "features": {nested}}}}}'
    sound(client.post("/adapters", content=body, headers={"content-type": "application/json"}))
