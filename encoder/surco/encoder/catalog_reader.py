"""Reading the JSON of a catalogue: from a disk, over http(s), out of an object store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pystac.stac_io import DefaultStacIO
from pystac_client.stac_api_io import StacApiIO
from urllib3.util import Retry

from surco.encoder.errors import CatalogError
from surco.encoder.leading import place_of
from surco.encoder.providers import Access
from surco.encoder.reading.addresses import bare, is_remote
from surco.encoder.reading.counts import Counter
from surco.encoder.reading.guard import PublicAdapter
from surco.encoder.reading.transport import Patience, Transport

__all__ = ["CatalogReader"]

_TIMEOUT_S = 60.0
_RETRIES = Retry(
    total=5, backoff_factor=1.0, backoff_jitter=1.0, status_forcelist=(408, 429, 500, 502, 503, 504),
    allowed_methods=None, respect_retry_after_header=True,
)  # fmt: skip
_LONGEST = 50_000_000
"""Bytes of a JSON document."""


class CatalogReader(DefaultStacIO):
    """Reads JSON with retries and a time limit; one from the network leads to no local file.

    Attributes:
        place: where the catalogue is: on this machine (`local`), on a private network, or on the public one.
    """

    def __init__(self, href: str, access: Access) -> None:
        super().__init__()
        self._access = access
        self.web = StacApiIO(timeout=_TIMEOUT_S, max_retries=_RETRIES)
        self.place = place_of(href)
        if self.place == "public":
            for scheme in ("https://", "http://"):
                self.web.session.mount(scheme, PublicAdapter(max_retries=_RETRIES))

    def read_text_from_href(self, href: str, *args: Any, **kwargs: Any) -> str:
        """The text at a path or an address."""
        if href.startswith("s3://"):
            return self._object(href)
        if is_remote(href):
            return self.web.request(href)
        if self.place != "local":
            raise CatalogError(
                f"Expected links to http(s) addresses in a catalogue from the network; got {bare(href)!r}. "
                "Copy the catalogue to a local folder if you trust it."
            )
        return Path(href.removeprefix("file://")).read_text("utf-8")

    def _object(self, href: str) -> str:
        """An object of S3; a catalogue from the network leads only to those that its bands may lie among."""
        if self.place == "public" and not self._access.may_be_asked(href):
            raise CatalogError(
                f"Expected links to http(s) addresses or known buckets in a catalogue from the network; got {href!r}. "
                "Copy the catalogue to a local folder if you trust it."
            )
        transport = Transport(Patience(), Counter(), 1)
        try:
            return transport.get(
                lambda refused: self._access.signed(href, refused, transport),
                lambda answer, body: body(_LONGEST).decode("utf-8"), {}, public=False,
            )  # fmt: skip
        finally:
            transport.close()
