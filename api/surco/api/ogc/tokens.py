"""The `token` of a `next` link: which version of the store a page was cut from, and the row that comes next."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import NamedTuple

from surco.api.refusals import InvalidError

__all__ = ["Place", "belongs", "read_token", "written_token"]

_LAYOUT = struct.Struct(">IQI")


class Place(NamedTuple):
    """Where a page ends: `row` comes next, in the table `digest` that the store's `version` holds."""

    version: int
    row: int
    digest: str


def written_token(place: Place) -> str:
    """The place as text for a link; of the digest only its CRC-32, to know a token of another table by."""
    packed = _LAYOUT.pack(place.version, place.row, zlib.crc32(place.digest.encode()))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_token(token: str) -> tuple[int, int, int]:
    """Version, row, and CRC-32 of the digest.

    Raises:
        InvalidError: text that `written_token` did not write.
    """
    try:
        packed = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", validate=True)
        version, row, check = _LAYOUT.unpack(packed)
    except (ValueError, struct.error) as error:
        raise InvalidError(
            f"Expected the token of a link that an answer gave as next, got {token[:80]!r}. Follow the link as it is."
        ) from error
    return version, row, check


def belongs(check: int, digest: str) -> bool:
    """Whether a token's check is that of a table."""
    return check == zlib.crc32(digest.encode())
