"""Permits of a moving minute: never more than the limit over all processes, and few are lost between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres_server import postgres_database
from sqlalchemy import func, select
from store_builders import small_store

from surco.api.state.database import Database
from surco.api.state.permits import Permits
from surco.api.state.tables import RATES


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Database]]:
    """Three processes' databases, which are one."""
    store = small_store(tmp_path_factory.mktemp("permits") / "store").path
    if request.param == "sqlite":
        opened = [Database.open(store) for _ in range(3)]
        yield opened
    else:
        with postgres_database() as url:
            opened = [Database.open(store, url) for _ in range(3)]
            yield opened
            for database in opened:
                database.close()
        return
    for database in opened:
        database.close()


def granted(permits: Permits, subject: str) -> bool:
    """Whether a request may go on."""
    return (permits.held(subject) or permits.fetched(subject)).granted


def test_processes_count_together(databases: list[Database]) -> None:
    """Three that ask in turns are given the limit and not one more; an uneven use loses less than a tenth of it."""
    clock = Clock()
    all_permits = [Permits(database, "requests", 1_000, clock) for database in databases]
    assert sum(granted(all_permits[number % 3], "even") for number in range(3_000)) == 1_000
    first = sum(granted(all_permits[0], "uneven") for _ in range(5))
    rest = sum(granted(all_permits[1], "uneven") for _ in range(2_000))
    assert 900 <= first + rest <= 1_000


def test_many_threads_take_no_more(databases: list[Database]) -> None:
    """Eight threads of three processes at once: the limit holds exactly."""
    clock = Clock()
    all_permits = [Permits(database, "writes", 300, clock) for database in databases]
    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(lambda number: granted(all_permits[number % 3], "busy"), range(900)))
    assert answers[True] == 300


def test_the_minute_moves(databases: list[Database]) -> None:
    """After a full minute half of it counts in the middle of the next; the wait that was said is the wait."""
    clock = Clock()
    permits = Permits(databases[0], "requests", 60, clock)
    assert sum(granted(permits, "ana") for _ in range(100)) == 60
    refused = permits.fetched("ana")
    assert not refused.granted and 60 <= refused.wait_s <= 62
    clock.now += refused.wait_s - 2
    assert not granted(permits, "ana")
    clock.now += 2
    assert granted(permits, "ana") and not granted(permits, "ana")
    clock.now += 29
    assert 28 <= sum(granted(permits, "ana") for _ in range(100)) <= 30


def test_who_is_refused_costs_nothing(databases: list[Database]) -> None:
    """A flood is refused from memory: the database is not asked again until there is something to give."""
    clock = Clock()
    permits = Permits(databases[0], "requests", 10, clock)
    assert sum(granted(permits, "flood") for _ in range(11)) == 10
    assert all(permits.held("flood") is not None for _ in range(1_000))


def test_old_counts_go(databases: list[Database]) -> None:
    """Windows that no longer count are removed."""
    clock = Clock()
    for _ in range(4):
        granted(Permits(databases[0], "sweeping", 10, clock), "ana")
        clock.now += 60
    with databases[1].counting() as connection:
        query = select(func.count()).select_from(RATES).where(RATES.c.what == "sweeping")
        assert connection.execute(query).scalar_one() == 2


def test_without_a_database_a_process_counts_alone(
    databases: list[Database], caplog: pytest.LogCaptureFixture
) -> None:
    """Where the database does not answer, requests go on, and the limit holds in each process."""
    if databases[0].kind != "postgresql":
        pytest.skip("a file is always there")
    gone = databases[2]
    permits = Permits(gone, "requests", 5, Clock())
    with gone.counting() as connection:
        connection.exec_driver_sql("ALTER TABLE rates RENAME TO rates_away")
    try:
        assert [granted(permits, "ana") for _ in range(7)] == [True] * 5 + [False] * 2
    finally:
        with gone.counting() as connection:
            connection.exec_driver_sql("ALTER TABLE rates_away RENAME TO rates")
    assert "this process alone" in caplog.text
