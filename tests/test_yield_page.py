"""Yields in a real browser: a graded layer with intervals under the mouse, means and production by part and season."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browser import serving
from looking import Look, looking, soon
from map_stores import BEFORE, NOW, TALCA, map_store
from playwright.sync_api import Browser

from surco.api import Settings

pytestmark = pytest.mark.browser

HERE = f"adapter=yields&unit=cells&season={NOW.name}&at={TALCA[0]},{TALCA[1]},13"
VALUES = f"/maps/yields/{NOW.name}/values"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of two seasons with an adapter of values beside one of classes."""
    with serving(Settings(store=map_store(tmp_path_factory.mktemp("yields") / "store", 600).path)) as address:
        yield address


def _counted(look: Look) -> str:
    look.page.locator("#count-result svg.bars").first.wait_for()
    return look.page.locator("#count-result").inner_text()


def test_the_layer_its_legend_and_what_lies_under_the_mouse(browser: Browser, address: str) -> None:
    """The legend says the unit at both ends and the middle; a resting mouse says value and interval."""
    with looking(browser, address, f"#lang=es&{HERE}") as look:
        look.drawn("value")
        ticks = look.page.locator("#legend .ticks span").all_inner_texts()
        assert len(ticks) == 3 and all(tick.endswith("t/ha") and "," in tick for tick in ticks)
        colours = {tuple(pixel) for pixel in look.picture()[150:500:25, 420:900:25].reshape(-1, 3).tolist()}
        assert len(colours) > 20, "values are graded"
        point = look.page.evaluate("import('/static/app.js').then(({ app }) => app.map.placeAt(620, 330))")
        body = {"points": [[point["longitude"], point["latitude"]]], "unit": "cells", "season": NOW.name}
        answer = httpx.post(f"{address}/adapters/yields/predict", json=body).json()["answers"][0]["answer"]
        look.page.mouse.move(600, 330)
        look.page.mouse.move(620, 330)
        look.page.locator("#tip").wait_for()
        said = look.page.locator("#tip").inner_text().replace(",", ".")
        assert f"{answer['value']:.2f} t/ha" in said
        assert f"{answer['low']:.2f} – {answer['high']:.2f} t/ha (intervalo del 90" in said


def test_means_production_comunas_and_seasons(browser: Browser, address: str) -> None:
    """They are the server's, with a range and in the reader's digits; a crop may be chosen, the table copied."""
    with looking(
        browser, address, f"#lang=es&tab=count&{HERE}", permissions=["clipboard-read", "clipboard-write"]
    ) as look:
        _counted(look)
        look.page.click("#count-where [value=all]")
        total, *comunas = httpx.get(
            address + VALUES, params={"unit": "cells", "by": "comuna", "res": 9}
        ).json()["rows"]
        mean = f"{total['mean']:.2f}".replace(".", ",")
        assert soon(lambda: f"{mean} t/ha" in _counted(look))
        text = _counted(look)
        assert "Producción" in text and "Por temporada" in text and BEFORE.name in text
        assert {"Talca", "Curicó"} <= {row["domain"] for row in comunas}
        spoken = (
            look.page.locator("#count-result svg[aria-label^='Por comuna']").get_attribute("aria-label") or ""
        )
        assert "Talca" in spoken and "Curicó" in spoken
        assert "no se puede dar un intervalo del promedio" in text, "the note of the server, in Spanish"
        look.page.select_option("#count-crop", "crops:wheat")
        crop = httpx.get(address + VALUES, params={"unit": "cells", "crop": "crops:wheat", "res": 9}).json()[
            "rows"
        ][0]
        assert soon(lambda: f"{crop['mean']:.2f}".replace(".", ",") in _counted(look))
        look.page.click("#count-saves >> text=Copiar tabla")
        look.page.locator("#count-status >> text=Copiada.").wait_for()
        lines = look.page.evaluate("navigator.clipboard.readText()").split("\n")
        assert lines[0].startswith("Parte\tPromedio, t/ha\tDesde\tHasta\tProducción, t")
        assert [line.split("\t")[0] for line in lines[-2:]] == [BEFORE.name, NOW.name]
        with look.page.expect_download() as waiting:
            look.page.click("#count-saves >> text=CSV")
        assert "Talca" in Path(waiting.value.path()).read_text()


def test_a_drawn_outline_of_yields(browser: Browser, address: str) -> None:
    """It holds fewer places than the whole map, and its mean has a range."""
    with looking(browser, address, f"#lang=en&tab=count&{HERE}") as look:
        _counted(look)
        look.page.click("#count-where [value=polygon]")
        for corner in ((450, 150), (800, 150), (800, 400)):
            look.page.mouse.click(*corner)
        look.page.mouse.dblclick(450, 400)
        assert soon(lambda: "Production" in _counted(look) and 0 < _places(look) < 300)


def _places(look: Look) -> int:
    return int(look.page.locator("#count-result dl dd").last.inner_text().replace(",", ""))
