"""What the first caller of a server would wait for, made while the server starts."""

from __future__ import annotations

import logging
import threading

from surco.api.border_tiles import warm_borders
from surco.api.errors import ApiError
from surco.api.ogc.comuna_outlines import comuna_outlines
from surco.api.tiles.routes import warm_tiles
from surco.api.viewer_answers import names
from surco.api.web.server import Server
from surco.embedstore import EmbedstoreError

__all__ = ["warm"]


def warm(server: Server) -> list[threading.Thread]:
    """Begin the tile index of the latest season and the country's outlines, each in a thread of its own.

    A store that cannot be read is left to the first who asks, who is told so.
    """
    threads = [threading.Thread(target=_outlines, name="outlines", daemon=True)]
    threads[0].start()
    try:
        threads.append(warm_tiles(server))
    except (ApiError, EmbedstoreError) as error:
        logging.getLogger("surco.api").warning("no tile index was begun: %s", error)
    return threads


def _outlines() -> None:
    comuna_outlines()
    warm_borders()
    names()
