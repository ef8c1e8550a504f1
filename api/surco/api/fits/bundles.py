"""Adapters as one file to be carried: a zip of weights and card, never anything that is executed."""

from __future__ import annotations

import io
import zipfile

from surco.adapters.adapter_store import CARD_FILE, WEIGHTS_FILE
from surco.api.fits.shelf import Shelved

__all__ = ["bundle_of"]

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same adapter is the same file, whenever it is asked for


def bundle_of(shelved: Shelved) -> bytes:
    """The files of an adapter in a zip."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in (CARD_FILE, WEIGHTS_FILE):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, (shelved.folder / name).read_bytes())
    return sink.getvalue()
