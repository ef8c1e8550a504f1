"""What tests of several files are handed by its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, drawing in software, one for all tests of a file; they are skipped where there is none."""
    # Of no use to tests without a page, which start sooner without it.
    from looking import chromium

    with chromium() as browser:
        yield browser
