"""The page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CROPS, Valley, build_valley, serving
from looking import Look, looking
from playwright.sync_api import Browser, Route

from surco.api import Settings
from surco.viewer import class_styles, rgb

pytestmark = pytest.mark.browser

GROUND = np.array([238, 236, 228])
MIDDLE_OF_P003 = "-71.254350,-34.989400"
NIGHT = np.array([21, 24, 26])
OPACITY = 1.0


def spot(look: Look, name: str, left: int = 330, ground: Any = GROUND) -> tuple[float, float]:
    """A pixel well inside a patch of a class's colour, right of the controls."""
    patch = _is(look.picture(), name, ground)[:, left:]
    inside = patch.copy()
    for shift in (-5, 5):
        inside &= np.roll(patch, shift, 0) & np.roll(patch, shift, 1)
    rows, columns = np.nonzero(inside)
    assert len(rows) > 20, f"no {name} on the map"
    at = len(rows) // 2
    return float(columns[at] + left), float(rows[at])


def _is(
    picture: np.ndarray[Any, Any], name: str, ground: Any = GROUND, near: int = 6
) -> np.ndarray[Any, Any]:
    colour = np.array(rgb(class_styles([name])[0].colour))
    return np.asarray(np.abs(picture - (OPACITY * colour + (1 - OPACITY) * ground)).max(axis=2) <= near)


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Valley:
    """A store with an adapter."""
    return build_valley(tmp_path_factory.mktemp("browser") / "valle-de-prueba")


@pytest.fixture(scope="module")
def address(browser: Browser, valley: Valley) -> Iterator[str]:
    """A server of that store."""
    with serving(Settings(store=valley.path)) as address:
        yield address


def test_map_is_drawn_and_a_click_is_answered(browser: Browser, address: str) -> None:
    """All classes are on the canvas; a click on a cherry orchard shows what it is and what is like it."""
    with looking(browser, address) as look:
        look.drawn("parcels")
        picture = look.picture()
        counts = {name: int(_is(picture, name)[:, 330:].sum()) for name in CROPS}
        assert min(counts.values()) > 500, counts
        look.page.mouse.click(*spot(look, "cherry"))
        panel = look.page.locator("#place")
        panel.locator(".alike li").first.wait_for()
        assert panel.locator(".lead b").inner_text() == "Cerezo"
        assert panel.locator(".alike li").count() == 8
        assert panel.locator(".alike .name").first.inner_text().startswith("Cerezo · a ")
        assert panel.locator("svg.curve circle").count() == 11
        look.drawn("parcels")
        look.page.wait_for_timeout(300)
        assert int(_is(look.picture(), "maize")[:, 330:].sum()) < 500, "the rest of the map steps back"
        look.page.keyboard.press("Escape")
        assert panel.is_hidden()
        look.drawn("parcels")
        look.page.wait_for_timeout(300)
        assert int(_is(look.picture(), "maize")[:, 330:].sum()) > 5_000


def test_going_to_a_neighbour(browser: Browser, address: str) -> None:
    """A row of the list of similar places is a link to that place."""
    with looking(browser, address, f"#pick={MIDDLE_OF_P003}&lang=en") as look:
        first = look.page.locator("#place .alike button").first
        first.wait_for()
        before = look.page.locator("#place-title small").inner_text()
        first.click()
        look.page.wait_for_function(
            "b => document.querySelector('#place-title small').innerText !== b", arg=before
        )
        assert MIDDLE_OF_P003 not in look.page.url


def test_cells_layers_and_legend(browser: Browser, address: str) -> None:
    """Hexagons, NDVI by month, certainty and signatures draw; a class can be singled out."""
    with looking(browser, address, "#lang=en") as look:
        look.drawn("parcels")
        legend = look.page.locator("#legend")
        assert "not a survey estimate" in legend.inner_text()
        look.page.click("#legend button.row >> text=Rice")
        assert look.page.locator("#legend button[aria-pressed=true]").inner_text().startswith("Rice")
        assert "only=rice" in look.page.url
        look.page.click("#unit [value=cells]")
        look.drawn("cells")
        look.drawn("class")
        look.page.click("#style [value=ndvi]")
        look.page.wait_for_selector("#month-field:not([hidden])")
        assert "January 2025" in look.page.locator("#month-field").inner_text()
        look.page.locator("#month").press("ArrowRight")
        assert "February 2025" in look.page.locator("#month-field").inner_text()
        look.page.click("#style [value=probability]")
        look.page.wait_for_selector("#legend .ramp")
        look.page.click("#style [value=pca]")
        look.page.wait_for_selector("#legend >> text=signature")
        look.drawn("cells")


def test_legend_is_grouped_by_ines_classes(browser: Browser, address: str) -> None:
    """Crops stand below their class of INE's legend, whose hectares are theirs; a chosen place names it too."""
    with looking(browser, address, "#lang=en") as look:
        look.drawn("parcels")
        groups = look.page.locator("#legend section")
        heads = [head.split("\n")[0] for head in groups.locator(".group").all_inner_texts()]
        assert {"Deciduous fruit trees", "Spring crops", "Winter crops", "Perennial pasture"} <= set(heads)
        spring = groups.filter(has_text="Spring crops")
        assert set(spring.locator("button .name").all_inner_texts()) == {"Maize", "Rice"}
        amounts = [_number(text) for text in spring.locator(".amount").all_inner_texts()]
        assert amounts[0] == pytest.approx(sum(amounts[1:]), abs=1.5)
        look.page.mouse.click(*spot(look, "rice"))
        look.page.wait_for_selector("#place .lead >> text=INE: Temporary crops › Spring crops")
        look.speak("es")
        assert "Cultivos de primavera" in look.page.locator("#legend").inner_text()
        assert "INE: Cultivos temporales › Cultivos de primavera" in look.page.locator("#place").inner_text()


