"""Asking over HTTP with patience: again where a failure may pass, with a fresh signature where one ran out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError

from surco.encoder.reading.addresses import bare, redacted
from surco.encoder.reading.counts import Counter, ReadCounts
from surco.encoder.reading.failures import AccessFailure, PassingFailure, ReadFailure
from surco.encoder.reading.guard import Pools, PrivateAddressFailure

__all__ = ["Patience", "Receive", "Sign", "Signed", "Transport"]

T = TypeVar("T")

_REDIRECTS = 3
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds, and how often is asked.

    Attributes:
        attempts: of one request, the first included.
        first_wait_s: before the second attempt; doubled for each more, times a random 0.5 to 1.5.
        longest_wait_s: before any attempt, whatever the server says.
        connect_s: until a connection stands.
        stall_s: without a single byte coming.
        slowest: bytes a second, on average, below which an answer counts as stalled once `stall_s` is over.
    """

    attempts: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    connect_s: float = 10.0
    stall_s: float = 20.0
    slowest: float = 20_000.0


@dataclass(frozen=True, slots=True)
class Signed:
    """An address as it is asked: with its signature. `renewable` where a refusal is answered with a new signature."""

    url: str
    renewable: bool = False


Sign = Callable[[Signed | None], Signed]
"""Makes the address to ask; is handed the one that was refused where a new signature is wanted."""

Receive = Callable[[urllib3.BaseHTTPResponse, "Body"], T]
"""Makes something of an answer of 200, 206 or 416; raises ReadFailure where it is not what was asked for."""

Body = Callable[[int], bytes]
"""Reads the whole body, which must not be longer than so many bytes."""


class Transport:
    """HTTP for everything that reading needs. Safe to use from many threads."""

    def __init__(self, patience: Patience, counter: Counter, connections: int) -> None:
        self.patience = patience
        self._counter = counter
        self._pools = Pools(connections)

    def get(self, sign: Sign, receive: Receive[T], headers: Mapping[str, str], *, public: bool) -> T:
        """Ask until an answer is whole.

        Args:
            sign: the address.
            receive: what to make of the answer.
            headers: to send.
            public: only public addresses may be asked.

        Raises:
            ReadFailure: what cannot pass, or did not within the attempts.
        """
        refused: Signed | None = None
        failure: PassingFailure | None = None
        asked = 0
        while asked < self.patience.attempts:
            if failure is not None:
                self._rest(asked, failure)
            signed = sign(refused)
            asked += 1
            try:
                return self._once(signed.url, receive, headers, public)
            except AccessFailure:
                if not signed.renewable or refused is not None:
                    raise
                refused, failure = signed, None
                self._counter.add(ReadCounts(renewals=1))
            except PassingFailure as passing:
                failure = passing
        raise ReadFailure(f"{failure}, {asked} times in a row") from failure

    def close(self) -> None:
        """End all connections."""
        self._pools.close()

    def _rest(self, asked: int, failure: PassingFailure) -> None:
        growing = self.patience.first_wait_s * 2.0 ** (asked - 1) * random.uniform(0.5, 1.5)  # noqa: S311
        pause = min(max(growing, failure.wait_s or 0.0), self.patience.longest_wait_s)
        self._counter.add(ReadCounts(retries=1, waited_s=pause))
        time.sleep(pause)

    def _once(self, url: str, receive: Receive[T], headers: Mapping[str, str], public: bool) -> T:
        for _ in range(_REDIRECTS + 1):
            answer = self._send(url, headers, public)
            try:
                if answer.status in _MOVED:
                    url = _moved(url, answer)
                    continue
                _check_status(url, answer)
                found = receive(answer, lambda limit: self._body(answer, limit))  # noqa: B023
            except HTTPError as error:
                answer.close()
                raise _cut(url, error) from error
            except BaseException:
                answer.close()
                raise
            answer.release_conn()
            return found
        raise ReadFailure(f"more than {_REDIRECTS} redirections from {bare(url)}")

    def _send(self, url: str, headers: Mapping[str, str], public: bool) -> urllib3.BaseHTTPResponse:
        self._counter.add(ReadCounts(requests=1))
        patience = urllib3.Timeout(connect=self.patience.connect_s, read=self.patience.stall_s)
        try:
            return self._pools.of(url, public).request(
                "GET", url, headers={"Accept-Encoding": "identity", **headers}, preload_content=False,
                redirect=False, timeout=patience,
            )  # fmt: skip
        except PrivateAddressFailure as failure:
            raise ReadFailure(str(failure)) from None
        except HTTPError as error:
            raise _cut(url, error) from error

    def _body(self, answer: urllib3.BaseHTTPResponse, limit: int) -> bytes:
        began, content = time.monotonic(), bytearray()
        try:
            while chunk := answer.read1(1 << 16):
                content += chunk
                took = time.monotonic() - began
                if len(content) > limit:
                    raise ReadFailure(f"more than the {limit} bytes that were asked for")
                if took > self.patience.stall_s and len(content) < took * self.patience.slowest:
                    raise PassingFailure(f"only {len(content)} bytes in {took:.0f} s")
        finally:
            self._counter.add(ReadCounts(bytes_read=len(content)))
        return bytes(content)


def _check_status(url: str, answer: urllib3.BaseHTTPResponse) -> None:
    status = answer.status
    if status in (200, 206, 416):
        return
    if status in (401, 403):
        raise AccessFailure(f"HTTP status {status} (not allowed) from {bare(url)}")
    if status in _BUSY:
        raise PassingFailure(
            f"HTTP status {status} from {bare(url)}", _seconds(answer.headers.get("Retry-After"))
        )
    raise ReadFailure(f"HTTP status {status} from {bare(url)}")


def _moved(url: str, answer: urllib3.BaseHTTPResponse) -> str:
    """Where an answer leads; never from https to http, never to another kind of address."""
    target = urljoin(url, answer.headers.get("Location", ""))
    answer.drain_conn()
    answer.release_conn()
    if not target.startswith(("https://", "http://")) or (
        url.startswith("https://") and target.startswith("http://")
    ):
        raise ReadFailure(f"a redirection from {bare(url)} to {bare(target)}")
    return target


def _cut(url: str, error: HTTPError) -> PassingFailure:
    return PassingFailure(f"{type(error).__name__} from {bare(url)} ({redacted(str(error))[:200]})")


def _seconds(stated: str | None) -> float | None:
    """Retry-After as seconds: a number, or a date."""
    if stated is None:
        return None
    if stated.strip().isdigit():
        return float(stated)
    try:
        return max(0.0, (parsedate_to_datetime(stated) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
