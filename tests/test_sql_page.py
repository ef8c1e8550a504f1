"""The page's SQL panel in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from browser import build_valley, serving
from looking import Look, looking, soon
from playwright.sync_api import Browser

from surco.api import Settings

pytestmark = pytest.mark.browser

PINK = np.array([190, 24, 93])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a small valley."""
    with serving(Settings(store=build_valley(tmp_path_factory.mktemp("sql") / "valle").path)) as address:
        yield address


def _ask(look: Look, query: str) -> None:
    look.page.fill("#sql-text", query)
    look.page.press("#sql-text", "Control+Enter")
    look.page.locator("#sql-run").wait_for()


def _pink(look: Look) -> int:
    away = np.abs(look.picture()[:, 340:] - PINK).max(axis=2)
    return int((away < 40).sum())


def test_an_answer_is_a_table_and_lies_on_the_map(browser: Browser, address: str, tmp_path: Path) -> None:
    """Parcels asked for are listed, drawn, and downloaded whole; asking for no places takes them off the map."""
    with looking(browser, address, "#lang=en&tab=ask") as look:
        look.drawn("parcels")
        before = _pink(look)
        _ask(look, "SELECT id, n_optical, geometry FROM parcels ORDER BY id LIMIT 3;")
        rows = look.page.locator("#sql-result tbody tr")
        rows.first.wait_for()
        assert rows.all_inner_texts() == [f"P00{n}\t31\tPolygon" for n in range(3)]
        assert look.page.locator("#sql-status").inner_text().startswith("3 rows in ")
        look.page.wait_for_timeout(1200)
        assert _pink(look) > before + 300, "outlines on the map"
        with look.page.expect_download() as waiting:
            look.page.click("#sql-actions >> text=Parquet")
        waiting.value.save_as(tmp_path / "answer.parquet")
        assert pq.read_table(tmp_path / "answer.parquet")["id"].to_pylist() == ["P000", "P001", "P002"]
        _ask(look, "SELECT count(*) AS n FROM parcels")
        look.page.locator("#sql-result td").first.wait_for()
        assert look.page.locator("#sql-result td").inner_text() == "40"
        look.drawn("parcels")
        look.page.wait_for_timeout(300)
        assert _pink(look) <= before + 50


def test_cells_are_drawn_as_hexagons(browser: Browser, address: str) -> None:
    """A column h3 is enough for the map."""
    with looking(browser, address, "#lang=en&tab=ask") as look:
        look.drawn("parcels")
        before = _pink(look)
        _ask(look, "SELECT h3, n_optical FROM cells WHERE res = 9 LIMIT 4")
        look.page.locator("#sql-result tbody tr").nth(3).wait_for()
        assert soon(lambda: _pink(look) > before + 300)


def test_what_the_server_refuses_is_said_in_its_words(browser: Browser, address: str) -> None:
    """A mistake is answered beside the question."""
    with looking(browser, address, "#lang=es&tab=ask", forgive="Failed to load resource") as look:
        look.drawn("parcels")
        _ask(look, "SELECT nonsense FROM parcels")
        said = look.page.locator("#sql-status.wrong")
        said.wait_for()
        assert "nonsense" in said.inner_text()
        assert look.page.locator("#notice").is_hidden()


def test_a_long_question_can_be_stopped(browser: Browser, address: str) -> None:
    """The button stops the wait, and the next question is answered."""
    with looking(browser, address, "#lang=en&tab=ask") as look:
        look.drawn("parcels")
        look.page.fill(
            "#sql-text",
            "SELECT count(*) FROM range(100000) a, range(1000000) b WHERE a.range % 7 = b.range % 11",
        )
        look.page.click("#sql-run")
        look.page.click("#sql-stop")
        look.page.locator("#sql-status >> text=Stopped.").wait_for()
        _ask(look, "SELECT 41 + 1 AS n")
        look.page.locator("#sql-result td").first.wait_for()
        assert look.page.locator("#sql-result td").inner_text() == "42"


def test_examples_run_as_they_are(browser: Browser, address: str) -> None:
    """Each example of the panel is answered with rows."""
    with looking(browser, address, "#lang=es&tab=ask") as look:
        look.drawn("parcels")
        values = look.page.eval_on_selector_all("#sql-examples option", "all => all.map((one) => one.value)")
        assert len(values) >= 6
        for value in filter(None, values):
            look.page.select_option("#sql-examples", value)
            look.page.click("#sql-run")
            look.page.locator("#sql-run").wait_for()
            look.page.locator("#sql-result tbody tr").first.wait_for()
            assert look.page.locator("#sql-status.wrong").count() == 0, value
