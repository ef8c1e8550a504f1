"""Every question of docs/sql.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from orchard_valley import CROPS, NEW_ORCHARDS, PARCELS, orchard_valley

from surco.api.predicting import connect_with_adapters
from surco.embedstore import run_sql_on

PAGE = (Path(__file__).resolve().parents[1] / "docs/sql.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"### ([^\n]+)\n(?:(?!###).)*?```sql\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """A session on a store of two seasons, parcels, cells of two resolutions and an adapter."""
    return connect_with_adapters(orchard_valley(tmp_path_factory.mktemp("cookbook") / "s"))


def answer(session: duckdb.DuckDBPyConnection, beginning: str) -> list[dict[str, object]]:
    """The rows of the one question that begins so."""
    (query,) = (query for question, query in QUESTIONS.items() if question.startswith(beginning))
    return run_sql_on(session, query).to_pylist()


def test_the_page_asks_enough() -> None:
    """At least fifteen questions, and each block of SQL belongs to one."""
    assert len(QUESTIONS) >= 15
    assert PAGE.count("```sql") == PAGE.count("\n### ") == len(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_an_answer(session: duckdb.DuckDBPyConnection, question: str) -> None:
    """The query runs as it is printed, and gives rows that are not all null."""
    table = run_sql_on(session, QUESTIONS[question])
    assert table.num_rows > 0
    for name in table.column_names:
        assert table[name].null_count < table.num_rows or name == "as_of", name


def test_similar_parcels_are_of_the_same_crop(session: duckdb.DuckDBPyConnection) -> None:
    """What looks like an orchard is an orchard, and what is filtered is within the filter."""
    found = answer(session, "Where else looks like this orchard")
    assert len(found) == 10
    assert all(int(str(row["id"])[1:]) % len(CROPS) == 0 or row["id"] in NEW_ORCHARDS for row in found)
    filtered = answer(session, "Where else, within one comuna")
    assert len(filtered) == 5
    assert all(int(str(row["id"])[1:]) >= PARCELS // 2 for row in filtered)
    assert {row["crop"] for row in answer(session, "What is like the place")} - {None} <= {"cherry"}


def test_new_orchards_are_found(session: duckdb.DuckDBPyConnection) -> None:
    """The parcels that became orchards are those that changed most, and their comuna is the one that gained."""
    changed = answer(session, "What changed since last season")
    assert {row["id"] for row in changed[: len(NEW_ORCHARDS)]} == set(NEW_ORCHARDS)
    assert {row["id"] for row in answer(session, "Which parcels became orchards")} == set(NEW_ORCHARDS)
    gained = answer(session, "Which comunas gained cherries")
    assert gained[0]["comuna_name"] == "Talca"
    assert float(str(gained[0]["gained_ha"])) > 5
    became = {(row["earlier"], row["later"]) for row in answer(session, "What became what")}
    assert {pair for pair in became if pair[0] != pair[1]} == {("maize", "cherry")}


def test_hectares_are_those_of_the_cells(session: duckdb.DuckDBPyConnection) -> None:
    """All classes of a region add up to the area of its cells, and all parcels to theirs."""
    by_region = answer(session, "How many hectares of each class")
    (whole,) = run_sql_on(
        session, "SELECT sum(h3_hectares(h3)) AS ha FROM cells WHERE season = '2024-25' AND res = 9"
    ).to_pylist()
    assert {row["region"] for row in by_region} == {"Maule"}
    assert sum(float(str(row["hectares"])) for row in by_region) == pytest.approx(
        whole["ha"], abs=len(by_region)
    )


def test_prototypes_and_examples_are_of_their_crop(session: duckdb.DuckDBPyConnection) -> None:
    """A prototype carries its class, and a nearest example the class that grows on the parcel."""
    for row in answer(session, "Which parcel is the most typical"):
        number = int(str(row["prototype"])[1:])
        assert CROPS[number % len(CROPS)] == row["label"] or row["prototype"] in NEW_ORCHARDS
    for row in answer(session, "What is the nearest labelled example"):
        number = int(str(row["id"])[1:])
        assert CROPS[number % len(CROPS)] == row["crop"] or row["id"] in NEW_ORCHARDS


def test_purity_is_a_share(session: duckdb.DuckDBPyConnection) -> None:
    """Parcels of one crop are pure, and none is more than that."""
    assert all(0.5 < float(str(row["purity"])) <= 1 for row in answer(session, "How pure is each parcel"))
