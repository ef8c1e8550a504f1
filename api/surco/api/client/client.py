"""A server's verbs as methods."""

from __future__ import annotations

from typing import Any, Self

from surco.api.client.asking import Asking
from surco.api.client.teaching import Teaching
from surco.api.client.transport import Transport

__all__ = ["Client"]


class Client(Asking, Teaching):
    """A Surco server, asked from Python: tables come as Arrow, files are whole or not there.

    ```python
    from surco.api import Client

    with Client("https://surco.example.cl") as surco:      # the key is that of SURCO_API_KEY, or key=...
        surco.sql("SELECT region, count(*) AS cells FROM cells GROUP BY region")
        surco.search([{"place": [-71.25, -34.98]}], k=50, region="Maule")
    ```

    Args:
        url: the server's address.
        key: an API key; None takes that of `SURCO_API_KEY`, if it is set.
        timeout_s: without a byte, until a request is given up.

    Raises:
        SettingsError: an address that is none, or a key that would go unencrypted to another machine.
    """

    def __init__(self, url: str, key: str | None = None, timeout_s: float = 120.0) -> None:
        self._transport = Transport(url, key, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def whoami(self) -> dict[str, Any]:
        """The key's name and what it may do."""
        found: dict[str, Any] = self._transport.json("GET", "/whoami")
        return found
