"""Seconds until the page shows a map to somebody who comes for the first time, in software rendering (SwiftShader).

`SURCO_BENCH_STORE` names a store, such as that of `surco demo`, which is only read; without it one is made of
`SURCO_BENCH_ROWS` cells. Each look is a browser that holds nothing yet. The first one is the server's first too; it is
printed apart.
"""

from __future__ import annotations

import os
from pathlib import Path
from statistics import median

import pytest
from benchmarks.bench_tiles import ROWS
from benchmarks.measure import print_table
from benchmarks.national_store import write_national
from browser import serving
from playwright.sync_api import Browser

from surco.api import Settings

LOOKS = 9
WINDOWS = {"desk": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that is named, as it is, or one of cells that nobody classified."""
    if named := os.environ.get("SURCO_BENCH_STORE"):
        return Path(named)
    made = tmp_path_factory.mktemp("bench") / "store"
    write_national(made, ROWS)
    return made


def test_first_look(path: Path, browser: Browser) -> None:
    """From the address to a drawn map, and how much was fetched until then."""
    rows = []
    with serving(Settings(store=path)) as address:
        for name, (width, height) in WINDOWS.items():
            took, fetched = zip(*(looked(browser, address, width, height) for _ in range(LOOKS)), strict=True)
            rows.append(
                [
                    name,
                    f"{took[0]:.2f} s",
                    f"{median(took[1:]):.2f} s",
                    f"{max(took[1:]):.2f} s",
                    f"{median(fetched) / 1000:.0f} kB",
                    f"{os.getloadavg()[0]:.1f}",
                ]
            )
    print_table(f"first map, {LOOKS} looks", ("", "first", "median", "slowest", "fetched", "load"), rows)


def looked(browser: Browser, address: str, width: int, height: int) -> tuple[float, int]:
    """Seconds from the navigation to the map, and bytes as sent."""
    with browser.new_context(viewport={"width": width, "height": height}, locale="es-CL") as window:
        page = window.new_page()
        page.goto(address, wait_until="commit")
        page.wait_for_selector("#map[data-drawn]:not([data-drawn=''])", timeout=60_000)
        seconds = float(page.evaluate("performance.now()")) / 1000
        sent = page.evaluate(
            "performance.getEntriesByType('resource').reduce((sum, each) => sum + each.transferSize, 0)"
        )
        return seconds, int(sent)
