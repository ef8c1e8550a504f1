"""A page being looked at in a real browser, and what may not go wrong while it is."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from browser import CHROMIUM, FLAGS, need_chromium
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

__all__ = ["Look", "chromium", "looking", "soon"]


@dataclass
class Look:
    """A page being looked at, and everything that went wrong in it."""

    page: Page
    address: str
    faults: list[str] = field(default_factory=list)

    def drawn(self, word: str) -> None:
        """Wait until the map of a unit or style is on the canvas."""
        self.page.wait_for_selector(f"#map[data-drawn~={word}]", timeout=30_000)

    def speak(self, language: str) -> None:
        """Change the page's language, whose words may have to be fetched first."""
        self.page.click(f"[data-language={language}]")
        self.page.wait_for_selector(f"html[lang={language}]")

    def picture(self) -> np.ndarray[Any, Any]:
        """The page as (H, W, 3) integers."""
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"), int)

    def state(self) -> dict[str, str]:
        """What the address says of the map."""
        pairs = self.page.evaluate("[...new URLSearchParams(location.hash.slice(1))]")
        return dict(pairs)


def soon(check: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something comes true within some seconds: drawing in software takes its time on a busy machine."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def _said(message: ConsoleMessage) -> str:
    return f"{message.text} {message.location['url']}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, drawing in software; the test is skipped where there is none."""
    need_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def looking(
    browser: Browser, address: str, fragment: str = "", *, forgive: str = "", **context: Any
) -> Iterator[Look]:
    """Open the page; at the end nothing may have gone wrong and no other host may have been asked.

    `forgive` is part of a console message that the test provokes.
    """
    given = {"viewport": {"width": 1024, "height": 640}, "locale": "es-CL"} | context
    with browser.new_context(**given) as window:
        look = Look(window.new_page(), address)
        note = look.faults.append
        look.page.on("console", lambda m: note(_said(m)) if m.type in ("error", "warning") else None)
        look.page.on("pageerror", lambda e: note(str(e)))
        look.page.on(
            "request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else note(r.url)
        )
        look.page.goto(f"{address}/{fragment}")
        yield look
    bad = [fault for fault in look.faults if not (forgive and forgive in fault)]
    assert not bad, bad
