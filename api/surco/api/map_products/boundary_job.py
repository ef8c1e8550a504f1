"""Run as a process of its own: find parcels as a request on stdin says, tell on stdout in lines of JSON how far it is.

Encoding scenes needs torch and memory, and may take long: here it can be ended without harm to the server.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]

_MOST_BYTES = 3 << 30


def main() -> None:
    """Find the parcels; print `{"part", "done", "total"}` on the way, and at last what came of it.

    That is `{"parcels": n}`, or `{"refused": sentence, "said": code and values}` for what the asker can change.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, _MOST_BYTES))
    print(json.dumps(_answer(json.load(sys.stdin))), flush=True)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    from surco.adapters import AdapterError
    from surco.api.boundaries import BoundaryRequest, find_parcels
    from surco.api.errors import ApiError
    from surco.api.pixel_areas import PixelRequest
    from surco.embedstore import EmbedstoreError, coded
    from surco.encoder import EncoderError

    pixels = PixelRequest(asked["source"], asked["season"], asked["model"], asked["bbox"])
    store = None if asked["adapter"] is None else Path(asked["store"])
    request = BoundaryRequest(
        pixels, Path(asked["out"]), asked["method"], asked["adapter"], store, min_area=asked["min_area"]
    )
    try:
        return {"parcels": find_parcels(request, _tell).parcels}
    except (AdapterError, ApiError, EmbedstoreError, EncoderError) as error:
        return {"refused": str(error), "said": coded(error)}


def _tell(done: int, total: int, text: str) -> None:
    part = "fields" if text == "fields" else "images"
    print(json.dumps({"part": part, "done": done, "total": total}), flush=True)


if __name__ == "__main__":
    main()
