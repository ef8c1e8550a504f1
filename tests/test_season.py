"""The agricultural year."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surco.embedstore import Season, SeasonError

seasons = st.builds(Season, st.integers(1900, 2199), st.integers(1, 12))


def test_chile_starts_in_may() -> None:
    """2024-25 is 1 May 2024 to 30 April 2025 by default."""
    season = Season(2024)
    assert (season.start, season.end, season.name) == (date(2024, 5, 1), date(2025, 4, 30), "2024-25")


def test_calendar_year_has_a_plain_name() -> None:
    """A season that starts in January is called by its one year."""
    season = Season(2019, 1)
    assert (season.name, season.end) == ("2019", date(2019, 12, 31))
    assert Season.parse("2019", 1) == season


@pytest.mark.parametrize("name", ["2024-25", "2024-2025", " 2024-25 "])
def test_names_are_read(name: str) -> None:
    """The short and the long name mean the same season."""
    assert Season.parse(name) == Season(2024)


def test_the_turn_of_the_century_is_a_season() -> None:
    """1999-00 follows its first year."""
    assert Season.parse("1999-00").name == "1999-00"


@pytest.mark.parametrize(
    ("name", "start_month"),
    [
        ("2024", 5),
        ("2024-26", 5),
        ("24-25", 5),
        ("2024-25", 1),
        ("", 5),
        ("2024-2026", 5),
        ("2024-25x", 5),
        ("2024_25", 5),
    ],
)
def test_other_names_are_refused_with_an_example(name: str, start_month: int) -> None:
    """What is no season says how one is written."""
    with pytest.raises(SeasonError, match=r"got '.*Write it as 2024"):
        Season.parse(name, start_month)


@given(seasons)
def test_name_round_trip(season: Season) -> None:
    """A season's name reads back as the season."""
    assert Season.parse(season.name, season.start_month) == season


@given(seasons)
def test_months_tile_the_season(season: Season) -> None:
    """Twelve months follow each other without gap from the first to the last day."""
    months = season.months()
    assert len(months) == 12
    assert (months[0][0], months[-1][1]) == (season.start, season.end)
    for (_, last), (first, _) in pairwise(months):
        assert last + timedelta(days=1) == first


@given(seasons, st.integers(0, 364))
def test_dates_round_trip(season: Season, days: int) -> None:
    """Dates read back as the season, and an early end as as_of."""
    last = season.start + timedelta(days=days)
    read = Season.from_dates(f"{season.start}/{last}")
    assert (read.start, read.last_day) == (season.start, last)
    assert (read.as_of is None) == (last == season.end)


def test_months_may_be_given_for_dates() -> None:
    """2018-11/2019-10 means the whole of both months."""
    assert (
        Season.from_dates("2018-11/2019-10") == Season.from_dates("2018-11-01/2019-10-31") == Season(2018, 11)
    )
    assert Season.from_dates("2018-11/2019-02").as_of == date(2019, 2, 28)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("2018-11-01", "2018-11/2019-10"),
        ("2018-11-15/2019-10-31", "Start it on 2018-11-01"),
        ("2018-11/2019-11", "twelve months at most"),
        ("2018-11/2018-10", "twelve months at most"),
        ("2018-13/2019-10", "a month as 2018-11"),
        ("2018-11/2019-02-30", "a month as 2018-11"),
        ("next year/2019-02", "a month as 2018-11"),
    ],
)
def test_bad_dates_say_what_to_write(text: str, remedy: str) -> None:
    """Each way of writing dates wrong has its own remedy."""
    with pytest.raises(SeasonError, match=remedy):
        Season.from_dates(text)


@given(seasons, seasons)
def test_order_is_of_time(one: Season, other: Season) -> None:
    """Seasons sort by their first day."""
    assert (one < other) == (one.start < other.start)
    assert (one <= other) == (one.start <= other.start)


def test_a_growing_season_comes_before_the_whole_one() -> None:
    """Of one season, the state seen earlier sorts first, and they are not equal."""
    growing = Season(2024, as_of=date(2024, 11, 30))
    assert growing < Season(2024) < Season(2025, as_of=date(2025, 5, 1))
    assert growing.name == Season(2024).name
    assert Season(2024, as_of=date(2025, 4, 30)) == Season(2024)


@pytest.mark.parametrize(
    "arguments",
    [(1800,), (2024, 0), (2024, 13), (2024, 5, date(2024, 4, 30)), (2024, 5, date(2025, 5, 1))],
)
def test_impossible_seasons_are_refused(arguments: tuple[int, int, date]) -> None:
    """A year, month or as_of out of range is an error of the room."""
    with pytest.raises(SeasonError, match=r"Expected .*; got "):
        Season(*arguments)
