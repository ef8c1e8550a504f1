"""The page under axe-core, in its main states and both themes."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import build_valley, serving
from looking import Look, looking
from playwright.sync_api import Browser

from surco.api import Settings

pytestmark = pytest.mark.browser

PLACE = "-71.254350,-34.989400"
RUN = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})"
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core 4, fetched by npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm to fetch axe-core with")
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run(
            [npm, "pack", "axe-core@4", "--silent"], cwd=folder, check=True, capture_output=True, timeout=60
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not fetch axe-core: {error}")
    with tarfile.open(next(folder.glob("axe-core-*.tgz"))) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a small valley where anyone may label and train."""
    valley = build_valley(tmp_path_factory.mktemp("a11y") / "valle")
    with serving(Settings(store=Path(valley.path), anonymous=("read", "label", "train"))) as address:
        yield address


def _look(look: Look) -> None:
    look.page.wait_for_selector("#legend .row")


def _place(look: Look) -> None:
    look.page.press("#find", "Escape")
    look.page.locator("#place .alike li").first.wait_for()


def _count(look: Look) -> None:
    look.page.click("#of-count")
    look.page.locator("#count-result svg.bars").wait_for()
    look.page.click("#count-result summary")


def _fields(look: Look) -> None:
    """Two fields, one of them chosen, as after a search."""
    west, south = (float(x) for x in PLACE.split(","))
    ring = [[west, south], [west + 0.002, south], [west + 0.002, south + 0.002], [west, south]]
    feature = {
        "type": "Feature",
        "id": "Los Aromos",
        "properties": {"metrics:area": 21_000, "confidence": 0.9},
    }
    feature |= {"geometry": {"type": "Polygon", "coordinates": [ring]}}
    held = [feature, feature | {"id": "El Sauce"}]
    look.page.evaluate("(all) => import('/static/fields_held.js').then(({ begin }) => begin(all))", held)
    look.page.select_option("#fields-choice", "Los Aromos")
    look.page.click("#fields-accept")


def _sql(look: Look) -> None:
    look.page.click("#of-ask")
    look.page.click("#sql-run")
    look.page.locator("#sql-result td").first.wait_for()


def _teach(look: Look) -> None:
    look.page.click("#of-teach")
    look.page.wait_for_function("() => document.querySelector('#tab-teach').childElementCount > 0")
    look.page.wait_for_timeout(500)


def _key(look: Look) -> None:
    look.page.click("#key-open")
    look.page.wait_for_function("() => document.querySelector('#key-state').textContent !== ''")


def _found(look: Look) -> None:
    look.page.fill("#find", "curic")
    look.page.locator("#found li").first.wait_for()


# In the order in which one page goes through them.
STATES: dict[str, Callable[[Look], None]] = {
    "look": _look,
    "search": _found,
    "place": _place,
    "count": _count,
    "fields": _fields,
    "sql": _sql,
    "teach": _teach,
    "key": _key,
}


@pytest.mark.parametrize(("theme", "language"), [("light", "es"), ("dark", "en")])
def test_axe_finds_nothing_serious(
    browser: Browser, address: str, axe: str, theme: Any, language: str
) -> None:
    """In no state is a rule of WCAG 2.1 A and AA broken seriously: names, roles, contrast, keyboard."""
    bad = []
    with looking(browser, address, f"#lang={language}&pick={PLACE}", color_scheme=theme) as look:
        look.drawn("parcels")
        look.page.evaluate(axe)
        for state, go in STATES.items():
            go(look)
            found = look.page.evaluate(RUN)
            assert len(found["passes"]) > 15, f"axe looked at {state}"
            bad += [
                f"{state} {rule['id']}: {node['html'][:140]}"
                for rule in found["violations"]
                if rule["impact"] in SERIOUS
                for node in rule["nodes"]
            ]
    assert bad == []