def _number(text: str) -> float:
    return float(text.split()[0].replace(",", ""))


def test_both_languages_and_the_address(browser: Browser, address: str) -> None:
    """The browser's language comes first, the switch changes it, and the address keeps what is looked at."""
    with looking(browser, address, locale="en-GB") as look:
        look.drawn("parcels")
        assert "Cherry" in look.page.locator("#legend").inner_text()
        look.speak("es")
        assert "Cerezo" in look.page.locator("#legend").inner_text()
        assert look.page.locator("html").get_attribute("lang") == "es"
        look.page.click("#style [value=probability]")
        look.page.wait_for_selector("#legend .ramp")
        link = look.page.url
    assert "lang=es" in link and "style=probability" in link
    with looking(browser, address, "#" + link.partition("#")[2], locale="en-GB") as look:
        look.drawn("parcels")
        assert look.page.locator("#style [value=probability]").get_attribute("aria-pressed") == "true"
        assert "Certeza" in look.page.locator("#legend").inner_text()


def test_only_the_readers_words_are_fetched(browser: Browser, address: str) -> None:
    """A page in English reads no Spanish until it is asked for; a language that cannot be had changes nothing."""
    with looking(browser, address, "#lang=en", forgive="ERR_") as look:
        asked: list[str] = []
        look.page.on("request", lambda r: asked.append(r.url))
        look.page.reload()
        look.drawn("parcels")
        names = {url.rpartition("/")[2] for url in asked}
        assert "words_en.js" in names and not {"words_es.js", "sentences_es.js"} & names
        look.page.route("**/words_es.js", lambda route: route.abort())
        look.page.click("[data-language=es]")
        look.page.wait_for_selector("#notice:not([hidden])")
        assert look.page.locator("html").get_attribute("lang") == "en"
        assert "Cherry" in look.page.locator("#legend").inner_text()


def test_a_part_opened_while_the_language_changes_has_its_sentences(browser: Browser, address: str) -> None:
    """Sentences that are first needed while another language is on its way come in that language too."""
    with looking(browser, address, "#lang=en") as look:
        look.drawn("parcels")
        waiting: list[Route] = []
        look.page.route("**/words_es.js", lambda route: waiting.append(route))
        look.page.click("[data-language=es]")
        look.page.click("#of-count")
        look.page.wait_for_function("import('/static/sentences.js').then(() => true)")
        waiting.pop().continue_()
        look.page.wait_for_selector("html[lang=es]")
        kind = "import('/static/words.js').then((w) => typeof w.read('sentences', 'season-half'))"
        assert look.page.evaluate(kind) != "undefined"


def test_keyboard_chooses_the_place_in_the_middle(browser: Browser, address: str) -> None:
    """Enter on the focused map opens what lies under the cross."""
    with looking(browser, address, "#at=-71.25423,-34.98963,15.5") as look:
        look.drawn("parcels")
        look.page.focus("#map")
        look.page.keyboard.press("Enter")
        look.page.locator("#place").wait_for()
        assert "P003" in look.page.locator("#place-title").inner_text()


def test_small_dark_screen(browser: Browser, address: str) -> None:
    """On a phone the controls are a sheet below the map, nothing is wider than the screen, and a tap is answered."""
    phone = {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "has_touch": True,
        "is_mobile": True,
    }
    with looking(browser, address, **phone) as look:
        look.drawn("parcels")
        sheet = look.page.locator("#controls").bounding_box()
        assert sheet and sheet["width"] == 390 and sheet["y"] > 400
        assert look.page.evaluate("document.documentElement.scrollWidth") == 390
        look.page.touchscreen.tap(*spot(look, "cherry", 0, NIGHT))
        look.page.locator("#place").wait_for()
        assert look.page.locator("#place .lead b").inner_text() == "Cerezo"
        assert look.page.locator("#tip").is_hidden()


def test_without_an_adapter_the_page_shows_signatures(browser: Browser, tmp_path: Path) -> None:
    """The legend says that there is no classifier yet and how to make one."""
    bare = build_valley(tmp_path / "bare", columns=4, rows=3, adapter=False)
    with serving(Settings(store=bare.path)) as address, looking(browser, address, "#lang=en") as look:
        look.drawn("parcels")
        assert "surco adapters fit" in look.page.locator("#legend").inner_text()
        assert look.page.locator("#style [value=class]").is_hidden()
        inside = look.picture()[150:500, 400:1000].reshape(-1, 3)
        assert len(np.unique(inside // 32, axis=0)) > 8


def test_a_server_that_is_gone_is_said_in_words(browser: Browser, valley: Valley) -> None:
    """The page names the trouble and offers to try again."""
    with browser.new_context(locale="en-GB") as window:
        page = window.new_page()
        with serving(Settings(store=valley.path)) as address:
            page.goto(address)
            page.wait_for_selector("#map[data-drawn~=parcels]")
        page.click("#unit [value=cells]")
        page.locator("#notice").wait_for()
        assert "surco serve" in page.locator("#notice").inner_text()
        assert page.locator("#retry").is_visible()
