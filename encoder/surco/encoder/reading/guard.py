"""Connections that refuse to end at a private address: what a catalogue of the public network may not lead to.

The address that a connection really has is looked at, after it is made and before anything is sent, so that
neither a name that stands for a private address nor a redirection gets past.
"""

from __future__ import annotations

import socket
from typing import Any
from urllib.request import getproxies, proxy_bypass

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from surco.encoder.reading.addresses import host_of, is_public_address

__all__ = ["Pools", "PrivateAddressFailure", "PublicAdapter"]


class PrivateAddressFailure(Exception):
    """A catalogue of the public network that leads to a private address. No OSError: urllib3 would ask again."""


class _PublicHTTP(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _check(self.sock, self)


class _PublicHTTPS(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _check(self.sock, self)


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PublicHTTP


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPS


_PUBLIC_ONLY = {"http": _HTTPPool, "https": _HTTPSPool}


class PublicAdapter(HTTPAdapter):
    """An adapter of `requests` that reaches public addresses only. A proxy, where one is set, decides itself."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool of connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _PUBLIC_ONLY


class Pools:
    """Kept connections: one set that goes anywhere, one that goes to public addresses only, one for each proxy.

    Proxies are taken from the environment as everywhere (`https_proxy`, `no_proxy`).
    """

    def __init__(self, connections: int) -> None:
        self._options: dict[str, Any] = {"num_pools": 64, "maxsize": connections, "retries": False}
        self._anywhere = urllib3.PoolManager(**self._options)
        self._public = urllib3.PoolManager(**self._options)
        self._public.pool_classes_by_scheme = _PUBLIC_ONLY
        self._proxies: dict[str, urllib3.ProxyManager] = {}

    def of(self, url: str, public: bool) -> urllib3.PoolManager:
        """The connections for an address; `public` where it may lead to public addresses only."""
        proxy = getproxies().get(url.partition(":")[0])
        if proxy and not proxy_bypass(host_of(url)):
            return self._proxies.setdefault(proxy, urllib3.ProxyManager(proxy, **self._options))
        return self._public if public else self._anywhere

    def close(self) -> None:
        """End all connections."""
        for each in (self._anywhere, self._public, *self._proxies.values()):
            each.clear()


def _check(connected: socket.socket | None, connection: HTTPConnection) -> None:
    if connected is not None and not is_public_address(str(connected.getpeername()[0])):
        connection.close()
        raise PrivateAddressFailure(
            f"the host {connection.host} of a catalogue on the public network stands for a private address"
        )
