"""Following a store at an address: its versions are brought here whole, and then shown, while the server answers."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from surco.api.web.server import Server
from surco.embedstore import StoreError
from surco.embedstore.following import hold, refresh
from surco.embedstore.remote_versions import Progress
from surco.embedstore.working_copy import origin_of

__all__ = ["follow", "hold_here"]


def hold_here(store: Path, progress: Progress | None = None) -> None:
    """Bring all of a store at an address into its working copy, and keep it whole; of a folder nothing is to be done.

    Answers come from the copy alone, so that they need no network, wait for none, and go on when the object store does
    not answer.

    Raises:
        StoreError: the address cannot be read.
    """
    if origin_of(store.absolute()) is not None:
        hold(store.absolute(), progress)


def follow(server: Server) -> None:
    """Bring new versions of a store at an address until the server ends; of a folder nothing is to be done.

    A version shows once all of its files are here: `settings.follow_s` seconds after it was written, or a little later.
    """
    root = server.settings.store.absolute()
    if origin_of(root) is None:
        return
    ended = threading.Event()
    threading.Thread(
        target=_follow, args=(root, server.settings.follow_s, ended), name="following", daemon=True
    ).start()
    server.at_close(ended.set)


def _follow(root: Path, seconds: float, ended: threading.Event) -> None:
    log, lost = logging.getLogger("surco.api"), False
    while not ended.wait(seconds):
        try:
            refresh(root)
        except StoreError as error:
            if not lost:
                log.warning("the store's address is not followed for now: %s", error)
            lost = True
        else:
            if lost:
                log.warning("the store's address is followed again")
            lost = False
