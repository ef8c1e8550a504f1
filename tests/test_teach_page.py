"""Teaching the map in a real browser: labels by click, stroke and file, the map that learns, what comes of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import shapely
from browser import Valley, build_valley, serving
from fit_builders import key
from looking import Look, looking
from playwright.sync_api import Browser, Download

from surco.api import Settings
from surco.viewer import class_styles, rgb

pytestmark = pytest.mark.browser

VIEW = (-71.2570, -34.9866, 15.0)
HERE = f"tab=teach&lang=en&unit=parcels&at={','.join(map(str, VIEW))}"
LEFT = 330  # pixels of the controls
TAUGHT = "#teach-standing[data-state=taught]"


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Valley:
    """Forty parcels of eight crops that nobody has labelled."""
    return build_valley(tmp_path_factory.mktemp("teach") / "valle", adapter=False)


@pytest.fixture(scope="module")
def address(valley: Valley) -> Iterator[str]:
    """A server on which anyone labels and trains."""
    with serving(Settings(store=valley.path, anonymous=("read", "label", "train"))) as address:
        yield address


def parcels(valley: Valley, crop: str) -> list[int]:
    """Numbers of the parcels of a crop."""
    return [n for n, each in enumerate(valley.crops) if each == crop]


def pixel(valley: Valley, parcel: int) -> tuple[float, float]:
    """Where the middle of a parcel is drawn in `VIEW`, in a window of 1024 by 640."""

    def world(lon: float, lat: float) -> tuple[float, float]:
        y = math.log(math.tan(math.pi / 4 + math.radians(lat) / 2))
        return (lon + 180) / 360 * 512, (1 - y / math.pi) / 2 * 512

    middle, here = shapely.centroid(valley.outlines[parcel]), world(*VIEW[:2])
    there, scale = world(middle.x, middle.y), 2 ** VIEW[2]
    return 512 + (there[0] - here[0]) * scale, 320 + (there[1] - here[1]) * scale


def ready(look: Look, *classes: str) -> None:
    """Wait for the tab and name the classes."""
    look.page.locator("#teach-standing:not(:empty)").wait_for()
    for number, name in enumerate(classes, 1):
        look.page.fill("#teach-name", name)
        look.page.press("#teach-name", "Enter")
        look.page.locator(f"#teach-classes li:nth-child({number})").wait_for()
    look.page.focus("#map")


def standing(look: Look, words: str) -> None:
    """Wait until the tab says these words of the map."""
    look.page.locator("#teach-standing", has_text=words).wait_for(timeout=20_000)


def label(look: Look, valley: Valley, digit: int, numbers: Sequence[int], before: int = 0) -> None:
    """Give some parcels the class of a digit, by keyboard and mouse."""
    look.page.keyboard.press(str(digit))
    for count, parcel in enumerate(numbers, before + 1):
        look.page.mouse.click(*pixel(valley, parcel))
        look.page.locator(f"#teach-classes li:nth-child({digit}) .amount", has_text=str(count)).wait_for()


def add_one(look: Look, valley: Valley, crop: str) -> None:
    """Label one of the first eight parcels, which `some_labels` leaves out, as what it is."""
    there = [n for n in parcels(valley, crop) if n >= 8]
    names = [text.split("\n")[1].lower() for text in look.page.locator("#teach-classes li").all_inner_texts()]
    fresh = next(n for n in parcels(valley, crop) if n < 8)
    label(look, valley, names.index(crop) + 1, [fresh], before=len(there))


def area(look: Look, name: str) -> int:
    """Pixels of the map in the colour of a class."""
    colour = np.array(rgb(class_styles([name])[0].colour))
    return int((np.abs(look.picture()[:, LEFT:] - colour).max(axis=2) <= 6).sum())


def until_area(look: Look, name: str, least: int, most: int = 10**7) -> None:
    """Wait until so many pixels have the colour of a class."""
    for _ in range(60):
        if least <= area(look, name) <= most:
            return
        look.page.wait_for_timeout(150)
    raise AssertionError(f"{area(look, name)} pixels of {name}, not {least} to {most}")


def items(look: Look) -> dict[str, str]:
    """Class of each place in the label set of the page, as the server has them."""
    answer = httpx.get(f"{look.address}/labels/{look.state()['set']}/items").raise_for_status().json()
    return {each["properties"]["place"]: each["properties"]["class"] for each in answer["features"]}


def some_labels(valley: Valley, wrong: int | None = None) -> dict[str, Any]:
    """The true crop of every parcel but the first eight; one may be wrong."""
    features = [
        {
            "type": "Feature",
            "id": f"p{n}",
            "geometry": json.loads(shapely.to_geojson(shapely.centroid(valley.outlines[n]))),
            "properties": {"class": "rice" if n == wrong else valley.crops[n]},
        }
        for n in range(8, 40)
    ]
    return {"type": "FeatureCollection", "features": features}


def new_set(address: str, labels: dict[str, Any], **more: Any) -> str:
    """A public label set with some labels; gives its id."""
    made = httpx.post(f"{address}/labels", json={"name": "Prepared", "public": True, **more})
    made_id = str(made.raise_for_status().json()["id"])
    httpx.post(f"{address}/labels/{made_id}/items", json=labels).raise_for_status()
    return made_id


def test_the_map_recolours_while_it_is_labelled(browser: Browser, address: str, valley: Valley) -> None:
    """Two classes make a map; more labels change it; undo and the eraser take labels back, on the server too."""
    wheat, cherry, maize = (parcels(valley, name) for name in ("wheat", "cherry", "maize"))
    # A picture that is still on its way when the next map is there is no more: 404.
    with looking(browser, address, f"#{HERE}", forgive="/tiles/") as look:
        ready(look, "Wheat", "cherry", "Maize")
        assert look.page.locator("#teach-classes .name").all_inner_texts() == ["Wheat", "Cherry", "Maize"]
        label(look, valley, 1, wheat[:1])
        standing(look, "One more class")
        label(look, valley, 2, cherry[:1])
        standing(look, "2 labels of 2 classes")
        until_area(look, "cherry", 8_000)
        before = area(look, "maize")
        label(look, valley, 3, maize[:2])
        standing(look, "4 labels of 3 classes")
        until_area(look, "maize", before + 8_000)
        assert look.state()["adapter"] == f"draft-{look.state()['set']}"
        expected = {f"P{wheat[0]:03d}": "wheat", f"P{cherry[0]:03d}": "cherry"}
        assert items(look) == expected | {f"P{n:03d}": "maize" for n in maize[:2]}
        look.page.keyboard.press("Control+z")
        standing(look, "3 labels of 3 classes")
        assert f"P{maize[1]:03d}" not in items(look)
        look.page.keyboard.press("0")
        look.page.mouse.click(*pixel(valley, maize[0]))
        standing(look, "2 labels of 2 classes")
        until_area(look, "maize", 0, before)
        assert items(look) == expected
        look.page.keyboard.press("c")
        look.page.keyboard.press("1")
        look.page.mouse.click(*pixel(valley, cherry[0]))
        standing(look, "One more class")
        look.page.click("#teach-undo")
        standing(look, "2 labels of 2 classes")
        assert items(look) == expected


def test_a_stroke_paints_hexagons_and_is_one_step(browser: Browser, address: str) -> None:
    """What a drag goes over gets the class, the map stays where it is, and undo takes all of it back."""
    with looking(browser, address, f"#{HERE.replace('parcels', 'cells')}&res=11") as look:
        ready(look, "rice")
        look.page.keyboard.press("p")
        look.page.mouse.move(500, 300)
        look.page.mouse.down()
        look.page.mouse.move(640, 320, steps=25)
        look.page.mouse.up()
        standing(look, "Saved")
        look.page.wait_for_timeout(1_500)  # the last part of the stroke
        painted = int(look.page.locator("#teach-classes .amount").inner_text())
        assert painted >= 4 and len(items(look)) == painted
        assert look.state()["at"].startswith("-71.257")
        look.page.keyboard.press("Control+z")
        standing(look, "No labels yet")
        assert items(look) == {}


def test_what_to_label_next(browser: Browser, address: str, valley: Valley) -> None:
    """The queue flies to places with a reason, first without a map and then by the map; keys answer and skip."""
    with looking(browser, address, f"#{HERE}") as look:
        ready(look, "wheat", "cherry")
        look.page.click("#teach-next")
        asked = look.page.locator("#teach-asked")
        asked.get_by_text("Place 1 of 6").wait_for()
        assert "Unlike the other places" in asked.inner_text()
        look.page.wait_for_function("() => !location.hash.includes('-71.257')")
        look.page.keyboard.press("1")
        asked.get_by_text("Place 2 of 6").wait_for()
        look.page.keyboard.press("2")
        asked.get_by_text("Place 3 of 6").wait_for()
        look.page.keyboard.press("s")
        asked.get_by_text("Place 4 of 6").wait_for()
        look.page.wait_for_selector(TAUGHT)
        assert sorted(items(look).values()) == ["cherry", "wheat"]
        asked.get_by_text("Stop").click()
        look.page.click("#home")
        look.page.click("#teach-next")
        asked.get_by_text("Place 1 of").wait_for()
        assert "The map takes it for" in asked.inner_text()
        assert not any(word in asked.inner_text() for word in ("visit", "undefined", "NaN"))


def test_scores_and_review(browser: Browser, address: str, valley: Valley) -> None:
    """Scores are drawn with their intervals, the wrong label is found, corrected, and the map follows."""
    wrong = next(n for n in parcels(valley, "cherry") if n >= 8)
    made = new_set(address, some_labels(valley, wrong))
    with looking(browser, address, f"#{HERE}&set={made}") as look:
        ready(look)
        add_one(look, valley, "maize")
        look.page.wait_for_selector(TAUGHT)
        versus = look.page.locator("#teach-scores svg.versus").get_attribute("aria-label") or ""
        assert "This map: 9" in versus and "between" in versus and "Neighbours" in versus
        assert "33 in 33 groups of land" in look.page.locator("#teach-scores").inner_text()
        assert look.page.locator("#teach-scores tbody tr").count() == 8
        mixed = look.page.locator("#teach-scores svg.confusion").get_attribute("aria-label") or ""
        assert "Rice as Cherry: 1" in mixed
        look.page.click("#teach-suspects-part summary")
        look.page.locator("#teach-suspects .row").first.click()
        look.page.get_by_role("button", name="It is Cherry").click()
        look.page.locator("#teach-scores svg.confusion:not([aria-label*='Rice as Cherry'])").wait_for()
        assert look.page.locator("#teach-scores svg.learning").count() == 0, (
            "one number of labels is no curve"
        )
        kept = httpx.get(f"{address}/labels/{made}/items/p{wrong}").json()
        assert kept["properties"]["class"] == "cherry"
        look.page.get_by_text("Check all").click()
        look.page.get_by_text("No label looks wrong").wait_for()


def test_people_who_differ_are_shown(browser: Browser, address: str, valley: Valley) -> None:
    """Where two say different things of a place, both are named."""
    outline = json.loads(shapely.to_geojson(valley.outlines[9]))
    said = [
        {"class": "rice", "who": "Ana", "place": "P009"},
        {"class": "maize", "who": "Luis", "place": "P009"},
    ]
    labels = [{"type": "Feature", "geometry": outline, "properties": each} for each in said]
    made = new_set(address, {"type": "FeatureCollection", "features": labels})
    with looking(browser, address, f"#{HERE}&set={made}") as look:
        ready(look)
        look.page.click("#teach-suspects-part summary")
        look.page.get_by_text("Compare people").click()
        look.page.locator("#teach-people li").wait_for()
        words = look.page.locator("#teach-people").inner_text()
        assert "2 people, 1 places in common: they agree on 0%" in words
        assert "Ana: Rice" in words and "Luis: Maize" in words


def test_a_file_is_taken_or_its_faults_are_said(browser: Browser, address: str, valley: Valley) -> None:
    """Each faulty label is named; the others can be taken; the map learns from them."""
    good = some_labels(valley)
    features = [dict(each) for each in good["features"]]
    features[3] = {**features[3], "properties": {"class": None}}
    broken = json.dumps({**good, "features": features}).encode()
    with looking(browser, address, f"#{HERE}", forgive="400 (Bad Request)") as look:
        ready(look)
        look.page.set_input_files(
            "#teach-file", {"name": "campo.geojson", "mimeType": "application/json", "buffer": broken}
        )
        faults = look.page.locator("#teach-faults")
        faults.get_by_text("Label 4:").wait_for(timeout=20_000)
        assert "Nothing was stored" in faults.inner_text() and faults.locator("li").count() == 1
        faults.get_by_text("Take the others").click()
        standing(look, "31 labels of 8 classes")
        assert faults.inner_text() == ""
        until_area(look, "avocado", 5_000)


def test_shared_and_saved(browser: Browser, address: str, valley: Valley, tmp_path: Path) -> None:
    """The link shows another person the same labels and map; saved under a name, the draft is gone; files come down."""
    made = new_set(address, some_labels(valley))
    with looking(browser, address, f"#{HERE}&set={made}") as look:
        ready(look)
        add_one(look, valley, "maize")
        look.page.wait_for_selector(TAUGHT)
        look.page.click("#teach-saving-part summary")
        look.page.fill("#teach-save-name", "temporada")
        look.page.click("#teach-saving-part form button")
        look.page.get_by_text("Saved as “temporada”").wait_for(timeout=20_000)
        look.page.wait_for_function("() => location.hash.includes('adapter=temporada')")
        look.page.click("#teach-share")
        link = look.page.locator("#teach-link").input_value()
        names = {each["name"] for each in httpx.get(f"{address}/adapters").json()["adapters"]}
        assert "temporada" in names and f"draft-{made}" not in names
        for value, start in (
            ("export-areas csv", b'"domain"'),
            ("export-labels csv", b"id"),
            ("export-adapter zip", b"PK"),
        ):
            with look.page.expect_download() as waiting:
                look.page.click(f"button[value='{value}']")
            assert (
                _bytes(waiting.value, tmp_path).lstrip(b"\xef\xbb\xbf")[:40].lower().startswith(start.lower())
            )
    with looking(browser, address, link.removeprefix(f"{address}/")) as other:
        ready(other)
        other.drawn("parcels")
        assert other.state()["set"] == made and other.state()["adapter"] == "temporada"
        assert other.page.locator("#teach-classes li").count() == 8
        until_area(other, "avocado", 5_000)


def _bytes(download: Download, folder: Path) -> bytes:
    place = folder / download.suggested_filename
    download.save_as(place)
    return place.read_bytes()


def test_who_may_not_is_told_and_a_key_opens(browser: Browser, valley: Valley) -> None:
    """Without the scopes the tab says so in words and offers the key; with one, labelling is open."""
    secret = key(valley.path, "label", "train")["authorization"].removeprefix("Bearer ")
    with serving(Settings(store=valley.path)) as address, looking(browser, address, f"#{HERE}") as look:
        refused = look.page.locator("#teach-refused")
        refused.wait_for()
        assert "you need a key" in refused.inner_text()
        assert look.page.locator("#teach-giving").get_attribute("inert") is not None
        refused.get_by_role("button").click()
        look.page.fill("#key-text", secret)
        look.page.click("#key-form button[type=submit]")
        refused.wait_for(state="hidden")
        ready(look, "wheat")
        label(look, valley, 1, parcels(valley, "wheat")[:1])
        standing(look, "Saved")


def test_a_phone_has_room_for_it(browser: Browser, address: str) -> None:
    """At 390 pixels nothing is wider than the sheet, and classes and tools stand beside the map, a finger high."""
    small = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with looking(browser, address, f"#{HERE}", **small) as look:
        ready(look, "wheat", "cherry", "wine grape")
        wide = "() => { const n = document.querySelector('#choices'); return n.scrollWidth - n.clientWidth }"
        assert look.page.evaluate(wide) <= 0
        box = look.page.locator("#teach-classes").bounding_box()
        assert box is not None and box["y"] > 400 and box["x"] + box["width"] <= 390
        touched = look.page.locator("#controls button:visible, #controls select:visible, #tools button")
        heights = [each.bounding_box() for each in touched.all()]
        assert min(each["height"] for each in heights if each) >= 40 and len(heights) > 15


def test_a_hexagon_is_a_place(browser: Browser, address: str) -> None:
    """A click on a hexagon outside this part shows its cell and what is like it."""
    with looking(browser, address, f"#unit=cells&res=11&lang=en&at={','.join(map(str, VIEW))}") as look:
        look.drawn("cells")
        look.page.mouse.click(640, 320)
        look.page.locator("#place .alike li").first.wait_for()
        assert look.page.locator("#place-title").inner_text().split("\n")[1].startswith("8bb2c33")
