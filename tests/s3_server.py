"""An S3 server on loopback, as real as moto makes it, that counts requests and can be told to fail some."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

SECRETS = {"AWS_ACCESS_KEY_ID": "AKIAWHOREADSTHIS", "AWS_SECRET_ACCESS_KEY": "never-to-be-shown"}


@dataclass(frozen=True)
class Request:
    """What a client asked for: method, bucket and key, and whether only if there was none."""

    method: str
    name: str
    conditional: bool


Answer = tuple[str, bytes]
"""Status line and body instead of S3's own."""


class S3Server:
    """Buckets in memory; requests take effect one after another, as S3's conditional puts do.

    `conditions` False makes it one of those that ignore If-None-Match.
    `before` sees each request first and may answer it itself; `after` sees it once it took effect.
    """

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.conditions = True
        self.before: Callable[[Request], Answer | None] = lambda _: None
        self.after: Callable[[Request], Answer | None] = lambda _: None
        self._app: Any = DomainDispatcherApplication(create_backend_app)
        self._one = threading.Lock()
        self._under_way: set[int] = set()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        """For AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_until_idle(self) -> None:
        """Let requests that a killed client left in the pipe come to their end."""
        time.sleep(0.1)
        while self._under_way:
            time.sleep(0.02)

    def reset(self) -> None:
        """Forget requests and what was to fail."""
        self.seen.clear()
        self.conditions = True
        self.before = self.after = lambda _: None

    def put(self, name: str, content: bytes = b"") -> None:
        """Put a new object, or where the name is a bucket's make it, past the hooks."""
        request = urllib.request.Request(f"{self.endpoint}/{name}", data=content, method="PUT")  # noqa: S310
        request.add_header("X-Past-Hooks", "1")
        request.add_header("Content-Type", "application/octet-stream")
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            answer.read()

    def puts(self) -> list[str]:
        """Names of objects that were put."""
        return [each.name for each in self.seen if each.method == "PUT"]

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_X_PAST_HOOKS"):
            return list(self._app(environ, start))
        if not self.conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        self._under_way.add(threading.get_ident())
        try:
            return self._in_turn(environ, start)
        finally:
            self._under_way.discard(threading.get_ident())

    def _in_turn(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(
            environ["REQUEST_METHOD"],
            unquote(environ["PATH_INFO"]).lstrip("/"),
            environ.get("HTTP_IF_NONE_MATCH") == "*",
        )
        with self._one:
            self.seen.append(request)
            answer = self.before(request)
            if answer is not None:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            else:
                kept: list[Any] = []
                body = b"".join(self._app(environ, lambda *given: kept.append(given)))
                answer = self.after(request)
                if answer is None:
                    start(*kept[-1])
                    return [body]
        status, body = answer
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


class _Quiet(WSGIRequestHandler):
    """Writes no log."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing."""
