"""What strangers may not do by SQL: a corpus of attacks, each of which ends within bounds, and a server that stays."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import sql_attacks
from browser import build_valley
from sql_server import serving_sql

from surco.api.sql_box.allowed import FUNCTIONS, TABLE_FUNCTIONS

CANARY = "canary-5d1f0c1e"
HIDDEN = "hidden-94ab37e2"
BATCH = 25
CUT = {413, 503, 504}
BROKEN_OFF = -1
"""An answer that began and whose connection was closed before its end: no client takes it for whole."""


@dataclass(frozen=True)
class Box:
    """A server under attack, its store, and a file that nobody may read."""

    client: httpx.Client
    store: Path
    canary: Path

    def ends(self, attack: str) -> int:
        """How an attack ends; fails where its answer says what it must not."""
        query = attack.replace("{canary}", str(self.canary)).replace("{store}", str(self.store))
        try:
            answer = self.client.post("/sql", json={"query": query.replace("{{", "{").replace("}}", "}")})
        except httpx.RemoteProtocolError:
            return BROKEN_OFF
        told = answer.text.replace(query, "")
        assert CANARY not in told and HIDDEN not in told, query
        for path in (str(self.store.parent), sys.prefix, str(Path.home())):
            if path not in query:
                assert path not in told, (query, told[:500])
        assert "Traceback" not in told and "stack_trace" not in told.lower(), (query, told[:500])
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json", (query, told[:500])
            assert answer.json()["status"] == answer.status_code and answer.json()["detail"], query
        return answer.status_code

    def stands(self) -> None:
        """The server still answers."""
        assert self.client.post("/sql", json={"query": "SELECT 1"}).json()["rows"] == [[1]]


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a store but the server's own state."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".server" not in path.parts
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A store, a canary beside it, and a secret in the server's environment; all as it was at the end."""
    folder = tmp_path_factory.mktemp("attacked")
    store = build_valley(folder / "valley").path
    canary = folder / "canary.csv"
    canary.write_text(f"a,b\n{CANARY},2\n", encoding="utf-8")
    before = digests(store)
    os.environ["SURCO_ATTACK_CANARY"] = HIDDEN
    yield store, canary
    del os.environ["SURCO_ATTACK_CANARY"]
    assert digests(store) == before
    assert canary.read_text(encoding="utf-8") == f"a,b\n{CANARY},2\n"
    assert not list(Path("/tmp").glob("surco-attack*"))  # noqa: S108 - where the attacks wanted to write


@pytest.fixture(scope="module")
def box(place: tuple[Path, Path]) -> Iterator[Box]:
    """A server with time enough for what is answered."""
    with serving_sql(place[0], sql_workers=1) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield Box(client, *place)


@pytest.fixture(scope="module")
def tight_box(place: tuple[Path, Path]) -> Iterator[Box]:
    """A server that gives a query little of anything."""
    limits = {
        "sql_workers": 3,
        "sql_timeout_s": 0.4,
        "sql_memory": 200_000_000,
        "sql_rows": 100_000,
        "sql_bytes": 20_000_000,
    }
    with serving_sql(place[0], **limits) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield Box(client, *place)


def batches(attacks: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The attacks, some at a time."""
    return [attacks[i : i + BATCH] for i in range(0, len(attacks), BATCH)]


REFUSED = (*sql_attacks.FILES, *sql_attacks.STATEMENTS, *sql_attacks.CATALOGUE, *sql_attacks.OURS)


def test_there_are_attacks_enough() -> None:
    """At least 150, each once."""
    everything = (*REFUSED, *sql_attacks.HARMLESS, *sql_attacks.BOMBS)
    assert len(set(everything)) == len(everything) >= 150


@pytest.mark.parametrize("attacks", batches(REFUSED))
def test_what_is_not_allowed_is_refused(box: Box, attacks: tuple[str, ...]) -> None:
    """Files, statements, the catalogue, the environment, the inside of our own functions: 400, and nothing else."""
    assert {attack: status for attack in attacks if (status := box.ends(attack)) != 400} == {}
    box.stands()


@pytest.mark.parametrize("attacks", batches(sql_attacks.HARMLESS))
def test_odd_queries_are_answered_or_refused(box: Box, attacks: tuple[str, ...]) -> None:
    """Odd letters, depth, length and values never cost more than a sentence; some want more memory than there is."""
    ended = {attack[:200]: box.ends(attack) for attack in attacks}
    assert {attack: status for attack, status in ended.items() if status not in (200, 400, 413)} == {}
    box.stands()


@pytest.mark.slow
@pytest.mark.parametrize("attacks", batches(sql_attacks.BOMBS))
def test_bombs_are_cut(tight_box: Box, attacks: tuple[str, ...]) -> None:
    """What takes all time, memory or room is cut by a limit or refused, and never answered."""
    with ThreadPoolExecutor(2) as pool:  # two workers
        ended = dict(zip(attacks, pool.map(tight_box.ends, attacks), strict=True))
    assert {attack: status for attack, status in ended.items() if status not in {400, BROKEN_OFF, *CUT}} == {}
    tight_box.stands()


def test_what_is_no_text_is_refused(box: Box) -> None:
    """NUL and half a character are no query."""
    for letter in ("\\u0000", "\\ud800"):
        body = '{"query": "SELECT 1' + letter + '"}'
        answer = box.client.post("/sql", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"
    box.stands()


def test_every_function_of_duckdb_is_looked_at(box: Box) -> None:
    """Only what is on the list can be called: every other function that DuckDB has is refused by its name."""
    from surco.api.predicting import connect_with_adapters
    from surco.api.sql_box.guard import Guard
    from surco.embedstore import Store

    guard = Guard()
    with connect_with_adapters(Store.open(box.store)) as session:
        rows = session.execute("SELECT DISTINCT lower(function_name) FROM duckdb_functions()").fetchall()
    named = {name for (name,) in rows if name.isidentifier()}
    assert {name for name in FUNCTIONS if name.isidentifier()} - named <= {"unnest"}
    for name in sorted(named - FUNCTIONS - TABLE_FUNCTIONS):
        for query in (f'SELECT "{name}"()', f'FROM "{name}"()', f'SELECT sum(1) OVER (ORDER BY "{name}"(1))'):
            with pytest.raises(ValueError, match="not to be had here"):
                guard.statement(query)
