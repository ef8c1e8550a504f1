from __future__ import annotations

from pathlib import Path

import pytest
from browser import CHROMIUM, FLAGS, need_chromium, serving
from playwright.sync_api import Page, sync_playwright

from surco.api import Settings
from surco.api.demo import run_demo

pytestmark = pytest.mark.browser


def chosen(page: Page) -> str:
    """The chosen parcel's class, after a click in the middle of the map."""
    page.mouse.click(720, 400)
    panel = page.locator("#place")
    panel.locator(".alike li").first.wait_for()
    return panel.locator(".lead b").inner_text()


def test_the_demos_page_answers_a_click(tmp_path: Path) -> None:
    """The demo's own page draws its map with a legend, and a click names the crop and lists what is most like it."""
    need_chromium()
    result = run_demo(tmp_path / "valley", (1400.0, 1400.0))
    with (
        serving(Settings(result.store, "crops", area="Synthetic valley")) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
        faults: list[str] = []
        page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
        page.goto(address)
        page.wait_for_selector("#map[data-drawn~=parcels]", timeout=60_000)
        names = page.locator("#legend button.row .name").all_inner_texts()
        assert {"Maize", "Rice", "Cherry"} <= set(names)
        assert chosen(page) in names
        assert page.locator("#place .alike li").count() == 8
        page.fill("#find", "cautin")
        page.locator("#found li").first.click()
        page.wait_for_timeout(1500)
        assert chosen(page) in names
        assert "W" in page.locator("#place").inner_text()
        assert faults == []
        browser.close()
