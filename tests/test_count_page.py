"""The page's part for counting in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import CORNER, STEP, build_valley, serving
from looking import Look, looking, soon
from playwright.sync_api import Browser

from surco.api import Settings

pytestmark = pytest.mark.browser

AREAS = "/maps/crops/2024-25/areas"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a small valley."""
    with serving(Settings(store=build_valley(tmp_path_factory.mktemp("count") / "valle").path)) as address:
        yield address


def _counted(address: str, **query: Any) -> dict[str, float]:
    rows = httpx.get(address + AREAS, params={"unit": "parcels", "f": "json", **query}).json()["areas"]
    return {row["class"]: row["mapped_ha"] for row in rows if row["domain"] == "total"}


def _open(look: Look) -> None:
    look.drawn("parcels")
    look.page.locator("#count-result svg.bars").wait_for()


def _total(look: Look) -> float:
    return float(
        look.page.locator("#count-result .sum b").inner_text().split()[0].replace(",", "")
    )  # waits for one


def _draw(look: Look, kind: str, corners: list[tuple[float, float]]) -> None:
    look.page.click(f"#count-where [value={kind}]")
    for x, y in corners[:-1]:
        look.page.mouse.click(x, y)
    (look.page.mouse.click if kind == "box" else look.page.mouse.dblclick)(*corners[-1])


def test_the_view_the_whole_map_and_a_comuna(browser: Browser, address: str) -> None:
    """Hectares are those of the server for each; a count is called so and has a bar for each class and a table."""
    with looking(browser, address, "#lang=en&tab=count") as look:
        _open(look)
        whole = _counted(address)
        look.page.click("#count-where [value=all]")
        assert soon(lambda: _total(look) == pytest.approx(sum(whole.values()), abs=1))
        assert "no estimate and has no interval" in look.page.locator("#count-result").inner_text()
        spoken = look.page.locator("#count-result svg.bars").get_attribute("aria-label") or ""
        assert "Cherry" in spoken and "ha" in spoken
        look.page.click("#count-result summary")
        rows = look.page.locator("#count-result tbody tr").all_inner_texts()
        assert len(rows) == len(whole)
        look.page.click("#count-where [value=zone]")
        look.page.select_option("#count-zone", "comuna:7301")
        there = sum(_counted(address, comuna=7301).values())
        assert soon(lambda: _total(look) == pytest.approx(there, abs=1))
        look.page.click("#count-where [value=view]")
        look.page.locator("#count-status", has_text="Counting").wait_for(state="hidden")
        seen = _total(look)
        look.page.click("#zoom-in")
        look.page.click("#zoom-in")
        assert soon(lambda: 0 < _total(look) < seen), "a nearer view holds less"


def test_a_drawn_rectangle_and_outline(browser: Browser, address: str) -> None:
    """What is drawn is what is counted: an outline around a rectangle's half holds half of it."""
    with looking(browser, address, "#lang=en&tab=count") as look:
        _open(look)
        _draw(look, "box", [(500, 200), (800, 440)])
        look.page.locator("#count-result svg.bars").wait_for()
        box = _total(look)
        assert 0 < box < sum(_counted(address).values())
        assert look.page.locator("#hint").is_hidden()
        _draw(look, "polygon", [(500, 200), (800, 200), (800, 440), (500, 440)])
        look.page.locator("#count-result svg.bars").wait_for()
        assert soon(lambda: _total(look) == pytest.approx(box, rel=0.1)), "parcels cut by the same lines"
        look.page.locator("#busy:not(.on)").wait_for(state="attached")
        zoom = look.state()["at"].split(",")[2]
        _draw(look, "polygon", [(500, 200), (800, 200), (500, 440)])
        look.page.locator("#count-result svg.bars").wait_for()
        assert soon(lambda: _total(look) == pytest.approx(box / 2, rel=0.35))
        look.page.wait_for_timeout(800)
        assert look.state()["at"].split(",")[2] == zoom, "a double click that ends a drawing does not zoom"


def test_drawing_by_keyboard_and_cancelling(browser: Browser, address: str) -> None:
    """Space sets corners under the cross, Enter ends; Escape goes back to the view."""
    lon, lat = CORNER[0] + 4 * STEP[0], CORNER[1] + 2.5 * STEP[1]
    with looking(browser, address, f"#lang=en&tab=count&at={lon},{lat},15") as look:
        _open(look)
        look.page.click("#count-where [value=box]")
        assert look.page.evaluate("document.activeElement.id") == "map"
        look.page.keyboard.press("Escape")
        assert look.page.locator("#count-where [value=view]").get_attribute("aria-pressed") == "true"
        look.page.click("#count-where [value=box]")
        look.page.keyboard.press("Space")
        for key in ("ArrowRight", "ArrowUp"):
            look.page.keyboard.press(key)
            look.page.wait_for_timeout(700)
        look.page.keyboard.press("Space")
        look.page.locator("#count-result svg.bars").wait_for()
        assert 0 < _total(look) < sum(_counted(address).values())


