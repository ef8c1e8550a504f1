"""Where a catalogue may lead: never from a network to the files of this machine, never from the public one inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlparse

from surco.encoder.errors import SceneError
from surco.encoder.providers import Access
from surco.encoder.reading.addresses import bare, host_of, is_public_address, is_public_host, is_remote
from surco.encoder.scenes import Scene

__all__ = ["Place", "checked", "place_of"]

Place = Literal["local", "private", "public"]
"""Where a catalogue is: on this machine, on a private network, on the public one."""

_PLACES: Mapping[Place, str] = {
    "local": "a file, an http(s) or an s3 address",
    "private": "an http(s) address or a known s3 bucket",
    "public": "a public http(s) address or a known s3 bucket",
}


def place_of(href: str) -> Place:
    """Where a catalogue is, by its path or address."""
    if not is_remote(href):
        return "local"
    if href.startswith("s3://"):
        return "private"
    return "public" if is_public_host(host_of(href)) else "private"


def checked(place: Place, access: Access, scene: Scene) -> Scene:
    """A scene whose bands lead where its catalogue may lead, without signatures that are made anew at reading.

    A catalogue from the network leads to no local file, and to no bucket but a known one or one of our own service; a
    catalogue of the public network leads to no private address. What a name stands for is looked at when it is read.

    Raises:
        SceneError: names the scene and the band.
    """
    for name, band in scene.bands.items():
        if not _may_lead_to(band.href, place, access):
            raise SceneError(
                f"Expected {_PLACES[place]} for band {name} of scene {scene.id}; got {bare(band.href)!r}. "
                "Use a catalogue whose assets are reachable that way."
            )
    public = place == "public"
    bands = {n: replace(b, href=access.unsigned(b.href), public=public) for n, b in scene.bands.items()}
    return replace(scene, bands=MappingProxyType(bands))


def _may_lead_to(href: str, place: Place, access: Access) -> bool:
    scheme = urlparse(href).scheme
    if href.startswith("/vsi"):
        return False
    if scheme == "s3":
        return place == "local" or access.may_be_asked(href)
    if scheme in ("http", "https"):
        return place != "public" or not _is_private_literal(host_of(href))
    return place == "local" and scheme in ("", "file")


def _is_private_literal(host: str) -> bool:
    """Whether a host is written as a private address, or is this machine: no name has to be looked up to know."""
    try:
        return not is_public_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
