"""Fields on demand in a real browser: found in an area that is drawn, accepted, corrected, taken home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import geopandas
import httpx
import pytest
import shapely
from browser import build_valley, serving
from field_scenes import CRS, field_catalog, field_numbers
from looking import Look, looking, soon
from playwright.sync_api import Browser
from stac_catalogs import LEFT, TOP

from surco.api import Settings
from surco.api.boundaries import BoundaryRequest, find_parcels
from surco.api.pixel_areas import PixelRequest
from surco.encoder.area import project

pytestmark = pytest.mark.browser

LON, LAT = (float(x) for x in project(shapely.Point(LEFT + 480, TOP - 480), CRS, "OGC:CRS84").coords[0])
"""Middle of the scenes."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a small valley, with pixel vectors of sixteen fields beside it."""
    folder = tmp_path_factory.mktemp("fields")
    store = build_valley(folder / "valle").path
    (store / "pixels").mkdir()
    catalog = field_catalog(folder / "stac", field_numbers(96, 16))
    request = PixelRequest(str(catalog), "2024-25", "band-mean", keep=store / "pixels/valley.tif")
    find_parcels(BoundaryRequest(request, folder / "all.parquet", "gradient"))
    with serving(Settings(store=store, anonymous=("read", "label"))) as address:
        yield address


def _find(look: Look) -> None:
    look.page.locator("#fields-find-fields").wait_for()
    look.page.click("#fields-find-fields")
    look.page.mouse.click(480, 150)
    look.page.mouse.click(800, 470)


def _place(look: Look, x: float, y: float) -> tuple[float, float]:
    """Where on the screen a place is, in degrees."""
    script = "(at) => import('/static/app.js').then(({ app }) => app.map.deck.getViewports()[0].project(at))"
    found = look.page.evaluate(script, [x, y])
    return found[0], found[1]


def _rest(look: Look) -> None:
    """Wait until the map does not fly any more."""
    views = [""]

    def still() -> bool:
        views.append(
            look.page.evaluate("import('/static/app.js').then(({ app }) => JSON.stringify(app.map.view))")
        )
        return views[-1] == views[-2] == views[-3] if len(views) > 4 else False

    assert soon(still)


def _held(look: Look) -> list[dict]:
    found: list[dict] = look.page.evaluate("import('/static/fields_held.js').then(({ held }) => held.fields)")
    return found


def _choose(look: Look, feature: dict) -> None:
    inside = shapely.point_on_surface(shapely.from_geojson(json.dumps(feature["geometry"])))
    look.page.mouse.click(*_place(look, inside.x, inside.y))
    look.page.locator(f"#fields-choice option[value='{feature['id']}']:checked").wait_for(state="attached")


def _open(browser: Browser, address: str, language: str = "en"):
    # The scenes lie where the valley has no parcels to count.
    return looking(
        browser, address, f"#lang={language}&tab=count&at={LON},{LAT},15.4", forgive="Failed to load resource"
    )


