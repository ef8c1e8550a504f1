"""What goes over the socket between the server and a worker: a kind, a length, and bytes. Nothing is ever unpickled.

The server sends what to ask (`Start`, `Ask`, and "cancel"); the worker sends bytes of the answer as they are to go to
the client, and one last frame that says how it ended. A server thus never decodes what a worker computed.
"""

from __future__ import annotations

import socket
import struct
from typing import Final, Literal

import msgspec

__all__ = [
    "ASK",
    "CANCEL",
    "DATA",
    "END",
    "ERROR",
    "HEADER",
    "LARGEST",
    "READY",
    "START",
    "Ask",
    "End",
    "Fault",
    "FaultKind",
    "Start",
    "read_frame",
    "write_frame",
]

START: Final = b"S"
ASK: Final = b"A"
CANCEL: Final = b"C"
READY: Final = b"R"
DATA: Final = b"D"
END: Final = b"E"
ERROR: Final = b"X"
HEADER: Final = struct.Struct("<cI")
"""Kind and length of a frame."""
LARGEST: Final = 1 << 20
"""Bytes of the largest frame."""

FaultKind = Literal["invalid", "rows", "bytes", "memory", "stopped", "store", "broken"]


class Start(msgspec.Struct, frozen=True):
    """What a worker is for, sent once.

    Attributes:
        store: the store's folder.
        memory: bytes that queries may take beyond what the worker needs to stand.
        threads: of one query.
        query_bytes: longest query.
    """

    store: str
    memory: int
    threads: int
    query_bytes: int


class Ask(msgspec.Struct, frozen=True):
    """One query.

    Attributes:
        id: number of the question, for `CANCEL`.
        version: of the store; a worker that has an older one opens the newer.
        query: SQL.
        form: name of the format.
        limit: rows after which the answer ends, as the client asked; None for no limit.
        rows: most rows of an answer.
        bytes: most bytes of an answer.
        cpu_s: seconds of processor time after which the kernel ends the worker.
    """

    id: int
    version: int
    query: str
    form: str
    limit: int | None
    rows: int
    bytes: int
    cpu_s: int


class Fault(msgspec.Struct, frozen=True):
    """Why a query has no answer, or no whole one."""

    kind: FaultKind
    message: str


class End(msgspec.Struct, frozen=True):
    """How a whole answer ended: its rows, and whether the client's `limit` left some out."""

    rows: int
    truncated: bool


def write_frame(sock: socket.socket, kind: bytes, body: bytes = b"") -> None:
    """Send one frame, in parts of at most `LARGEST` where it is data."""
    for at in range(0, max(len(body), 1), LARGEST):
        part = body[at : at + LARGEST]
        sock.sendall(HEADER.pack(kind, len(part)))
        sock.sendall(part)


def read_frame(sock: socket.socket) -> tuple[bytes, bytes]:
    """The next frame; EOFError where the other side is gone."""
    kind, length = HEADER.unpack(_exactly(sock, HEADER.size))
    return kind, _exactly(sock, length)


def _exactly(sock: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = sock.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
