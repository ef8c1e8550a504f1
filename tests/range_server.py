"""A web server on loopback that serves files by ranges, a STAC API and signed blobs, and misbehaves as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from stac_catalogs import collection_json, landing_json

Json = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """What happens to one request, instead of what should.

    Attributes:
        kind: `status` (answers `code`), `late` (waits `seconds` first), `stall` (sends half and then nothing),
            `drip` (sends a byte now and then), `cut` (sends half and closes), `short` (answers a shorter range as if it
            were right), `shifted` (answers another range), `whole` (answers the file), `changed` (another ETag),
            `spoilt` (as many bytes as asked for, but others), `moved` (redirects to `target`).
        retry_after: header of a `status`.
    """

    kind: str
    code: int = 503
    retry_after: str | None = None
    seconds: float = 0.0
    target: str = ""


@dataclass(frozen=True)
class Asked:
    """A request as it came: path without query, range, query, and what was sent back."""

    path: str
    range: str
    query: Mapping[str, list[str]]
    status: int
    sent: int
    header: Mapping[str, str]


@dataclass
class StacApi:
    """Collections of items, searched by collection, box and time, `page` at a time."""

    collections: Mapping[str, Sequence[Json]]
    page: int = 100
    searches: list[Json] = field(default_factory=list)


class RangeServer:
    """Serves the files of a folder; those below `signed` only with a token of `/token/ACCOUNT/CONTAINER`.

    `latency` seconds pass before every answer. `faults[path]` are used up one a request, `every[path]` stay.
    """

    def __init__(self, folder: Path, *, latency: float = 0.0, signed: str | None = None) -> None:
        self.folder, self.latency, self.signed = folder, latency, signed
        self.asked: list[Asked] = []
        self.faults: dict[str, deque[Fault]] = {}
        self.every: dict[str, Fault] = {}
        self.api = StacApi({})
        self.token_life = timedelta(minutes=45)
        self.tokens: list[str] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"served": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def address(self) -> str:
        """Of the folder."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fail(self, path: str, *faults: Fault) -> None:
        """Let the next requests for a path go wrong, one after another."""
        self.faults[path] = deque(faults)

    def expire(self) -> None:
        """From now on no token given out so far is taken."""
        self.tokens.append("none")

    def times(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(each.path == path for each in self.asked)

    def sent(self) -> int:
        """Bytes of rasters sent."""
        return sum(each.sent for each in self.asked if each.path.endswith((".tif", ".jp2")))

    def note(self, asked: Asked) -> None:
        """Remember a request."""
        with self._lock:
            self.asked.append(asked)

    def fault(self, path: str) -> Fault | None:
        """What is to go wrong with this request."""
        with self._lock:
            waiting = self.faults.get(path)
            return waiting.popleft() if waiting else self.every.get(path)

    def token(self) -> Json:
        """A new token, as Planetary Computer answers."""
        with self._lock:
            ends = datetime.now(UTC) + self.token_life
            stamp = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
            self.tokens.append(f"secret{len(self.tokens)}")
            text = (
                f"st=2026-01-01T00%3A00%3A00Z&se={stamp.replace(':', '%3A')}&sp=rl&sr=c&sig={self.tokens[-1]}"
            )
        return {"msft:expiry": stamp, "token": text}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """Says nothing of clients that hang up: they are meant to."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    served: RangeServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """A file or a range of it, a document of the API, or a token."""
        time.sleep(self.served.latency)
        parts = urlsplit(self.path)
        if parts.path.startswith("/token/"):
            self._json(self.served.token(), parts.path)
        elif parts.path.startswith("/stac"):
            self._json(_document(self.served, parts.path), parts.path)
        else:
            self._file(parts.path, parse_qs(parts.query))

    def do_HEAD(self) -> None:
        """Size and version of a file."""
        file = self.served.folder / urlsplit(self.path).path.lstrip("/")
        if not file.is_file():
            return self._status(404, None, self.path, {})
        length = file.stat().st_size
        self.send_response(200)
        for name, value in {
            "Content-Length": length,
            "ETag": f'"{length}"',
            "Accept-Ranges": "bytes",
        }.items():
            self.send_header(name, str(value))
        return self.end_headers()

    def do_POST(self) -> None:
        """A search."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.served.latency)
        fault = self.served.fault("/stac/search")
        if fault is not None:
            self._status(fault.code, fault.retry_after, "/stac/search", {})
            return
        self._json(_found(self.served, asked), "/stac/search")

    def _file(self, path: str, query: Mapping[str, list[str]]) -> None:
        fault = self.served.fault(path)
        if fault is not None and fault.kind == "status":
            return self._status(fault.code, fault.retry_after, path, query)
        if fault is not None and fault.kind == "moved":
            return self._status(302, None, path, query, {"Location": fault.target})
        if fault is not None and fault.kind == "late":
            self.served.closing.wait(fault.seconds)
        below = self.served.signed
        if below and path.startswith(below) and query.get("sig", ["?"])[-1] != self.served.tokens[-1:][0]:
            return self._status(403, None, path, query)
        file = self.served.folder / path.lstrip("/")
        if not file.is_file():
            return self._status(404, None, path, query)
        return self._range(file.read_bytes(), path, query, fault.kind if fault else "")

    def _range(self, content: bytes, path: str, query: Mapping[str, list[str]], kind: str) -> None:
        stated = self.headers.get("Range", "")
        first, last = 0, len(content) - 1
        if stated and kind != "whole":
            first, last = (int(number) for number in stated.removeprefix("bytes=").split("-"))
            if first >= len(content):
                self._status(416, None, path, query, {"Content-Range": f"bytes */{len(content)}"})
                return
            last = min(last, len(content) - 1)
            if kind == "short":
                last = first + (last - first) // 2
            if kind == "shifted":
                first, last = first + 1, min(last + 1, len(content) - 1)
        body = content[first : last + 1]
        if kind == "spoilt":
            body = bytes(255 - byte for byte in body)
        status = 206 if stated and kind != "whole" else 200
        self.served.note(Asked(path, stated, query, status, len(body), dict(self.headers)))
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("ETag", '"other"' if kind == "changed" else f'"{len(content)}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(body, kind)

    def _send(self, body: bytes, kind: str) -> None:
        if kind not in ("cut", "stall", "drip"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if kind == "stall":
            self.served.closing.wait(30)
        for place in range(len(body) // 2, len(body) if kind == "drip" else 0):
            if self.served.closing.wait(0.05):
                break
            try:
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
            except OSError:
                break
        self.close_connection = True

    def _status(
        self,
        code: int,
        retry_after: str | None,
        path: str,
        query: Mapping[str, list[str]],
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.served.note(Asked(path, self.headers.get("Range", ""), query, code, 0, dict(self.headers)))
        self.send_response(code)
        for name, value in {**(more or {}), **({"Retry-After": retry_after} if retry_after else {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, document: Json, path: str) -> None:
        body = json.dumps(document).encode()
        self.served.note(Asked(path, "", {}, 200, 0, dict(self.headers)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _document(served: RangeServer, path: str) -> Json:
    """Landing page or collections."""
    if path.endswith("/collections"):
        return {"collections": [collection_json(name) for name in served.api.collections], "links": []}
    return landing_json(f"{served.address}/stac")


def _found(served: RangeServer, asked: Json) -> Json:
    """A page of the items of the collections asked for, with the way to the next."""
    served.api.searches.append(asked)
    items = [item for name in asked["collections"] for item in served.api.collections.get(name, ())]
    start = int(asked.get("token", 0))
    stop = start + served.api.page
    links = []
    if stop < len(items):
        links = [{"rel": "next", "href": f"{served.address}/stac/search", "method": "POST", "merge": True,
                  "body": {"token": str(stop)}}]  # fmt: skip
    return {"type": "FeatureCollection", "features": items[start:stop], "links": links}