def test_fields_are_found_accepted_corrected_and_kept(browser: Browser, address: str, tmp_path: Path) -> None:
    """Name and crop, a moved corner, a split, a join and a deletion, each taken back or kept; then files and labels."""
    with _open(browser, address) as look:
        _find(look)
        look.page.locator("#fields-choice").wait_for(timeout=60_000)
        fields = _held(look)
        assert 3 < len(fields) <= 16 and look.page.locator("#fields-as-parcels").is_disabled()
        first = max(fields, key=lambda each: each["properties"]["metrics:area"])
        _choose(look, first)
        look.page.fill("#field-name", "Los Aromos")
        look.page.click("#field-crop")
        look.page.keyboard.type("tri")
        look.page.evaluate("import('/static/app.js').then(({ tell }) => tell('fields'))")
        look.page.keyboard.type("go")  # what was typed stays when the card is drawn again
        look.page.keyboard.press("Tab")
        look.page.locator("#fields-choice option[value='Los Aromos']:checked").wait_for(state="attached")
        look.page.click("#fields-accept")
        assert "1 accepted" in look.page.locator("#fields-found").inner_text()

        look.page.click("#fields-corners")
        _rest(look)
        named = next(each for each in _held(look) if each["id"] == "Los Aromos")
        area = named["properties"]["metrics:area"]
        corner, middle = (
            named["geometry"]["coordinates"][0][0],
            shapely.from_geojson(json.dumps(named["geometry"])).centroid,
        )
        look.page.mouse.move(*_place(look, *corner))
        look.page.mouse.down()
        look.page.mouse.move(*_place(look, (corner[0] + middle.x) / 2, (corner[1] + middle.y) / 2), steps=4)
        look.page.mouse.up()
        assert soon(lambda: _area(look, "Los Aromos") != area), "a dragged corner moves the outline"
        look.page.click("#fields-corners")
        look.page.keyboard.press("Control+z")
        assert _area(look, "Los Aromos") == area, "and undo takes it back"

        look.page.click("#fields-split")
        west, south, east, north = shapely.from_geojson(json.dumps(named["geometry"])).bounds
        left, level = _place(look, west, (south + north) / 2)
        look.page.mouse.click(left - 25, level)
        right, _ = _place(look, east, south)
        look.page.mouse.dblclick(right + 25, level)
        assert soon(lambda: len(_held(look)) == len(fields) + 1), look.page.locator(
            "#fields-status"
        ).inner_text()
        assert "2 accepted" in look.page.locator("#fields-found").inner_text(), (
            "the parts of what was accepted are"
        )
        look.page.click("#fields-join")
        other = next(each for each in _held(look) if each["id"] == "Los Aromos-2")
        inside = shapely.point_on_surface(shapely.from_geojson(json.dumps(other["geometry"])))
        look.page.mouse.click(*_place(look, inside.x, inside.y))
        assert soon(lambda: len(_held(look)) == len(fields))
        assert _area(look, "Los Aromos") == pytest.approx(area, rel=0.001)
        look.page.select_option("#fields-choice", index=1 if _held(look)[0]["id"] != "Los Aromos" else 2)
        look.page.click("#fields-delete-field")
        assert len(_held(look)) == len(fields) - 1

        look.page.click("#fields-accept-all")
        with look.page.expect_download() as waiting:
            look.page.click("#fields-as-parcels")
        (tmp_path / "fields.parquet").write_bytes(Path(waiting.value.path()).read_bytes())
        frame = geopandas.read_parquet(tmp_path / "fields.parquet").set_index("id")
        assert len(frame) == len(fields) - 1 and frame.loc["Los Aromos", "crop:name"] == "trigo"
        look.page.click("#fields-as-labels")
        look.page.locator("#fields-status >> text=1 label saved").wait_for()
        sets = httpx.get(f"{address}/labels").json()["sets"]
        kept = httpx.get(f"{address}/labels/{sets[0]['id']}/items?f=geojson").json()["features"]
        assert [(each["properties"]["class"], each["properties"]["note"]) for each in kept] == [
            ("trigo", "Los Aromos")
        ]


def test_what_is_typed_is_the_fields_that_it_was_typed_for(browser: Browser, address: str) -> None:
    """Whatever is clicked next takes its click, and the crop stays with its field."""
    with _open(browser, address) as look:
        _find(look)
        look.page.locator("#fields-choice").wait_for(timeout=60_000)
        one, two = sorted(_held(look), key=lambda each: -each["properties"]["metrics:area"])[:2]
        _choose(look, one)
        look.page.fill("#field-name", "Los Aromos")
        look.page.click("#field-crop")
        look.page.keyboard.type("trigo")
        look.page.click("#fields-accept")
        look.page.locator("#fields-found >> text=1 accepted").wait_for()
        look.page.click("#field-crop")
        look.page.keyboard.type(" duro")
        _choose(look, two)
        assert look.page.locator("#field-crop").input_value() == ""
        look.page.click("#field-crop")
        look.page.keyboard.type("avena")
        look.page.click("#fields-undo")
        crops = {each["id"]: each["properties"].get("crop:name") for each in _held(look)}
        assert crops["Los Aromos"] == "trigo duro" and crops[two["id"]] is None
        look.page.fill("#field-name", "Los Aromos")
        look.page.keyboard.press("Enter")
        look.page.locator("#fields-status.wrong").wait_for()
        assert soon(lambda: look.page.locator("#field-name").input_value() == two["id"])


def _area(look: Look, name: str) -> float:
    return float(next(each["properties"]["metrics:area"] for each in _held(look) if each["id"] == name))


def test_a_search_is_shown_and_cancelled(browser: Browser, address: str) -> None:
    """While it runs there is a bar with seconds; Cancel ends it, and another may begin."""
    with _open(browser, address, "es") as look:
        _find(look)
        look.page.locator("#fields-running progress").wait_for()
        assert " s" in look.page.locator("#fields-running span").inner_text()
        look.page.click("#fields-cancel")
        look.page.locator("#fields-status >> text=Búsqueda cancelada.").wait_for()
        assert (
            look.page.locator("#fields-running").is_hidden()
            and look.page.locator("#fields-choice").count() == 0
        )


def test_what_goes_wrong_is_said_in_the_readers_language(browser: Browser, address: str) -> None:
    """A line beside the field, fields that do not touch: a Spanish sentence beside the buttons, and nothing changes."""
    with _open(browser, address, "es") as look:
        _find(look)
        look.page.locator("#fields-choice").wait_for(timeout=60_000)
        before = len(_held(look))
        _choose(look, _held(look)[0])
        look.page.click("#fields-split")
        look.page.mouse.click(420, 600)
        look.page.mouse.dblclick(460, 600)
        look.page.locator("#fields-status >> text=La línea no divide el potrero").wait_for()
        assert len(_held(look)) == before
