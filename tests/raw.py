"""Bytes to a server and what comes back, for requests that no HTTP client would send."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.running import Server


class Answer(NamedTuple):
    """An answer: status, headers (lower-case names) and body."""

    status: int
    headers: dict[str, str]
    body: Any


class Connection:
    """A connection to a server. A context manager."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self._received = self.socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._received.close()
        self.socket.close()

    def send(self, data: bytes | Iterable[bytes]) -> None:
        """Send all of it, or as much as the server takes before it closes the connection."""
        with contextlib.suppress(ConnectionError):
            for part in [data] if isinstance(data, bytes) else data:
                self.socket.sendall(part)

    def answers(self) -> Iterator[Answer]:
        """What the server answers until it closes the connection."""
        with contextlib.suppress(ConnectionError):
            while line := self._received.readline():
                status = int(line.split()[1])
                headers = {name.lower(): value for name, value in http.client.parse_headers(self._received).items()}
                body = self._received.read(int(headers["content-length"]))
                yield Answer(status, headers, json.loads(body))

    def answer(self) -> Answer:
        """The next answer."""
        return next(self.answers())

    def closed(self) -> bool:
        """Whether the server closes the connection, without a further answer. Waits for it."""
        try:
            return self._received.read(1) == b""
        except ConnectionError:
            return True


def ask(server: Server, data: bytes | Iterable[bytes]) -> list[Answer]:
    """Every answer to what is sent on a connection of its own, until the server closes it."""
    with Connection(server) as connection:
        connection.send(data)
        return list(connection.answers())


def post(path: str, body: bytes, *headers: str, end: bytes = b"") -> bytes:
    """A POST of JSON, with its length unless `transfer-encoding` is among the headers."""
    lines = [f"POST {path} HTTP/1.1", "host: x", *headers]
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body + end


def get(path: str, *headers: str) -> bytes:
    """A GET."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: x", *headers, "", ""]).encode()


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    """One chunk of a chunked body."""
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


def peak_memory(server: Server) -> int:
    """The most memory that the server's process has held so far, in bytes."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])
