"""How an address of a catalogue becomes one that can be read: by whom it belongs to, at the moment of reading."""

from __future__ import annotations

from surco.encoder.providers.buckets import Buckets
from surco.encoder.providers.sas import SasTokens
from surco.encoder.reading.addresses import bare
from surco.encoder.reading.transport import Signed, Transport

__all__ = ["Access"]


class Access:
    """Signs addresses. Signatures are made by who reads, when he reads; none is kept with a scene.

    Args:
        tokens: of Planetary Computer.
        buckets: of S3.
    """

    def __init__(self, tokens: SasTokens | None = None, buckets: Buckets | None = None) -> None:
        self._tokens = tokens or SasTokens()
        self._buckets = buckets or Buckets()

    def signed(self, href: str, refused: Signed | None, transport: Transport) -> Signed:
        """The address to ask.

        Args:
            href: http, https or s3.
            refused: what was asked in vain, where a fresh signature is wanted.
            transport: to fetch tokens by.

        Raises:
            ReadFailure: a signature that is not to be had.
        """
        if href.startswith("s3://"):
            return self._buckets.signed(href, refused)
        if self._tokens.covers(href):
            return self._tokens.signed(href, refused, transport)
        return Signed(href)

    def unsigned(self, href: str) -> str:
        """An address without a signature that is made anew at reading; any other keeps its own, which nobody renews."""
        return bare(href) if self._tokens.covers(href) else href

    def may_be_asked(self, href: str) -> bool:
        """Whether a catalogue from the network may lead to this object of S3."""
        return self._buckets.may_be_asked(href)
