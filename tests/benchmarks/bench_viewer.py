"""Frames a second of the page in software rendering (SwiftShader), with at least 100,000 cells in view.

`SURCO_BENCH_ROWS=7200000` for all Chile (200,000 otherwise); `SURCO_BENCH_STORE` takes the store that is there, of
which only the adapter `bench-tiles` is written. Each frame the page itself drags or turns the wheel, so that every
frame shows another view. `SURCO_VIEWER_PEER` is the address of another server of the same store, such as one of an
earlier commit: both are measured in turns, so that a busy machine slows them alike. Processor time of the graphics
process is printed beside frames: it says what a frame costs when the machine is shared.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.bench_tiles import store
from benchmarks.measure import print_table
from browser import serving
from playwright.sync_api import Browser, Page

from surco.api import Settings
from surco.embedstore import Store, connect

__all__ = ["store"]

WINDOW = {"width": 1280, "height": 800}
SECONDS, TURNS = 3, 2
LEAST = 100_000
VIEWS = {"region": (-71.3, -35.3, 9.2), "country": (-71.0, -37.5, 4.6)}
MOVES = {
    "drag": """(canvas, n) => {
        const kind = n === 0 ? "pointerdown" : "pointermove";
        const at = { clientX: 760 + 140 * Math.sin(n / 9), clientY: 400 + 90 * Math.sin(n / 7), pointerId: 1 };
        const target = n === 0 ? canvas : window;
        canvas.dispatchEvent(new PointerEvent(kind, { ...at, bubbles: true, isPrimary: true, buttons: 1, button: 0 }));
    }""",
    "wheel": """(canvas, n) => canvas.dispatchEvent(new WheelEvent("wheel",
        { clientX: 760, clientY: 400, deltaY: n % 40 < 20 ? -12 : 12, bubbles: true, cancelable: true }))""",
}
FRAMES = """([move, seconds]) => new Promise((done) => {
    const work = eval(move), canvas = document.querySelector("#map canvas");
    const took = [], views = new Set();
    let last = performance.now(), n = 0;
    const began = last;
    const frame = (now) => {
        if (n) took.push(now - last);
        last = now;
        views.add(window.surco.map.view.longitude + " " + window.surco.map.view.zoom);
        if (now - began < 1000 * seconds) return work(canvas, n++), requestAnimationFrame(frame);
        canvas.dispatchEvent(new PointerEvent("pointerup", { pointerId: 1, isPrimary: true, bubbles: true }));
        done({ took, views: views.size });
    };
    requestAnimationFrame(frame);
})"""


def test_frames(store: Store, browser: Browser) -> None:
    """Median and 95th percentile of frames while the map is dragged and zoomed."""
    rows: list[list[str]] = []
    with serving(Settings(store=store.path)) as address:
        servers = {"this": address} | ({"peer": p} if (p := os.environ.get("SURCO_VIEWER_PEER")) else {})
        for view, place in VIEWS.items():
            pages = {name: opened(browser, server, place) for name, server in servers.items()}
            cells = in_view(store, pages["this"])
            assert cells >= LEAST, f"{cells:,} cells in the view of the {view}"
            for kind in MOVES:
                found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in pages}
                for _ in range(TURNS):
                    for name, page in pages.items():
                        found[name].append(moved(page, MOVES[kind]))
                rows += [row(f"{view}, {kind}, {name}", cells, runs) for name, runs in found.items()]
            for page in pages.values():
                page.close()
    header = ("", "cells in view", "frames a second", "median", "p95", "CPU a frame", "load")
    print_table(f"{WINDOW['width']} x {WINDOW['height']} in software, {TURNS} x {SECONDS} s", header, rows)


def opened(browser: Browser, address: str, place: tuple[float, float, float]) -> Page:
    """A page whose map, borders and names are drawn."""
    page = browser.new_page(viewport=WINDOW, bypass_csp=True)
    page.goto(f"{address}/#adapter=bench-tiles&at={','.join(map(str, place))}")
    page.wait_for_selector("#map[data-drawn~=cells]", timeout=180_000)
    page.evaluate("() => import('/static/app.js').then(({ app }) => { window.surco = app; })")
    page.wait_for_function(
        "() => (window.surco.map.ground ?? window.surco.map).names.length > 0", timeout=60_000
    )
    page.wait_for_timeout(3_000)
    return page


def in_view(store: Store, page: Page) -> int:
    """Rows of the store's cells within the window."""
    west, south, east, north = page.evaluate("() => window.surco.map.bounds()")
    asked = "SELECT count(*) FROM cells_latest WHERE ST_X(geometry) BETWEEN ? AND ? AND ST_Y(geometry) BETWEEN ? AND ?"
    found = connect(store).execute(asked, [west, east, south, north]).fetchone()
    return int(found[0]) if found else 0


def moved(page: Page, move: str) -> tuple[list[float], int, float, float]:
    """Milliseconds of each frame, views that were shown, processor milliseconds a frame, and the machine's load."""
    page.bring_to_front()
    used = graphics_seconds()
    answer = page.evaluate(FRAMES, [f"({move})", SECONDS])
    took = [float(each) for each in answer["took"]]
    page.wait_for_timeout(1_000)
    return took, answer["views"], 1000 * (graphics_seconds() - used) / len(took), os.getloadavg()[0]


def row(name: str, cells: int, runs: list[tuple[Any, ...]]) -> list[str]:
    """A row of the table; most frames must have shown another view."""
    took = np.concatenate([run[0] for run in runs])
    assert sum(run[1] for run in runs) > 0.6 * len(took), f"{name}: frames without a move"
    middle, slow = np.median(took), np.quantile(took, 0.95)
    cpu, load = np.median([run[2] for run in runs]), np.median([run[3] for run in runs])
    rate = 1000 * len(took) / took.sum()
    return [
        name,
        f"{cells:,}",
        f"{rate:.1f}",
        f"{middle:.0f} ms",
        f"{slow:.0f} ms",
        f"{cpu:.0f} ms",
        f"{load:.0f}",
    ]


def graphics_seconds() -> float:
    """Processor time of Chromium's graphics processes begun by this one."""
    total = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=gpu-process" in (place / "cmdline").read_bytes() and _is_ours(place):
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        except OSError:
            continue  # it has ended
    return total / os.sysconf("SC_CLK_TCK")


def _is_ours(place: Path) -> bool:
    parent = place
    for _ in range(8):
        pid = int((parent / "stat").read_text().rpartition(")")[2].split()[1])
        if pid in (0, 1, os.getpid()):
            return pid == os.getpid()
        parent = Path(f"/proc/{pid}")
    return False
