"""Addresses of rasters: what of them may be shown, and which lie on the public network."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit, urlunsplit

__all__ = ["bare", "host_of", "is_public_address", "is_public_host", "is_remote", "redacted"]

_ADDRESS = re.compile(r"(?:https?|s3)://[^\s'\"<>]+")


def is_remote(href: str) -> bool:
    """Whether an href is read over a network (http, https, s3) and not from a disk."""
    return href.startswith(("http://", "https://", "s3://"))


def bare(href: str) -> str:
    """An address without what may be secret: its query (signatures), its fragment, its user and password."""
    if "://" not in href:
        return href
    parts = urlsplit(href)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def redacted(text: str) -> str:
    """A text, such as another library's message, with every address in it made bare."""
    return _ADDRESS.sub(lambda found: bare(found[0]), text)


def host_of(href: str) -> str:
    """Host name of an address, without port, in lower case; empty where there is none."""
    return (urlsplit(href).hostname or "").lower()


def is_public_address(address: str) -> bool:
    """Whether an IP address (text) is one of the public network: not loopback, private, link-local or reserved."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return (mapped or found).is_global and not found.is_multicast


def is_public_host(host: str) -> bool:
    """Whether all that a name stands for is of the public network; a name that nobody knows counts as public."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return True
    return all(is_public_address(str(entry[4][0])) for entry in found)