def test_a_sample_gives_intervals(browser: Browser, address: str, tmp_path: Path) -> None:
    """The plan is downloaded, filled in and brought back; estimates with whiskers follow, and go with it."""
    with looking(browser, address, "#lang=en&tab=count") as look:
        _open(look)
        look.page.click("#count-where [value=all]")
        look.page.fill("#count-sample input[type=number]", "32")
        with look.page.expect_download() as waiting:
            look.page.click("#count-sample >> text=Sample plan")
        sample = json.loads(Path(waiting.value.path()).read_text())
        classes = sorted({each["properties"]["stratum"] for each in sample["features"]})
        for at, feature in enumerate(sample["features"]):  # every fifth place is not what the map says
            right = feature["properties"]["stratum"]
            feature["properties"]["class"] = right if at % 5 else classes[at % len(classes)]
        (tmp_path / "filled.geojson").write_text(json.dumps(sample))
        look.page.set_input_files("#count-file", tmp_path / "filled.geojson")
        look.page.locator("#count-result >> text=Estimated from the sample").wait_for()
        assert look.page.locator("#count-result svg.bars .whisker").count() >= 2
        assert "Overall accuracy" in look.page.locator("#count-result").inner_text()
        look.page.click("#count-sample >> text=Without the sample")
        look.page.locator("#count-result >> text=Counted from the map").wait_for()
        assert look.page.locator("#count-result svg.bars .whisker").count() == 0


def test_a_drawn_outline_has_intervals_too(browser: Browser, address: str, tmp_path: Path) -> None:
    """A sample is drawn of the outline, filled in and brought back: its estimates are those of the server."""
    with looking(browser, address, "#lang=en&tab=count") as look:
        _open(look)
        _draw(look, "polygon", [(420, 120), (960, 120), (960, 560), (420, 560)])
        look.page.locator("#count-result svg.bars").wait_for()
        look.page.fill("#count-sample input[type=number]", "30")
        with look.page.expect_download() as waiting:
            look.page.click("#count-sample >> text=Sample plan")
        sample = json.loads(Path(waiting.value.path()).read_text())
        for feature in sample["features"]:
            feature["properties"]["class"] = feature["properties"]["stratum"]
        sample["features"][0]["properties"]["class"] = sample["features"][1]["properties"]["stratum"]
        (tmp_path / "filled.geojson").write_text(json.dumps(sample))
        look.page.set_input_files("#count-file", tmp_path / "filled.geojson")
        look.page.locator("#count-result >> text=Estimated from the sample").wait_for()
        assert "30 places" in look.page.locator("#count-result").inner_text()
        with look.page.expect_download() as waiting:
            look.page.click("#count-saves >> text=CSV")
        assert "low_ha" in Path(waiting.value.path()).read_text().splitlines()[0]


def test_table_is_copied_and_maps_are_saved(browser: Browser, address: str) -> None:
    """The clipboard has tabs between columns; the map of the part is a file."""
    with looking(
        browser, address, "#lang=en&tab=count", permissions=["clipboard-read", "clipboard-write"]
    ) as look:
        _open(look)
        look.page.click("#count-saves >> text=Copy table")
        look.page.locator("#count-status >> text=Copied.").wait_for()
        lines = look.page.evaluate("navigator.clipboard.readText()").split("\n")
        assert lines[0] == "Class\tMapped, ha" and all(line.count("\t") == 1 for line in lines)
        with look.page.expect_download() as waiting:
            look.page.click("#count-saves >> text=GeoJSON")
        saved = json.loads(Path(waiting.value.path()).read_text())
        assert {each["geometry"]["type"] for each in saved["features"]} == {"Polygon"}
        assert len(saved["features"]) == 40


def test_fields_where_the_server_has_no_images(browser: Browser, address: str) -> None:
    """The server's own sentence stands beside the button."""
    with looking(browser, address, "#lang=en&tab=count", forgive="Failed to load resource") as look:
        _open(look)
        look.page.click("#count-fields >> text=Draw an area")
        look.page.mouse.click(500, 250)
        look.page.mouse.click(560, 300)
        look.page.locator("#fields-status >> text=This server has no images of that area").wait_for()
