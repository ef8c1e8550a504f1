"""Signatures of Planetary Computer: one token for a container of blobs, good for less than an hour.

The rasters lie in Azure Blob Storage and are read with a shared access signature (SAS) in the query. Tokens are handed
out to anybody; a subscription key (`PC_SDK_SUBSCRIPTION_KEY`, as in Microsoft's own package) lifts the rate limit.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from surco.encoder.reading.addresses import bare
from surco.encoder.reading.failures import PassingFailure, ReadFailure
from surco.encoder.reading.transport import Signed, Transport

__all__ = ["TOKENS", "SasTokens"]

TOKENS = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
_HOSTS = (".blob.core.windows.net",)
_KEY = "PC_SDK_SUBSCRIPTION_KEY"
_MARGIN_S = 300.0
"""A token is renewed so long before it runs out: clocks differ, and a read may take a while."""
_LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    ends: datetime

    def fresh(self) -> bool:
        return (self.ends - datetime.now(UTC)).total_seconds() > _MARGIN_S


class SasTokens:
    """Tokens by storage account and container, fetched when first wanted and again shortly before they run out.

    Args:
        endpoint: of the tokens: `ENDPOINT/ACCOUNT/CONTAINER`.
        hosts: endings of the names of hosts whose addresses are signed.
    """

    def __init__(self, endpoint: str = TOKENS, hosts: tuple[str, ...] = _HOSTS) -> None:
        self._endpoint = endpoint
        self._hosts = hosts
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._tokens: dict[str, _Token] = {}

    def covers(self, href: str) -> bool:
        """Whether an address is one of those that are signed here."""
        return (urlsplit(href).hostname or "").endswith(self._hosts) and urlsplit(href).path.count("/") > 1

    def signed(self, href: str, refused: Signed | None, transport: Transport) -> Signed:
        """The address with a token that is fresh, and another than the one that was refused.

        Raises:
            ReadFailure: no token is to be had.
        """
        parts = urlsplit(href)
        place = f"{parts.netloc.split('.')[0]}/{parts.path.split('/')[1]}"
        with self._lock:
            alone = self._locks.setdefault(place, threading.Lock())
        with alone:
            token = self._tokens.get(place)
            if token is None or not token.fresh() or (refused and refused.url.endswith(token.text)):
                token = self._tokens[place] = self._fetched(place, transport)
        return Signed(f"{bare(href)}?{token.text}", renewable=True)

    def _fetched(self, place: str, transport: Transport) -> _Token:
        url = f"{self._endpoint}/{place}"
        key = os.environ.get(_KEY)
        headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        content = transport.get(
            lambda refused: Signed(url), lambda answer, body: body(_LONGEST), headers, public=False
        )
        return _parsed(content, url)


def _parsed(content: bytes, url: str) -> _Token:
    """A token and when it ends; the answer itself is never repeated, it is a secret."""
    try:
        document = json.loads(content)
        token = _Token(str(document["token"]), datetime.fromisoformat(str(document["msft:expiry"])))
    except (ValueError, KeyError, TypeError):
        raise ReadFailure(f"an answer without a token from {url}") from None
    if token.ends.tzinfo is None:
        token = _Token(token.text, token.ends.replace(tzinfo=UTC))
    if token.ends <= datetime.now(UTC):
        raise PassingFailure(f"a token that had run out from {url}; is this machine's clock right?")
    return token
