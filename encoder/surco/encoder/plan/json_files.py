"""Files of JSON that a person names when planning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from surco.encoder.plan.errors import PlanError

__all__ = ["read_json"]


def read_json(path: Path, what: str, remedy: str) -> Any:
    """What a file of JSON holds; raises PlanError, with `what` was expected and its `remedy`, where there is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PlanError(f"Expected {what} at {path}; got {error.strerror}. {remedy}") from error
    except ValueError as error:
        raise PlanError(f"Expected {what} in {path}; got no JSON ({error}). {remedy}") from error
