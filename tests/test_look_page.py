"""Looking around on the page in a real browser: comparing, finding places, resting the mouse, sharing a link."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from browser import CROPS, build_valley, serving
from looking import Look, looking
from playwright.sync_api import Browser

from surco.adapters import CropTypeAdapter, save_adapter
from surco.api import Settings
from surco.viewer import class_styles, rgb

pytestmark = pytest.mark.browser

MIDDLE_OF_P003 = "-71.25423,-34.98963"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a valley with a second classifier, which calls everything rice or wheat."""
    valley = build_valley(tmp_path_factory.mktemp("look") / "valle")
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(40, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    other = CropTypeAdapter().fit(vectors, np.array(["rice", "wheat"] * 20))
    with valley.store.transaction() as write:
        write.put_adapter(
            "other", save_adapter(other, name="other", model_id="valley-1", task="crop-type", training={})
        )
    with serving(Settings(store=valley.path, adapter="crops")) as address:
        yield address


def _at(look: Look, near: tuple[float, float, float], within: tuple[float, float, float]) -> bool:
    """Whether the map comes to rest there, within 20 s: software flies slowly."""
    for _ in range(40):
        at = [float(part) for part in look.state()["at"].split(",")]
        if all(abs(a - b) <= c for a, b, c in zip(at, near, within, strict=True)):
            return True
        look.page.wait_for_timeout(500)
    return False


def _pixels(look: Look, name: str, left: int, right: int) -> int:
    away = np.abs(look.picture()[:, left:right] - np.array(rgb(class_styles([name])[0].colour))).max(axis=2)
    return int((away < 8).sum())


def test_two_maps_are_compared_by_a_swipe(browser: Browser, address: str) -> None:
    """Right of the handle lies the other map; the keyboard moves the handle, and the link keeps the comparison."""
    with looking(browser, address, "#lang=en") as look:
        look.drawn("parcels")
        assert _pixels(look, "cherry", 700, 1024) > 300
        look.page.select_option("#compare", "other/2024-25")
        bar = look.page.locator("#swipe-bar")
        bar.wait_for()
        look.page.wait_for_timeout(2500)
        assert look.page.locator("#swipe-right").inner_text() == "other · 2024-25"
        assert _pixels(look, "cherry", 560, 1024) < 100, "the other map knows no cherries"
        assert _pixels(look, "rice", 560, 1024) + _pixels(look, "wheat", 560, 1024) > 2000
        before = int(bar.get_attribute("aria-valuenow") or 0)
        bar.press("PageDown")
        assert int(bar.get_attribute("aria-valuenow") or 0) == before - 20
        assert look.state()["compare"] == "other/2024-25"


def test_places_are_found_by_name_and_by_coordinates(browser: Browser, address: str) -> None:
    """A comuna is flown to from the keyboard; coordinates open the place that lies there."""
    with looking(browser, address, "#lang=es") as look:
        look.drawn("parcels")
        look.page.fill("#find", "nunoa")
        option = look.page.locator("#found [role=option]").first
        option.wait_for()
        assert "Ñuñoa" in option.inner_text()
        look.page.press("#find", "Enter")
        assert _at(look, (-70.6, -33.46, 12), (0.1, 0.1, 3))
        look.page.fill("#find", ", ".join(reversed(MIDDLE_OF_P003.split(","))))
        look.page.locator("#found [role=option]").first.wait_for()
        look.page.press("#find", "Enter")
        look.page.locator("#place").wait_for()
        assert "P003" in look.page.locator("#place-title").inner_text()


def test_a_resting_mouse_is_told_what_lies_under_it(browser: Browser, address: str) -> None:
    """Class and certainty come after a rest and go when the mouse moves on or leaves."""
    with looking(browser, address, f"#lang=en&at={MIDDLE_OF_P003},16") as look:
        look.drawn("parcels")
        look.page.mouse.move(520, 325)
        look.page.mouse.move(512, 320)
        tip = look.page.locator("#tip")
        tip.wait_for()
        assert tip.locator("b").inner_text().lower() in [name.lower() for name in CROPS]
        assert "certain" in tip.inner_text()
        look.page.mouse.move(150, 320)
        tip.wait_for(state="hidden")


def test_legend_is_filtered_sorted_and_singles_out(browser: Browser, address: str) -> None:
    """Typing leaves the classes of that name; pressing one leaves only its places on the map; a link opens the same."""
    with looking(browser, address, "#lang=en") as look:
        look.drawn("parcels")
        look.page.wait_for_selector("#legend .row .amount >> text=ha")
        look.page.fill("#legend-filter", "ri")
        names = look.page.locator("#legend .row .name")
        assert set(names.all_inner_texts()) <= {"Rice", "Matorral"} and names.count() >= 1
        look.page.fill("#legend-filter", "")
        look.page.click("#legend button.row >> text=Rice")
        look.page.wait_for_timeout(400)
        look.drawn("class")
        look.page.wait_for_timeout(1500)
        link = look.page.url
        assert _pixels(look, "rice", 340, 1024) > 300 > _pixels(look, "cherry", 340, 1024)
    with looking(browser, address, "#" + link.partition("#")[2]) as look:
        look.drawn("class")
        pressed = look.page.locator("#legend button[aria-pressed=true]")
        pressed.wait_for()
        assert pressed.inner_text().startswith("Rice")
        assert look.state()["at"] == link.partition("at=")[2].partition("&")[0].replace("%2C", ",")


def test_keys_move_and_zoom_the_map(browser: Browser, address: str) -> None:
    """Arrows, plus and minus do what the map's description says."""
    with looking(browser, address, f"#lang=en&at={MIDDLE_OF_P003},15") as look:
        look.drawn("parcels")
        look.page.focus("#map")
        look.page.keyboard.press("ArrowRight")
        look.page.keyboard.press("+")
        east = -71.25423 + 100 * 360 / 512 / 2**15
        assert _at(look, (east, -34.98963, 16), (1e-4, 1e-4, 0.01))
