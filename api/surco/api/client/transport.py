"""Requests to a Surco server: its key, its refusals as errors, its answers as tables and files."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow as pa

from surco.api.errors import ApiError
from surco.api.refusals import ExportError, SettingsError
from surco.api.whole_file import whole_file

__all__ = ["KEY_VARIABLE", "ServerError", "Transport"]

KEY_VARIABLE = "SURCO_API_KEY"
"""Environment variable with the API key, where none is given."""

ARROW = "application/vnd.apache.arrow.stream"
_PIECE = 1 << 20


class ServerError(ApiError):
    """What a server refused; its words say what was expected, what came and what to do.

    Attributes:
        status: of HTTP; 0 where no answer came.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Transport:
    """One server and one key.

    Args:
        url: its address.
        key: an API key; None takes that of `SURCO_API_KEY`, if it is set.
        timeout_s: without a byte, until a request is given up.

    Raises:
        SettingsError: an address that is none, or a key that would go unencrypted to another machine.
    """

    def __init__(self, url: str, key: str | None = None, timeout_s: float = 120.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise SettingsError(f"Expected a server's address such as https://host, got {url!r}. Correct it.")
        secret = key if key is not None else os.environ.get(KEY_VARIABLE)
        if secret and parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise SettingsError(
                f"Expected https for a request with an API key, got {url!r}, which anybody on the way reads. Use https."
            )
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def json(self, method: str, path: str, **request: Any) -> Any:
        """The answer as plain values; None where there is none.

        Raises:
            ServerError: a refusal, or no answer.
        """
        answer = self._asked(method, path, **request)
        return answer.json() if answer.content else None

    def table(self, method: str, path: str, **request: Any) -> pa.Table:
        """The answer as an Arrow table, read as it comes; an answer that was cut off is an error.

        Raises:
            ServerError: a refusal, no answer, or one that ended early.
        """
        with self._streamed(method, path, accept=ARROW, **request) as answer:
            try:
                with pa.ipc.open_stream(io.BufferedReader(_Reading(answer.iter_raw(_PIECE)))) as reader:
                    return reader.read_all()
            except (pa.ArrowInvalid, httpx.HTTPError) as error:
                raise ServerError(
                    f"Expected a whole answer, got one that ended early: {error}. Ask again."
                ) from error

    def page(self, path: str, params: Mapping[str, Any]) -> tuple[pa.Table, str | None]:
        """One page of a list as an Arrow table, and the token of the next; None at the end.

        Raises:
            ServerError: a refusal, or no answer.
        """
        answer = self._asked("GET", path, params=params, headers={"accept": ARROW})
        following = answer.links.get("next", {}).get("url")
        token = httpx.URL(following).params.get("token") if following else None
        with pa.ipc.open_stream(answer.content) as reader:
            return reader.read_all(), token

    def download(self, path: str, out: str | Path, **request: Any) -> Path:
        """Write the answer to a file, which appears when it is complete.

        Raises:
            ServerError: a refusal, no answer, or one that ended early.
            ExportError: a file that cannot be written.
        """
        target = Path(out)
        try:
            with (
                self._streamed("GET", path, accept="*/*", **request) as answer,
                whole_file(target) as draft,
                draft.open("wb") as sink,
            ):
                for piece in answer.iter_bytes(_PIECE):
                    sink.write(piece)
        except httpx.HTTPError as error:
            raise ServerError(
                f"Expected a whole file, got one that ended early: {error}. Ask again."
            ) from error
        except OSError as error:
            raise ExportError(
                f"Expected to be able to write {target}, got: {error}. Choose another place."
            ) from error
        return target

    def _asked(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **_without_none(request))
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        _checked(answer)
        return answer

    @contextmanager
    def _streamed(self, method: str, path: str, accept: str, **request: Any) -> Iterator[httpx.Response]:
        headers = {"accept": accept, "accept-encoding": "identity"}
        try:
            with self._http.stream(method, path, headers=headers, **_without_none(request)) as answer:
                if answer.is_error:
                    answer.read()
                _checked(answer)
                yield answer
        except httpx.ConnectError as error:
            raise self._silent(error) from error

    def _silent(self, error: httpx.HTTPError) -> ServerError:
        return ServerError(
            f"Expected an answer of {self._http.base_url}, got none ({error}). Is `surco serve` running there?"
        )


class _Reading(io.RawIOBase):
    """Pieces of an answer as a file that can be read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _checked(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    try:
        words = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        words = f"Expected an answer of a Surco server, got {answer.status_code}. Check the address."
    raise ServerError(words, answer.status_code)


def _without_none(request: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters and fields that were left out are not sent."""
    return {
        name: {key: value for key, value in given.items() if value is not None}
        if name in ("params", "json") and isinstance(given, Mapping)
        else given
        for name, given in request.items()
    }
