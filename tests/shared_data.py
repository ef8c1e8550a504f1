"""Real data beside the checkout, for tests that need it; they skip, with the reason, where it is absent."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared(relative: str) -> Path:
    """A path below ../shared/data, or a skip."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"real data not here: {path}")
    return path
