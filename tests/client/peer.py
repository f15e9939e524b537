"""The other end of the wire: raw sockets that answer in any way, also in ways in which no HTTP library would."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

ALLOW: Final[dict[str, Any]] = {
    "decision": "GO",
    "verdict": "ALLOW",
    "request_id": "req_x",
    "issues": [],
    "meta": {"source": "live"},
}
#: A self-signed certificate of 127.0.0.1, for tests alone, with its key.
CERTIFICATE: Final = Path(__file__).with_name("certificate.pem")


class Seen(NamedTuple):
    """A request that arrived. Names of `headers` are in lower case; `connection` numbers the connections from 0."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def request_id(self) -> str:
        """The try's own id."""
        return self.headers.get("x-request-id", "")

    @property
    def goal(self) -> str:
        """The goal of a check."""
        return str(json.loads(self.body)["goal"])


#: Answers one request on its connection.
Talk = Callable[[Seen, socket.socket], object]


class Peer:
    """Where it listens, and what it has seen."""

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.seen: list[Seen] = []
        self.connections = 0
        self.closed = threading.Semaphore(0)  # once for each connection that the other side has closed

    @property
    def used(self) -> list[int]:
        """The number of the connection that each request came by."""
        return [seen.connection for seen in self.seen]


def answer(seen: Seen, body: dict[str, Any] | bytes = ALLOW, *, status: int = 200, **headers: str) -> bytes:
    """An answer as it goes over the wire, with the request's own id unless another `x_request_id` is given."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {
        "content_type": "application/json",
        "content_length": str(len(content)),
        "x_request_id": seen.request_id,
        **headers,
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in sent.items() if value]
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode() + content


def allow(seen: Seen, connection: socket.socket) -> None:
    """Allow anything."""
    connection.sendall(answer(seen))


@contextmanager
def peer(talk: Talk = allow, *, tls: bool = False) -> Iterator[Peer]:
    """A peer that answers each request with `talk`, on connections that stay open."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket, number: int) -> None:
        with suppress(OSError, ssl.SSLError):
            if tls:
                connection = context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as reading:
                while (seen := _read(reading, number)) is not None:
                    made.seen.append(seen)
                    talk(seen, connection)
        made.closed.release()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connections.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection, made.connections)))
                made.connections += 1
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Peer(listening.getsockname()[1], "https" if tls else "http")
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield made
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            for connection in connections:
                connection.close()


def _read(reading: Any, number: int) -> Seen | None:
    line = reading.readline().decode().strip()
    if not line:
        return None
    headers = {}
    while (text := reading.readline().decode().strip()) != "":
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Seen(line, headers, reading.read(int(headers.get("content-length", 0))), number)
